"""How urgent a finding is: points for data, ransom, hints, size, use, versions; honeypots must not alarm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from results.record import (
    Database,
    EndOfLife,
    Exposure,
    Hint,
    LastWrite,
    Ransom,
    Reason,
    Server,
    Vulnerabilities,
)
from results.verdict import MEANING, Severity, Verdict
from scanner.mongo.severity import assess
from scanner.mongo.weights import DEFAULT, Weights
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
    found, reasons, _ = assess(Verdict.OPEN, SERVER, exposure)
    assert found is level
    assert words in shown(reasons[0], Verdict.OPEN)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ransom": Ransom(level="likely", names=["DB_DROPPED"], wiped=True)}, "no other data is left"),
        ({"ransom": Ransom(level="likely", names=["DB_DROPPED"], wiped=False)}, "other data is still there"),
        ({"ransom": Ransom(level="likely", names=["DB_DROPPED"])}, "DB_DROPPED"),
        ({"total_size_bytes": 60 * 10**9}, "very large"),
        ({"documents": 2_000_000}, "very many"),
    ],
)
def test_what_makes_it_critical(changes: dict[str, Any], words: str) -> None:
    exposure = holds(DATA.databases, 1, **changes)
    found, reasons, _ = assess(Verdict.OPEN, SERVER, exposure)
    assert found is Severity.CRITICAL
    assert words in shown(reasons[0], Verdict.OPEN)
    assert reasons[-1] == Reason(code="verdict", points=48), "what the verdict itself says comes last"


def hinted(*categories: str, name: str = "a.users") -> list[Hint]:
    """One name for each kind."""
    return [Hint(name=name, word="users", category=each, language="en") for each in categories]


@pytest.mark.parametrize(
    ("hints", "words", "points"),
    [
        (hinted("people"), "a.users", 8),
        (hinted(*["people"] * 5), "and 2 more", 8),
        (hinted("people", "health"), "a.users", 11),
        (hinted("people", "health", "payments", "contact", "messages"), "a.users", 16),
    ],
)
def test_names_alone_say_high_and_are_critical_only_with_what_lies_there(
    hints: list[Hint], words: str, points: int
) -> None:
    few = holds(DATA.databases, 1, hints=hints)
    level, reasons, score = assess(Verdict.OPEN, SERVER, few)
    assert (level, score) == (Severity.HIGH, 48 + points)
    assert (reasons[0].code, reasons[0].points) == ("telling-names", points)
    assert words in shown(reasons[0], Verdict.OPEN)
    many = replace(few, documents=400_000)
    assert assess(Verdict.OPEN, SERVER, many).severity is Severity.CRITICAL
    field = [replace(hint, field="email") for hint in hints]
    assert assess(Verdict.OPEN, SERVER, replace(few, hints=field)).score == 48, "an index names no data"


@pytest.mark.parametrize("level", ["possible", "third_party_marker"])
def test_lesser_marks_are_named_without_raising(level: str) -> None:
    assert level in ("possible", "third_party_marker")
    ransom = Ransom(level=level, names=["X"])  # type: ignore[arg-type] # checked above
    exposure = holds(DATA.databases, 1, ransom=ransom)
    found, reasons, _ = assess(Verdict.OPEN, SERVER, exposure)
    assert found is Severity.HIGH
    empty = holds([Database(name="X", documents=0)], 1, ransom=ransom)
    assert assess(Verdict.OPEN, SERVER, empty).severity is Severity.HIGH
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
    assert assess(verdict, server(version="8.0.10", vulnerabilities=advisories), DATA).severity is level


def test_an_open_server_without_user_data_is_not_critical_for_its_version() -> None:
    empty = holds([Database(name="local", system=True)], 1)
    seen = server(version="7.0.14", vulnerabilities=advisory())
    level, reasons, score = assess(Verdict.OPEN, seen, empty)
    assert (level, score) == (Severity.HIGH, 48)
    assert reasons[0] == Reason(code="exploited-vulnerability", detail="CVE-1", points=24)


def test_support_that_ended_is_a_low_finding_of_its_own() -> None:
    old = Server(
        product="mongodb", version="4.0.3", end_of_life=EndOfLife(series="4.0", ended=True, date="2022-04-30")
    )
    level, reasons, _ = assess(Verdict.AUTH_REQUIRED, old, None)
    assert level is Severity.LOW
    assert reasons == [Reason(code="end-of-life", detail="MongoDB 4.0 since 2022-04-30", points=5)]
    dateless = server(end_of_life=EndOfLife(series="4.1", ended=True))
    assert assess(Verdict.AUTH_REQUIRED, dateless, None).reasons[0].detail == "MongoDB 4.1"


def test_the_gravest_ground_lifts_and_the_others_add_their_own() -> None:
    both = server(vulnerabilities=advisory("possible"), end_of_life=EndOfLife(series="4.1", ended=True))
    found = assess(Verdict.AUTH_REQUIRED, both, None)
    told = [(each.code, each.points) for each in found.reasons]
    assert told == [("possible-exploited-vulnerability", 21), ("end-of-life", 1)]
    assert found.score == 22


def test_a_honeypot_never_alarms() -> None:
    level, reasons, _ = assess(Verdict.OPEN, Server(product="dionaea", honeypot_suspected=True), DATA)
    assert level is Severity.LOW
    assert reasons[0].code == "honeypot-suspected"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_severity_and_a_reason(verdict: Verdict) -> None:
    level, reasons, score = assess(verdict, None, None)
    assert level is MEANING[verdict].severity, "the weights say what the table of verdicts says"
    assert reasons == [Reason(code="verdict", points=score)]


MEANT = frozenset(each.value for each in Severity)  # thresholds, which have an order
NOTHING = holds([Database(name="a", documents=0)], 1)
NAMED = holds(DATA.databases, 1, hints=[Hint(name="users", word="user", category="people", language="en")])
EXPLOITED = server(version="7.0.14", vulnerabilities=advisory())


@pytest.mark.parametrize(
    ("verdict", "seen", "exposure", "inside", "outside", "first"),
    [
        (Verdict.OPEN, SERVER, DATA, Severity.HIGH, Severity.CRITICAL, "open-to-the-internet"),
        (Verdict.OPEN, SERVER, NOTHING, Severity.MEDIUM, Severity.HIGH, "open-to-the-internet"),
        (Verdict.OPEN, EXPLOITED, NOTHING, Severity.HIGH, Severity.HIGH, "open-to-the-internet"),
        (Verdict.OPEN, SERVER, NAMED, Severity.HIGH, Severity.CRITICAL, "open-to-the-internet"),
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
    plain = assess(verdict, seen, exposure)
    assert plain.severity is inside
    for vantage in ("", "office", "datacentre"):
        assert assess(verdict, seen, exposure, vantage) == plain
    level, reasons, score = assess(verdict, seen, exposure, "internet")
    assert (level, reasons[0].code) == (outside, first)
    codes = [reason.code for reason in reasons]
    assert codes.count("open-to-the-internet") == verdict.is_open
    assert set(codes) - {"open-to-the-internet"} == {reason.code for reason in plain.reasons}
    assert score >= plain.score


def test_a_honeypot_seen_from_the_internet_does_not_alarm_either() -> None:
    trap = Server(product="dionaea", honeypot_suspected=True)
    assert assess(Verdict.OPEN, trap, DATA, "internet") == assess(Verdict.OPEN, trap, DATA)


NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "age", "points"),
    [
        ("newest_object_id", timedelta(minutes=-30), 12),
        ("newest_object_id", timedelta(days=1), 12),
        ("collection_made", timedelta(days=7), 8),
        ("newest_object_id", timedelta(days=30), 4),
        ("newest_object_id", timedelta(days=31), 0),
        ("newest_object_id", timedelta(days=4000), 0),
        ("replica_set_last_operation", timedelta(seconds=1), 0),
    ],
)
def test_what_is_in_use_comes_first_and_an_idle_set_is_not_in_use(
    method: str, age: timedelta, points: int
) -> None:
    """A primary writes no-ops on a set that nobody uses."""
    used = holds(DATA.databases, 1, last_write=LastWrite(at=NOW - age, method=method))
    found = assess(Verdict.OPEN, SERVER, used, now=NOW)
    assert found.score == 48 + points
    assert [each.points for each in found.reasons if each.code == "written-lately"] == [points] * bool(points)
    assert assess(Verdict.OPEN, SERVER, used).score == 48, "nobody said what time it is"


@pytest.mark.parametrize(
    ("size", "documents", "points"),
    [
        (None, None, 0),
        (2**20, 10_000, 0),
        (100 * 2**20, None, 13),
        (100 * 2**20, 100_000, 13),
        (8_700_000, 100_000, 13),
        (10 * 2**30, 5, 26),
        (3 * 10**12, 10**9, 26),
    ],
)
def test_size_counts_once_on_a_scale_of_logarithms(
    size: int | None, documents: int | None, points: int
) -> None:
    held = holds(DATA.databases, 1, total_size_bytes=size, documents=documents)
    assert assess(Verdict.OPEN, SERVER, held).score == 48 + points


def test_a_note_is_critical_on_whatever_it_lies() -> None:
    for wiped in (True, False, None):
        note = Ransom(level="likely", names=["NOTE"], wiped=wiped)
        bare = holds([Database(name="NOTE", documents=0)], 1, ransom=note)
        assert assess(Verdict.OPEN, SERVER, bare).severity is Severity.CRITICAL
    beside = assess(Verdict.OPEN, SERVER, holds(DATA.databases, 1, ransom=replace(note, wiped=False)))
    gone = assess(Verdict.OPEN, SERVER, holds(DATA.databases, 1, ransom=replace(note, wiped=True)))
    assert beside.score > gone.score, "what is still there can still be taken"


def test_weights_and_thresholds_are_anybodys_own() -> None:
    assert (
        assess(Verdict.OPEN, SERVER, NAMED, weights=Weights(telling_names=80)).severity is Severity.CRITICAL
    )
    assert assess(Verdict.OPEN, SERVER, NAMED, weights=Weights(telling_names=0)).reasons == [
        Reason(code="telling-names", detail="users"),
        Reason(code="verdict", points=48),
    ]
    strict = Weights(critical=40, high=30, medium=20, low=10)
    assert assess(Verdict.OPEN, SERVER, DATA, weights=strict).severity is Severity.CRITICAL
    assert assess(Verdict.UNKNOWN, None, None, weights=strict).severity is Severity.INFO
    lifted = assess(Verdict.AUTH_REQUIRED, EXPLOITED, None, weights=strict)
    assert (lifted.severity, lifted.score) == (Severity.HIGH, 30), "a threshold is what is lifted to"


@given(
    st.sampled_from(list(Verdict)),
    st.sampled_from([None, SERVER, EXPLOITED, server(vulnerabilities=advisory("possible", exploited=False))]),
    st.sampled_from(["none", "possible", "likely", "third_party_marker"]),
    st.none() | st.integers(0, 2**50),
    st.none() | st.integers(0, 2**40),
    st.lists(st.sampled_from(["people", "health", "payments", "contact"])),
    st.sampled_from(["", "internet"]),
    st.fixed_dictionaries({name: st.integers(0, 100) for name in asdict(DEFAULT) if name not in MEANT}),
)
def test_the_points_of_the_reasons_are_the_score(
    verdict: Verdict,
    seen: Server | None,
    level: Any,
    size: int | None,
    documents: int | None,
    kinds: list[str],
    vantage: str,
    points: dict[str, int],
) -> None:
    weights, ransom = Weights(**points), Ransom(level=level, names=["NOTE"])
    held = holds(
        DATA.databases, 1, ransom=ransom, total_size_bytes=size, documents=documents, hints=hinted(*kinds)
    )
    found = assess(verdict, seen, held, vantage, now=NOW, weights=weights)
    assert found.score == min(100, sum(reason.points for reason in found.reasons))
    assert found.severity is weights.level(found.score)
    told = [reason.points for reason in found.reasons if reason.code != "verdict"]
    assert told == sorted(told, reverse=True)
