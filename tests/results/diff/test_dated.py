"""Between two dates, and what the ledger adds to a comparison of two runs."""

from __future__ import annotations

from typing import Any

from results.diff.dated import between, with_ledger
from results.diff.difference import NEW, Comparison, Difference, Kind, RunSide
from results.ledger.tracked import Change, ChangeKind, Grown, Place
from results.record import Owner, Reason
from results.verdict import Severity
from tests.support.exposures import FIRST_SEEN, LAST_SEEN, closed, exposure, exposure_id, later

SINCE, UNTIL = "2026-03-05T00:00:00.000Z", "2026-03-12T00:00:00.000Z"


def change(kind: ChangeKind, at: str = LAST_SEEN, ip: str = "10.20.1.17", **told: Any) -> Change:
    """Something that happened to an exposure of the factory."""
    return Change(
        event_id=f"{kind}{at}",
        exposure_id=exposure_id(ip),
        finding_id=exposure(ip).finding_id,
        kind=kind,
        at=at,
        run_id="r",
        severity=Severity.HIGH,
        severity_number=4,
        **told,
    )


def compared(*changes: Change, unchanged: bool = False) -> Comparison:
    """One exposure, and what happened to it, between the two dates."""
    return between([exposure()], changes, SINCE, UNTIL, unchanged=unchanged)


def kinds(comparison: Comparison) -> list[str]:
    """All kinds of each difference."""
    return [",".join(each.kinds) for each in comparison.differences]


def test_only_what_lies_between_the_dates_counts() -> None:
    early, late = change("wiped", at=FIRST_SEEN), change("wiped", at=later(UNTIL, days=1))
    assert kinds(compared(early, late)) == []
    assert compared(early, late).counts["unchanged"] == 1
    assert kinds(compared(change("wiped", at=UNTIL), change("ransomed", at=SINCE))) == ["wiped"]


def test_growth_is_summed_and_told_from_other_changes() -> None:
    grew = [Reason(code="grew", detail="1 before, 2 now")]
    parts = [
        change("changed", at=later(SINCE, days=day), reasons=grew, grown=Grown(documents=10, bytes=5))
        for day in (1, 2)
    ]
    (told,) = compared(*parts).differences
    assert (told.kind, told.also, told.grown) == ("grew", [], Grown(documents=20, bytes=10))
    renamed = change("changed", reasons=[*grew, Reason(code="renamed", detail="a -> b")])
    assert kinds(compared(renamed)) == ["grew,changed"]


def test_what_was_opened_and_closed_again_is_closed_and_fails_nothing() -> None:
    both = compared(change("opened", at=later(SINCE, days=1)), change("closed"))
    assert kinds(both) == ["closed,opened"]
    assert not both.has_any_of(NEW)
    again = compared(change("closed", at=later(SINCE, days=1)), change("reopened"))
    assert kinds(again) == ["reopened,closed"]
    assert again.has_any_of(NEW)


def test_what_was_closed_before_or_opened_later_is_not_there() -> None:
    gone = closed("10.20.1.18", closed_before=FIRST_SEEN)
    to_come = exposure("10.20.1.19", first_seen_open=later(UNTIL, days=1))
    assert between([gone, to_come], [], SINCE, UNTIL, unchanged=True).differences == []


def test_what_the_last_run_did_not_cover_is_no_longer_covered() -> None:
    seen = [exposure(covered_by_last_run=False), closed("10.20.1.18", covered_by_last_run=False)]
    told = between(seen, [], SINCE, UNTIL, unchanged=False)
    assert kinds(told) == ["no_longer_covered"]


def test_a_move_says_from_where() -> None:
    (told,) = compared(change("moved", place=Place(ip="10.20.1.9", port=1))).differences
    assert told.moved_from == Place(ip="10.20.1.9", port=1)
    assert told.exposure_id == exposure_id()


def two_runs(kind: Kind) -> Comparison:
    """A comparison of two runs with one difference."""
    seen = exposure()
    comparison = Comparison(
        old=RunSide(run_id="a", path="a", state="complete", created_at=SINCE),
        new=RunSide(run_id="b", path="b", state="complete", created_at=LAST_SEEN, ended_at=UNTIL),
    )
    comparison.differences.append(
        Difference(
            kind=kind,
            finding_id=seen.finding_id,
            place=seen.place,
            owner=Owner(),
            severity=seen.severity,
            severity_number=seen.severity_number,
        )
    )
    return comparison.finish(5)


def test_the_ledger_names_the_exposure_and_knows_what_was_before() -> None:
    proof = [Reason(code="refused-twice")]
    for kind, happened, expected in (
        ("opened", [change("reopened")], "reopened"),
        ("opened", [change("opened")], "opened"),
        ("opened", [change("reopened", at=FIRST_SEEN)], "opened"),
        ("unreachable", [change("closed", reasons=proof)], "closed"),
        ("unreachable", [change("closed"), change("reopened", at=later(LAST_SEEN, hours=1))], "unreachable"),
        ("unreachable", [change("closed", at=later(UNTIL, hours=1))], "unreachable"),
        ("unreachable", [], "unreachable"),
    ):
        comparison = two_runs(kind)  # type: ignore[arg-type]  # literals of a tuple
        told = with_ledger(comparison, [exposure()], happened)
        assert kinds(told) == [expected]
        assert told.differences[0].exposure_id == exposure_id()
        assert (told.counts[expected], told.counts["unchanged"]) == (1, 5)  # type: ignore[index]
    assert (
        with_ledger(two_runs("unreachable"), [exposure()], [change("closed", reasons=proof)])
        .differences[0]
        .reasons
        == proof
    )
