"""What a run shows that the one before it did not: by the ledger, or by the last run that is like it."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from results.diff.difference import NEW
from results.files import ResultsError
from results.ledger.database import LEDGER_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOLD: Final = NEW | {"wiped", "ransomed", "restored", "moved", "reach_changed", "grew"}


class News(NamedTuple):
    """`since`: when the run before began (RFC 3339, UTC). `kinds`: what happened, by finding_id, the gravest
    first; words of `[changes]` in `codes.toml`."""

    since: str
    kinds: Mapping[str, tuple[str, ...]]


def news_of(path: Path) -> News | None:
    """What is new in a run or worse than before; None where there is no run before it, or nobody can tell.

    `path`: a run directory. The ledger beside it says more than two runs do, and is believed where it has the
    run. What is wrong with it, or with the runs, is said by the commands that read them.
    """
    if path.is_dir():
        for way in (_by_ledger, _by_run):
            with suppress(ResultsError, OSError):
                found = way(path)
                if found is not None:
                    return found
    return None


def _by_ledger(path: Path) -> News | None:
    from results.ledger.store import Ledger

    folder = path.resolve().parent
    if not (folder / LEDGER_FILE).exists():
        return None
    with Ledger.open(folder) as ledger:
        runs = ledger.runs()
        own = next((each for each in runs if each.path and Path(each.path).name == path.resolve().name), None)
        if own is None:
            return None
        before = [
            each.created_at
            for each in runs
            if not each.purpose and each.vantage == own.vantage and each.created_at < own.created_at
        ]
        if not before:
            return None
        changes = ledger.changes(after=own.created_at[:-1])
        told = [(each.finding_id, each.kind) for each in changes if each.run_id == own.run_id]
    return News(max(before), _grouped(told))


def _by_run(path: Path) -> News | None:
    from results.diff.pick import NothingToCompareError, last_comparable, load_run
    from results.diff.runs import diff_runs

    new = load_run(path)
    try:
        old = last_comparable(new, path.resolve().parent)
    except NothingToCompareError:
        return None
    if not (old.side.created_at and old.side.created_at < new.side.created_at):
        return None  # the newest run that is like it came after it
    found = diff_runs(old, new).differences
    return News(
        old.side.created_at, _grouped((each.finding_id, kind) for each in found for kind in each.kinds)
    )


def _grouped(told: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for finding_id, kind in told:
        if kind in TOLD and kind not in kinds[finding_id]:
            kinds[finding_id].append(kind)
    return {finding_id: tuple(sorted(each, key=_gravity)) for finding_id, each in kinds.items() if each}


def _gravity(kind: str) -> tuple[bool, str]:
    return kind not in NEW, kind
