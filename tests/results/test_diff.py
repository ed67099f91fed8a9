"""What changed between two runs; silence is never called closed."""

from __future__ import annotations

import pytest

from results.diff import ORDER, Kind, diff
from results.record import Database, Exposure, Observation, Ransom
from results.verdict import Verdict
from tests.results.examples import database, exposure, magazine, observation, open_server

SHOP = database("shop", documents=1000, size=10_000)
NOTE = Database(name="READ_ME", size_bytes=10, documents=1)
LIKELY = Ransom(level="likely", names=["READ_ME"])


def change(old: Observation | None, new: Observation | None) -> tuple[Kind, str] | None:
    """The one change between two runs of one target, its reasons joined."""
    changes = diff([old] if old else [], [new] if new else []).changes
    return (changes[0].kind, "; ".join(changes[0].reasons)) if changes else None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, open_server(), ("opened", "was not seen before")),
        (observation(), open_server(), ("opened", "was auth_required")),
        (open_server(), observation(), ("closed", "answers auth_required now")),
        (open_server(), observation(verdict=Verdict.REFUSED), ("closed", "answers refused now")),
        (open_server(), None, ("silent", "nothing in the new run: no answer, or not asked")),
        (
            open_server(),
            observation(verdict=Verdict.FILTERED),
            ("silent", "filtered now, which does not prove that it is closed"),
        ),
        (
            open_server(),
            observation(verdict=Verdict.UNKNOWN),
            ("silent", "unknown now, which does not prove that it is closed"),
        ),
        (observation(), observation(), None),
        (observation(), None, None),
        (magazine(), magazine(), ("unchanged", "")),
    ],
    ids=range(10),
)
def test_opened_closed_and_silent(
    old: Observation | None, new: Observation | None, expected: tuple[Kind, str] | None
) -> None:
    assert change(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "kind", "says"),
    [
        (
            exposure(SHOP),
            exposure(database("shop", 1500, 12_000)),
            "grew",
            "500 more documents; 2,000 more bytes",
        ),
        (exposure(SHOP), exposure(SHOP, database("b", 0, 0)), "grew", "1 more databases: b"),
        (exposure(SHOP), exposure(database("shop", 500, 9_000)), "shrank", "500 fewer documents"),
        (exposure(SHOP, database("b", 0, 0)), exposure(SHOP), "shrank", "1 fewer databases: b"),
        (
            exposure(SHOP),
            exposure(NOTE, ransom=LIKELY),
            "wiped",
            "note appeared: READ_ME; all 1 databases are gone",
        ),
        (exposure(SHOP), exposure(SHOP, NOTE, ransom=LIKELY), "wiped", "note appeared: READ_ME"),
        (exposure(SHOP), exposure(), "wiped", "all 1 databases are gone"),
        (exposure(SHOP), exposure(database("shop", 90, 9_000)), "wiped", "1,000 documents before, 90 now"),
        (exposure(SHOP), exposure(SHOP, ransom=Ransom(wiped=True)), "wiped", "looks emptied"),
        (exposure(SHOP, ransom=LIKELY), exposure(SHOP, ransom=LIKELY), "unchanged", ""),
        (exposure(NOTE, ransom=LIKELY), exposure(), "shrank", "1 fewer documents"),
        (exposure(SHOP), None, "unchanged", "not asked in both runs"),
        (None, exposure(SHOP), "unchanged", "not asked in both runs"),
        (
            exposure(SHOP, documents=None),
            exposure(documents=None, total_size_bytes=10_000, truncated=["databases: 0 of 9 kept"]),
            "unchanged",
            "",
        ),
    ],
    ids=range(14),
)
def test_what_became_of_the_data(old: Exposure | None, new: Exposure | None, kind: str, says: str) -> None:
    found = change(open_server(exposure=old), open_server(exposure=new))
    assert found is not None
    assert found[0] == kind
    assert says in found[1]


def test_a_server_that_can_show_nothing_any_more_was_emptied() -> None:
    emptied = observation(verdict=Verdict.OPEN_NO_DATA)
    assert change(open_server("127.0.0.1", SHOP), emptied) == ("wiped", "all 1 databases are gone")


def test_every_exposure_stands_once_and_the_gravest_first() -> None:
    old = [open_server(f"127.0.0.{n}", SHOP) for n in (1, 2, 3, 4)]
    new = [
        observation("127.0.0.1"),
        open_server("127.0.0.2", exposure=exposure(NOTE, ransom=LIKELY)),
        open_server("127.0.0.2", exposure=exposure(NOTE, ransom=LIKELY)),
        open_server("127.0.0.3", database("shop", 2000)),
        open_server("127.0.0.5"),
        observation("127.0.0.6"),
    ]
    result = diff(old, new)
    assert [(item.kind, item.ip) for item in result.changes] == [
        ("wiped", "127.0.0.2"),
        ("opened", "127.0.0.5"),
        ("grew", "127.0.0.3"),
        ("silent", "127.0.0.4"),
        ("closed", "127.0.0.1"),
    ]
    assert list(result.counts) == list(ORDER)
    assert {kind for kind, count in result.counts.items() if count == 1} == {*ORDER} - {"shrank", "unchanged"}
    assert result.of("closed")[0].old == old[0]
