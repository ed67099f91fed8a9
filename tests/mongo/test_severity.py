"""How urgent a finding is: data, ransom, hints, size, versions, and honeypots that must not alarm."""

from __future__ import annotations

from typing import Any

import pytest

from results.record import Database, EndOfLife, Exposure, Hint, Ransom, Reason, Server, Vulnerabilities
from results.verdict import MEANING, Severity, Verdict
from scanner.mongo.severity import severity
from tests.support.reasons import written


def shown(reason: Reason, verdict: Verdict) -> str:
    """What a person reads of a reason."""
    return MEANING[verdict].sentence if reason.code == "verdict" else written([reason])


def holds(databases: list[Database], count: int, **changes: Any) -> Exposure:
    """An exposure of which no more is known."""
    return Exposure(access="not_told", databases=databases, database_count=count, **changes)


def server(**changes: Any) -> Server:
    """A MongoDB of which no more is known."""
    return Server(product="mongodb", **changes)


DATA = holds([Database(name="shop", documents=5)], 1, documents=5)
SERVER = server(version="8.0.10")


def advisory(certainty: str = "version_in_range", *, exploited: bool = True) -> Vulnerabilities:
    assert certainty in ("version_in_range", "possible", "check_vendor")
    return Vulnerabilities(known_exploited=["CVE-1"] * exploited, **{certainty: ["CVE-1"]})


@pytest.mark.parametrize(
    ("exposure", "level", "words"),
    [
        (None, Severity.HIGH, "without a password"),
        (DATA, Severity.HIGH, "without a password"),
        (
            holds([Database(name="a")], 1),
            Severity.HIGH,
            "without a password",
        ),
        (holds([], 0), Severity.HIGH, "without a password"),
        (
            holds([Database(name="a", documents=0)], 1),
            Severity.MEDIUM,
            "no data",
        ),
        (
            holds([Database(name="local", system=True)], 1),
            Severity.MEDIUM,
            "no data",
        ),
        (
            holds([Database(name="a", empty=True)], 9),
            Severity.HIGH,
            "password",
        ),
    ],
)
def test_open_with_and_without_data(exposure: Exposure | None, level: Severity, words: str) -> None:
    found, reasons = severity(Verdict.OPEN, SERVER, exposure)
    assert found is level
    assert words in shown(reasons[0], Verdict.OPEN)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ransom": Ransom(level="likely", names=["DB_DROPPED"], wiped=True)}, "no other data is left"),
        ({"ransom": Ransom(level="likely", names=["DB_DROPPED"], wiped=False)}, "other data is still there"),
        ({"ransom": Ransom(level="likely", names=["DB_DROPPED"])}, "DB_DROPPED"),
        (
            {"hints": [Hint(name="a.users", word="users", category="people", language="en")]},
            "a.users",
        ),
        ({"hints": [Hint(name="u", word="u", category="people", language="en")] * 5}, "and 2 more"),
        ({"total_size_bytes": 60 * 10**9}, "very large"),
        ({"documents": 2_000_000}, "very many"),
    ],
)
def test_what_makes_it_critical(changes: dict[str, Any], words: str) -> None:
    exposure = holds(DATA.databases, 1, **changes)
    found, reasons = severity(Verdict.OPEN, SERVER, exposure)
    assert found is Severity.CRITICAL
    assert words in shown(reasons[0], Verdict.OPEN)
    assert "verdict" not in [reason.code for reason in reasons]


@pytest.mark.parametrize("level", ["possible", "third_party_marker"])
def test_lesser_marks_are_named_without_raising(level: str) -> None:
    assert level in ("possible", "third_party_marker")
    ransom = Ransom(level=level, names=["X"])  # type: ignore[arg-type] # checked above
    exposure = holds(DATA.databases, 1, ransom=ransom)
    found, reasons = severity(Verdict.OPEN, SERVER, exposure)
    assert found is Severity.HIGH
    assert "X" in [reason.detail for reason in reasons]


@pytest.mark.parametrize(
    ("verdict", "advisories", "level"),
    [
        (Verdict.OPEN, advisory(), Severity.HIGH),
        (Verdict.AUTH_REQUIRED, advisory(), Severity.HIGH),
        (Verdict.OPEN_NO_DATA, advisory(), Severity.HIGH),
        (Verdict.AUTH_REQUIRED, advisory("possible"), Severity.MEDIUM),
        (Verdict.AUTH_REQUIRED, advisory("check_vendor"), Severity.MEDIUM),
        (Verdict.AUTH_REQUIRED, advisory(exploited=False), Severity.MEDIUM),
        (Verdict.AUTH_REQUIRED, advisory("possible", exploited=False), Severity.INFO),
        (Verdict.AUTH_REQUIRED, None, Severity.INFO),
    ],
)
def test_versions_count_for_locked_servers_too(
    verdict: Verdict, advisories: Vulnerabilities | None, level: Severity
) -> None:
    assert severity(verdict, server(version="8.0.10", vulnerabilities=advisories), DATA)[0] is level


def test_an_open_server_without_user_data_is_not_critical_for_its_version() -> None:
    empty = holds([Database(name="local", system=True)], 1)
    level, reasons = severity(Verdict.OPEN, server(version="7.0.14", vulnerabilities=advisory()), empty)
    assert level is Severity.HIGH
    assert reasons[0] == Reason(code="exploited-vulnerability", detail="CVE-1")


def test_support_that_ended_is_a_low_finding_of_its_own() -> None:
    old = Server(
        product="mongodb", version="4.0.3", end_of_life=EndOfLife(series="4.0", ended=True, date="2022-04-30")
    )
    level, reasons = severity(Verdict.AUTH_REQUIRED, old, None)
    assert level is Severity.LOW
    assert reasons[0] == Reason(code="end-of-life", detail="MongoDB 4.0 since 2022-04-30")
    dateless = server(end_of_life=EndOfLife(series="4.1", ended=True))
    assert severity(Verdict.AUTH_REQUIRED, dateless, None)[1][0].detail == "MongoDB 4.1"


def test_a_honeypot_never_alarms() -> None:
    level, reasons = severity(Verdict.OPEN, Server(product="dionaea", honeypot_suspected=True), DATA)
    assert level is Severity.LOW
    assert reasons[0].code == "honeypot-suspected"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_severity_and_a_reason(verdict: Verdict) -> None:
    level, reasons = severity(verdict, None, None)
    assert isinstance(level, Severity)
    assert reasons


NOTHING = holds([Database(name="a", documents=0)], 1)
NAMED = holds(DATA.databases, 1, hints=[Hint(name="users", word="user", category="people", language="en")])
EXPLOITED = server(version="7.0.14", vulnerabilities=advisory())


@pytest.mark.parametrize(
    ("verdict", "seen", "exposure", "inside", "outside", "first"),
    [
        (Verdict.OPEN, SERVER, DATA, Severity.HIGH, Severity.CRITICAL, "open-to-the-internet"),
        (Verdict.OPEN, SERVER, NOTHING, Severity.MEDIUM, Severity.HIGH, "open-to-the-internet"),
        (Verdict.OPEN, EXPLOITED, NOTHING, Severity.HIGH, Severity.HIGH, "open-to-the-internet"),
        (Verdict.OPEN, SERVER, NAMED, Severity.CRITICAL, Severity.CRITICAL, "telling-names"),
        (Verdict.OPEN_NO_DATA, SERVER, None, Severity.LOW, Severity.MEDIUM, "open-to-the-internet"),
        (Verdict.AUTH_REQUIRED, SERVER, None, Severity.INFO, Severity.INFO, "verdict"),
        (Verdict.AUTH_REQUIRED, EXPLOITED, None, Severity.HIGH, Severity.HIGH, "exploited-vulnerability"),
        (Verdict.UNKNOWN, None, None, Severity.LOW, Severity.LOW, "verdict"),
        (Verdict.REFUSED, None, None, Severity.INFO, Severity.INFO, "verdict"),
    ],
)
def test_what_is_open_to_the_internet_is_graver_by_one_step_and_nothing_else_is(
    verdict: Verdict,
    seen: Server | None,
    exposure: Exposure | None,
    inside: Severity,
    outside: Severity,
    first: str,
) -> None:
    """A step above what lies open: what the version is known for is not graver for being seen."""
    plain = severity(verdict, seen, exposure)
    assert plain[0] is inside
    for vantage in ("", "office", "datacentre"):
        assert severity(verdict, seen, exposure, vantage) == plain
    level, reasons = severity(verdict, seen, exposure, "internet")
    assert (level, reasons[0].code) == (outside, first)
    codes = [reason.code for reason in reasons]
    assert codes.count("open-to-the-internet") == verdict.is_open
    kept = [reason for reason in plain[1] if reason.code != "verdict"]
    assert [reason for reason in reasons if reason.code not in ("verdict", "open-to-the-internet")] == kept


def test_a_honeypot_seen_from_the_internet_does_not_alarm_either() -> None:
    trap = Server(product="dionaea", honeypot_suspected=True)
    assert severity(Verdict.OPEN, trap, DATA, "internet") == severity(Verdict.OPEN, trap, DATA)
