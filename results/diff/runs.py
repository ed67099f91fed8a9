"""Two runs compared, place by place, in one pass over each journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from results.diff.difference import Comparison, Difference, RunSide
from results.diff.places import difference, happened, stayed_open
from results.diff.scopes import compare_scopes
from results.diff.stream import NotOpen, Reader, observations
from results.ledger.identity import evidence_of
from results.ledger.visit import RunFacts
from results.record import Reason

if TYPE_CHECKING:
    from results.covered import RunCoverage
    from results.diff.stream import Spot
    from results.ledger.visit import PlaceKey, Visit

_SEEN_BEFORE = {
    "auth_required": "answered-not-open",
    "tls_client_certificate_required": "answered-not-open",
    "not_mongodb": "answered-not-open",
    "refused": "refused",
}


class Run(NamedTuple):
    """One of the two: what it says of itself, and what it covered where that is known."""

    side: RunSide
    coverage: RunCoverage | None

    def asked(self, ip: str, port: int) -> bool | None:
        """Whether it asked a place for certain; None where nobody can tell."""
        return self.coverage.asked(ip, port) if self.coverage is not None else None

    def facts(self) -> RunFacts:
        """The run as the ledger's rules take it. No `companions`: one look proves no refusal."""
        return RunFacts(
            run_id=self.side.run_id,
            created_at=self.side.created_at,
            ended_at=self.side.ended_at,
            state=self.side.state,
            vantage=self.side.vantage,
            covers=lambda place: self.asked(place.ip, place.port),
        )


class _Scan(NamedTuple):
    """What the passes found, by finding_id: spots of lines. `same` counts what says the same in both."""

    both: dict[str, tuple[Spot, Spot]]
    gone: dict[str, tuple[Spot, Spot | None]]
    came: dict[str, tuple[Spot | None, Spot]]
    same: int


def diff_runs(old: Run, new: Run, *, unchanged: bool = False) -> Comparison:
    """Compare what was open in two runs. `unchanged`: list what is unchanged, too, instead of counting it.

    Raises as `results.reading.read_records` does.
    """
    comparison = Comparison(
        old=old.side, new=new.side, scopes=compare_scopes(old.side, old.coverage, new.side, new.coverage)
    )
    scan = _scan(Path(old.side.path), Path(new.side.path), all_of_them=unchanged)
    runs = {run.side.run_id: run.facts() for run in (old, new)}
    found, same = comparison.differences, scan.same
    with (
        Reader(Path(old.side.path), old.side.vantage) as olds,
        Reader(Path(new.side.path), new.side.vantage) as news,
    ):
        for before, after in scan.both.values():
            for each in stayed_open(olds.visit(before), news.visit(after), runs):
                if each.kind != "unchanged" or unchanged:
                    found.append(each)
                else:
                    same += 1
        gone = {
            key: (olds.visit(before), news.visit(after) if after else None)
            for key, (before, after) in scan.gone.items()
        }
        came = {
            key: (olds.visit(before) if before else None, news.visit(after))
            for key, (before, after) in scan.came.items()
        }
    found += _moved(gone, came, runs)
    found += [_went(before, after, new, runs) for before, after in gone.values()]
    found += [_came(before, after, old) for before, after in came.values()]
    comparison.whole = _is_whole(old, new, comparison)
    return comparison.finish(same)


def _is_whole(old: Run, new: Run, comparison: Comparison) -> bool:
    """Whether the new run asked for certain all that the old one covered and asked."""
    if old.coverage is None or new.coverage is None or comparison.scopes is None:
        return False
    withdrawn = next(new.coverage.withdrawn.minus(old.coverage.withdrawn), None)
    asked_all = new.coverage.certain and withdrawn is None
    return new.side.state == "complete" and asked_all and comparison.scopes.only_old == 0


def _scan(old: Path, new: Path, *, all_of_them: bool) -> _Scan:
    not_before, not_after = NotOpen(), NotOpen()
    before = dict(observations(old, not_before))
    after: dict[str, Spot] = {}
    same: set[str] = set()
    for key, spot in observations(new, not_after):
        known = before.get(key)
        alike = known is not None and known.said == spot.said and not all_of_them
        (same.add if alike else same.discard)(key)
        if alike:
            after.pop(key, None)
        else:
            after[key] = spot
    came = after.keys() - before.keys()
    earlier = not_before.find(came)
    otherwise = not_after.find(before.keys() - after.keys() - same)
    both = {key: (before[key], spot) for key, spot in after.items() if key in before}
    gone = {
        key: (spot, otherwise.get(key))
        for key, spot in before.items()
        if key not in after and key not in same
    }
    newly = {key: (earlier.get(key), spot) for key, spot in after.items() if key in came}
    return _Scan(both, gone, newly, len(same))


Gone = dict[str, tuple["Visit", "Visit | None"]]
Came = dict[str, tuple["Visit | None", "Visit"]]


def _moved(gone: Gone, came: Came, runs: dict[str, RunFacts]) -> list[Difference]:
    """Exposures that are at another place now; they are taken out of both."""
    by_evidence: dict[tuple[str, str], str] = {}
    for key, (before, _) in gone.items():
        for evidence in evidence_of(before):
            by_evidence.setdefault(evidence, key)
    found = []
    for key, (earlier, after) in list(came.items()):
        other = next(
            (by_evidence[evidence] for evidence in evidence_of(after) if evidence in by_evidence), None
        )
        if other is None or other not in gone:
            continue
        before, since = gone[other]
        visits_then = [visit for visit in (before, earlier) if visit is not None]
        visits_now = [visit for visit in (since, after) if visit is not None]
        told = happened(visits_then, visits_now, runs)
        if any("moved" in each.kinds for each in told):
            found += told
            del gone[other], came[key]
    return found


def _went(before: Visit, after: Visit | None, new: Run, runs: dict[str, RunFacts]) -> Difference:
    if after is not None:
        (told,) = happened([before], [after], runs)
        return told
    place: PlaceKey = before.place
    asked = new.asked(place.ip, place.port)
    if asked is False:
        return difference("no_longer_covered", before, None, [Reason(code="not-covered-now")])
    silent = asked is True and new.side.state == "complete"
    code = "no-line" if silent else "coverage-not-told"
    return difference("unreachable", before, None, [Reason(code=code)])


def _came(before: Visit | None, after: Visit, old: Run) -> Difference:
    if before is not None:
        code = _SEEN_BEFORE.get(before.verdict.value, "not-told-before")
    else:
        asked = old.asked(after.place.ip, after.place.port)
        silent = "not-found" if old.side.state == "complete" else "coverage-not-told"
        code = {True: silent, False: "not-covered-before", None: "coverage-not-told"}[asked]
    return difference("opened", before, after, [Reason(code=code)])
