"""What a sweep takes from the ledger before it starts, gives to it at its end, and tells in the event log.

Both are made of the runs, and never the other way round: whatever is wrong with them is said in one line, and
changes nothing of a sweep.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from results.diff.difference import NEW
from results.text import minute, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.ledger.tracked import Change
    from scanner.setup.settings import Settings
    from scanner.sweep.progress import RunSummary

    Say = Callable[[str], None]

_WORDS = {"opened": "new", "reach_changed": "of another reach"}
_ORDER = (
    *("opened", "reopened", "wiped", "ransomed", "restored", "moved", "reach_changed", "changed"),
    *("unreachable", "closed"),
)


class Taken(NamedTuple):
    """What the ledger saw change with a run: in one line, "" where that is not known or nothing did; and how
    many exposures it opened, or opened again, None where the ledger has not got the run."""

    line: str = ""
    new: int | None = None


def watched(output: Path, say: Say) -> frozenset[tuple[str, int]]:
    """Places of exposures that are not closed for good, by the ledger as it is; none where there is none."""
    from results.ledger.database import LEDGER_FILE

    if not (output / LEDGER_FILE).exists():
        return frozenset()
    try:
        from results.ledger.store import Ledger

        with Ledger.open(output) as ledger:
            return ledger.watched()
    except Exception as error:  # noqa: BLE001 - a sweep without its memory is worth more than none
        say(f"the ledger could not be read, so no place is watched: {_words(error)}")
        return frozenset()


def take_in(output: Path, run: RunSummary, say: Say) -> Taken:
    """Let the ledger take in all runs of the folder. What could not be taken in is told to `say`, and is
    taken in after the next sweep."""
    try:
        from results.ledger.intake import catch_up
        from results.ledger.store import Ledger

        report = catch_up(output)
        for passed_over in report.passed_over:
            if passed_over.directory == Path(run.run_dir).name:
                say(f"this run is not in the ledger: {visible(passed_over.reason)}")
        if report.set_aside:
            say(f"the ledger was damaged: it is kept as {report.set_aside}, and was made again")
        with Ledger.open(output) as ledger:
            runs = {each.run_id: each.created_at for each in ledger.runs()}
            began = runs.pop(run.run_id, "")
            if not began:
                return Taken()
            changes = [each for each in ledger.changes(after=began[:-1]) if each.run_id == run.run_id]
            line = _line(changes, max((each for each in runs.values() if each <= began), default=""))
            return Taken(line, sum(change.kind in NEW for change in changes))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the sweep is over, and what it says stands
        say(f"the ledger could not be brought up, the next sweep does it: {_words(error)}")
        return Taken()


def tell(output: Path, settings: Settings, say: Say) -> None:
    """Let the log of events hold all that runs and the ledger say. What went wrong is told to `say`, and is
    told after the next sweep."""
    try:
        from results.durations import seconds_of
        from results.events.publish import bring_up

        every = settings.forward.remind_every
        bring_up(
            output,
            remind_every=seconds_of(every) if every else None,
            organisation=settings.organisation.name,
            take_in=False,
        )
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the sweep is over, and what it says stands
        say(f"events could not be written, the next sweep does it: {_words(error)}")


def _line(changes: list[Change], since: str) -> str:
    """What changed, in one line."""
    count: Counter[str] = Counter(change.kind for change in changes)
    words = ", ".join(f"{count[kind]} {_WORDS.get(kind, kind)}" for kind in _ORDER if count[kind])
    when = f" since the run of {minute(since)}" if since else ""
    if not words:
        return f"nothing changed{when}; mongosweep exposures" if when else ""
    return f"{words}{when}; mongosweep exposures"


def _words(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return visible(" ".join(str(error).split())[:300] or type(error).__name__)
