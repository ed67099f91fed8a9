"""Versions, advisories and support: ranges, order of pre-releases, and the age of the tables themselves."""

from __future__ import annotations

from datetime import date

import pytest

from scanner.mongo import advisories
from scanner.mongo.advisories import Situation, end_of_life, matching, newest_series, of_wire, parse, possible
from scanner.mongo.tables import FILES, data_age, table
from tests.support.reasons import by_certainty

ANYONE = Situation(open=True, replica_set=True, mongos=True, tls=True)
LOCKED = Situation(open=False, replica_set=False, mongos=False, tls=False)


def found(version: str, situation: Situation = ANYONE) -> dict[str, str]:
    parsed = parse(version)
    assert parsed is not None
    return by_certainty(matching(parsed, situation))


@pytest.mark.parametrize(
    "older_first",
    [("4.4.0-alpha", "4.4.0-alpha2", "4.4.0-beta1", "4.4.0-rc0", "4.4.0-rc12", "4.4.0", "4.4.1", "4.10.0")],
)
def test_versions_sort_pre_releases_first(older_first: tuple[str, ...]) -> None:
    keys = [version.key for text in older_first if (version := parse(text))]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(older_first)


@pytest.mark.parametrize(
    ("text", "series", "derived", "prerelease"),
    [
        ("4.0.3", "4.0", False, False),
        ("2.6.0-rc1", "2.6", False, True),
        ("7.1.0-alpha", "7.1", False, True),
        ("7.1.0-alpha-123-gabc", "7.1", False, True),
        ("7.0.12-7", "7.0", True, False),
        ("3.6.8-ubuntu0.1", "3.6", True, False),
        ("4.2.0-rcs", "4.2", True, False),
    ],
)
def test_versions_are_parsed(text: str, series: str, *, derived: bool, prerelease: bool) -> None:
    version = parse(text)
    assert version is not None
    assert (version.series, version.derived, version.prerelease) == (series, derived, prerelease)


@pytest.mark.parametrize(
    "text", ["", "7", "7.0", "7.0.x", "seven", "7.0.1.2", "٧.0.1", "1" * 20 + ".0.0", "v7.0.1"]
)
def test_what_is_no_version(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("first_fixed", "advisory"),
    [
        ("8.0.37", "CVE-2026-118383"),
        ("8.0.17", "CVE-2025-14847"),
        ("7.0.35", "CVE-2026-9740"),
        ("7.0.29", "CVE-2026-25611"),
        ("8.0.30", "CVE-2026-82067"),
        ("8.2.12", "CVE-2026-13074"),
        ("8.2.10", "CVE-2026-9742"),
        ("8.0.5", "CVE-2025-6710"),
        ("8.0.5", "CVE-2025-6709"),
        ("8.0.9", "CVE-2025-6714"),
        ("7.0.16", "CVE-2025-3083"),
        ("7.0.6", "CVE-2024-1351"),
        ("4.2.9", "CVE-2020-7925"),
        ("4.0.13", "CVE-2019-20925"),
        ("3.4.10", "CVE-2017-15535"),
        ("2.6.8", "CVE-2015-1609"),
    ],
)
def test_ranges_are_half_open(first_fixed: str, advisory: str) -> None:
    major, minor, patch = first_fixed.split(".")
    assert found(f"{major}.{minor}.{int(patch) - 1}")[advisory] == "version_in_range"
    assert advisory not in found(first_fixed)


def test_where_sources_disagree_the_match_is_possible() -> None:
    assert found("8.2.12")["CVE-2026-118383"] == "possible"
    assert found("5.0.20")["CVE-2024-3374"] == "possible"
    assert found("5.0.16")["CVE-2024-3374"] == "version_in_range"
    assert found("4.0.3")["CVE-2025-14847"] == "possible"
    assert found("4.2.25")["CVE-2025-14847"] == "version_in_range"
    assert found("8.0.0-rc3")["CVE-2025-14847"] == "possible"


def test_the_known_exploited_are_named_apart() -> None:
    version = parse("8.0.10")
    assert version is not None
    found = matching(version, LOCKED)
    assert found is not None
    assert found.known_exploited == ["CVE-2025-14847"]
    assert "CVE-2025-14847" in found.version_in_range


def test_role_transport_and_login_decide() -> None:
    everything, little = set(found("7.0.5")), set(found("7.0.5", LOCKED))
    assert everything - little == {
        "CVE-2026-118383",
        "CVE-2025-6714",
        "CVE-2025-3083",
        "CVE-2024-1351",
        "CVE-2026-11933",
        "CVE-2026-8053",
        "CVE-2026-89099",
    }


def test_a_series_alone_is_only_possible() -> None:
    assert set(by_certainty(possible("8.0", ANYONE)).values()) == {"possible"}
    assert "CVE-2026-118383" in by_certainty(possible("8.2", ANYONE))
    assert "CVE-2015-1609" in by_certainty(possible("2.4", ANYONE))
    assert possible("none", ANYONE) is None


def test_support_ends_on_the_day_after_the_last() -> None:
    last = date(2029, 10, 31)
    before, after = end_of_life("8.0", last), end_of_life("8.0", date(2029, 11, 1))
    assert before is not None
    assert after is not None
    assert (before.ended, after.ended, after.date) == (False, True, "2029-10-31")
    newest, development = end_of_life("9.0", last), end_of_life("4.1", last)
    assert newest is not None
    assert development is not None
    assert (newest.ended, newest.date, development.ended) == (False, "", True)
    assert end_of_life("12.0", last) is None


def test_wire_versions() -> None:
    assert [row.series for wire in (None, 0, 2, 7, 22, 29) if (row := of_wire(wire))] == [
        "2.4", "2.4", "2.6", "4.0", "7.1", "9.0",
    ]  # fmt: skip
    assert of_wire(30) is None
    assert newest_series() == "9.0"


def test_every_row_of_every_table_has_a_source() -> None:
    for name in FILES:
        content = table(name)
        date.fromisoformat(content["as_of"])
        for rows in content.values():
            if isinstance(rows, list):
                assert all(row["source"] for row in rows), name


def test_every_range_of_the_advisories_can_be_read() -> None:
    for row in table("advisories")["advisory"]:
        for low, high in row["ranges"] + row.get("possible", []):
            first, last = parse(low), parse(high)
            assert first is not None
            assert last is not None
            assert first.key < last.key
        assert row.get("role", "any") in ("any", "replica_set", "mongos")


def test_a_table_with_a_broken_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"advisory": [{"id": "X", "summary": "", "ranges": [["one", "2.0.0"]]}]}
    monkeypatch.setattr(advisories, "table", lambda _: broken)
    possible.cache_clear()
    with pytest.raises(ValueError, match=r"advisories\.toml: 'one' is no version"):
        possible("8.0", ANYONE)


def test_the_age_of_the_data_is_told() -> None:
    ages = {age.name: age for age in data_age(date(2027, 2, 1))}
    assert set(ages) == set(FILES)
    assert ages["advisories"].days == 69
    assert ages["advisories"].stale
    assert not ages["ransom_names"].stale
    assert ages["ransom_names"].rows >= 60
    assert ages["telling_names"].rows > 500
