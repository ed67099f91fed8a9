"""A comparison as text: first what is compared and what cannot be, then all of it at any width."""

from __future__ import annotations

import io
import json
import unicodedata

import msgspec
import pytest

from results.diff.difference import Comparison, Difference, RunSide, Scopes, Side
from results.ledger.tracked import Grown, Lost, Place
from results.record import Owner, Reason
from results.report.differences import (
    comparison_json,
    comparison_jsonl,
    comparison_markdown,
    details,
    print_comparison,
)
from results.verdict import Severity, Verdict
from tests.results.injections import INJECTIONS

OWNER = Owner(owner="web platform", site="paris")


def a_difference(name: str = "READ_ME", **told: object) -> Difference:
    """A wiped server with a note of this name."""
    base: dict[str, object] = {
        "kind": "ransomed",
        "also": ["wiped"],
        "finding_id": "mf_1",
        "exposure_id": "mx_0123456789ab",
        "place": Place(ip="192.0.2.7", port=27017, site="paris"),
        "owner": OWNER,
        "severity": Severity.CRITICAL,
        "severity_number": 5,
        "reasons": [Reason(code="note-left", detail=name)],
        "names": [name],
        "old": Side(at="2026-03-01T04:00:00.000Z", verdict=Verdict.OPEN, bytes=10**9),
        "new": Side(at="2026-03-08T04:00:00.000Z", verdict=Verdict.OPEN, bytes=10),
    }
    return Difference(**(base | told))  # type: ignore[arg-type]


def a_comparison(*differences: Difference) -> Comparison:
    """Two runs of which the new one covers less."""
    comparison = Comparison(
        old=RunSide(run_id="r1", path="r1", state="complete", created_at="2026-03-01T04:00:00.000Z"),
        new=RunSide(run_id="r2", path="r2", state="degraded", created_at="2026-03-08T04:00:00.000Z"),
        scopes=Scopes(
            both=252,
            only_old=4,
            only_new=0,
            only_old_examples=["192.0.2.0-192.0.2.3:27017"],
            cautions=["the new run is degraded: what it has no line of, it may not have asked"],
        ),
    )
    comparison.differences += differences
    return comparison.finish(7)


def shown(comparison: Comparison, width: int = 120, **how: object) -> str:
    """The text as a terminal of this width shows it."""
    out = io.StringIO()
    print_comparison(comparison, out, width=width, **how)  # type: ignore[arg-type]  # keyword arguments by name
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_everything_stands_there_at_any_width(width: int) -> None:
    text = shown(a_comparison(a_difference(lost=Lost(database_count=2, documents=9))), width)
    assert all(len(line) <= width for line in text.splitlines())
    joined = " ".join(text.split())
    for needed in (
        *("old: r1, complete, begun 2026-03-01 04:00 UTC", "new: r2, degraded", "252 targets in both"),
        "4 targets in the old run alone (192.0.2.0-192.0.2.3:27017): nothing is said of them now",
        *(
            "the new run is degraded",
            "ransomed, wiped",
            "192.0.2.7:27017",
            "1.0 GB -> 10 B",
            "web platform / paris",
        ),
        *("mx_0123456789ab", "lost 2 databases, 9 documents", "ransomed 1, wiped 1, unchanged 7"),
    ):
        assert needed in joined, needed


def test_details_say_what_shows_it() -> None:
    moved = a_difference(
        kind="moved",
        also=[],
        names=[],
        moved_from=Place(ip="192.0.2.9", port=1),
        grown=Grown(documents=3),
        reasons=[Reason(code="collection-uuids")],
    )
    assert details(moved) == "from 192.0.2.9:1; 3 documents more; collections of the same UUID"
    assert details(a_difference(names=[], reasons=[])) == ""


def test_nothing_and_too_much() -> None:
    assert "unchanged 7" in shown(a_comparison())
    assert "and 3 more; --format jsonl has them all" in shown(a_comparison(*[a_difference()] * 5), limit=2)
    dates = Comparison(since="2026-03-01T00:00:00.000Z", until="2026-03-02T00:00:00.000Z").finish()
    assert "between 2026-03-01 00:00 UTC and 2026-03-02 00:00 UTC, by the ledger" in shown(dates)
    assert "no exposure in either" in shown(dates)


def test_json_holds_all_and_lines_hold_one_each() -> None:
    comparison = a_comparison(a_difference(), a_difference(kind="closed", also=[]))
    whole = json.loads(comparison_json(comparison))
    assert whole["schema"] == "mongosweep.comparison/1"
    assert [each["kind"] for each in whole["differences"]] == ["ransomed", "closed"]
    assert whole["counts"]["unchanged"] == 7
    first, *rest = comparison_jsonl(comparison)
    assert "differences" not in json.loads(first)
    assert [msgspec.json.decode(line, type=Difference) for line in rest] == comparison.differences


@pytest.mark.parametrize("name", INJECTIONS, ids=range(len(INJECTIONS)))
def test_hostile_names_do_nothing_in_any_format(name: str) -> None:
    hostile = a_difference(
        name,
        owner=Owner(owner=name, site=name),
        lost=Lost(databases=[name], database_count=1),
        moved_from=Place(ip="192.0.2.1", port=1, site=name),
        reasons=[Reason(code=name, detail=name)],
    )
    comparison = a_comparison(hostile)
    comparison.old = RunSide(run_id=name, path=name, state=name, vantage=name)
    texts = [shown(comparison, width) for width in (40, 80, 200)] + [comparison_markdown(comparison)]
    for text in texts:
        for character in text.replace("\n", ""):
            assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    if "\ud800" not in name:  # the record mends it before it comes here
        lines = list(comparison_jsonl(comparison))
        assert all(line.isascii() and line.count("\n") == 1 for line in lines)
        assert comparison_json(comparison).isascii()
