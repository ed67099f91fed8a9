"""What a sweep shows while it runs, on stderr: a live view on a terminal, lines elsewhere, or nothing.

rich is imported only for a terminal. Whatever a server said is shown without control characters.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, TextIO, cast

from results.text import address, human_bytes, plural, visible
from scanner.cli.ending import say
from scanner.cli.listing_table import plain_lines
from scanner.cli.plan_text import duration, ports_text
from scanner.cli.streams import is_terminal, terminal_width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from results.record import Observation
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, RunSummary, Screen

LINE_INTERVAL = 30.0  # seconds between progress lines where nobody watches
GOES_ON = 2.0  # seconds without a reason to pause after which a pause is over
MOST_FOUND_LINES = 100
LIVE_ROWS = 12


@contextlib.contextmanager
def screen_for(
    stream: TextIO | None, *, quiet: bool, alone: bool = True, table: bool = False
) -> Iterator[Screen]:
    """The screen that suits the stream; what it changed on a terminal is undone at the end. `alone`: nothing
    else writes on that terminal meanwhile, so that a view may be drawn over itself. `table`: one follows, and
    what is to be seen below it is said then."""
    if quiet or stream is None:
        yield QuietScreen(stream)
        return
    kind = TerminalScreen if alone and can_redraw(stream) else PlainScreen
    screen = kind(stream, table=table)
    try:
        yield screen
    finally:
        screen.close()


def can_redraw(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal that can move its cursor."""
    return is_terminal(stream) and os.environ.get("TERM", "") != "dumb"


def stamp(stream: TextIO | None) -> str:
    """What stands before a line of a stream: the time, where nobody sees the line as it comes."""
    return "" if is_terminal(stream) else time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())


def stamped_say(stream: TextIO | None, *, quiet: bool = False) -> Callable[[str], None]:
    """How a line is said on stderr beside a screen on the same `stream`; `quiet`: not at all."""

    def told(text: str) -> None:
        if not quiet:
            say(stamp(stream) + text)

    return told


class QuietScreen:
    """Shows nothing but why a sweep is not complete."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def started(self, plan: Plan) -> None:
        """Nothing."""

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """Nothing."""

    wants_found = False

    def found(self, observation: Observation) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""

    def finished(self, summary: RunSummary) -> None:
        """Nothing when all went well."""
        if summary.state != "complete" and self._stream is not None:
            PlainScreen(self._stream).finished(summary)


class PlainScreen:
    """One line now and then, for logs and pipes. A stream that went away is written to no more."""

    def __init__(self, stream: TextIO, *, table: bool = False) -> None:
        self._stream: TextIO | None = stream
        self._table = table
        self._last = 0.0
        self._found = 0
        self._paused_by = ""
        self._paused_at = self._paused_until = 0.0

    def close(self) -> None:
        """Nothing to undo."""

    def started(self, plan: Plan) -> None:
        """What is about to happen."""
        self.write(start_line(plan))

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """A line every half minute, and when a pause begins or is over: it may last for hours."""
        begins = self._pauses(snapshot)
        if begins or snapshot.elapsed - self._last >= LINE_INTERVAL:
            self._last = snapshot.elapsed
            self.write(progress_line(snapshot))

    def _pauses(self, snapshot: ProgressSnapshot) -> bool:
        """Whether a pause begins now; that one is over is told once nothing has paused it for a while, as
        between targets that wait for a window others may still be asked."""
        if snapshot.paused_by:
            begins = not self._paused_by
            if begins:
                self._paused_at = snapshot.elapsed
            self._paused_by, self._paused_until = snapshot.paused_by, snapshot.elapsed
            return begins
        if self._paused_by and snapshot.elapsed - self._paused_until >= GOES_ON:
            lasted = duration(self._paused_until - self._paused_at)
            self.write(f"goes on, after a pause of {lasted}: {visible(self._paused_by)}")
            self._paused_by = ""
        return False

    @property
    def wants_found(self) -> bool:
        """Until the bound is reached."""
        return self._found <= MOST_FOUND_LINES

    def found(self, observation: Observation) -> None:
        """A line for each open server, up to a bound."""
        self._found += 1
        if self._found <= MOST_FOUND_LINES:
            self.write(" ".join(("found", *found_cells(observation))))
        elif self._found == MOST_FOUND_LINES + 1:
            self.write("more are found; the run directory has them all")

    def notice(self, text: str) -> None:
        """The text as a line."""
        self.write(visible(text))

    def finished(self, summary: RunSummary) -> None:
        """How it ended."""
        for line in summary_lines(summary, below=not self._table):
            self.write(line)

    def write(self, text: str) -> None:
        """A line on the stream, if it is still there; folded where a terminal ends."""
        if self._stream is not None:
            try:
                for line in plain_lines([text], terminal_width(self._stream)):
                    self._stream.write(f"{stamp(self._stream)}{line}\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._stream = None


class RoundScreen(PlainScreen):
    """For many short runs one after the other: notices and pauses, and how one ended that is not complete."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        super().__init__(stream)
        self._quiet = quiet

    wants_found = False

    def started(self, plan: Plan) -> None:
        """Nothing, and the clock of its progress lines begins anew."""
        self._last = 0.0

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """As above, unless it is to be quiet."""
        if not self._quiet:
            super().progress(snapshot)

    def notice(self, text: str) -> None:
        """As above, unless it is to be quiet."""
        if not self._quiet:
            super().notice(text)

    def finished(self, summary: RunSummary) -> None:
        """Nothing when all went well."""
        if summary.state != "complete":
            for line in summary_lines(summary, can_resume=False):
                self.write(line)


class TerminalScreen(PlainScreen):
    """A progress bar over the newest findings, redrawn by the sweep's own calls: no thread of its own."""

    def __init__(self, stream: TextIO, *, table: bool = False) -> None:
        super().__init__(stream, table=table)
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn

        self._terminal = stream
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            BarColumn(bar_width=None), TextColumn("{task.description}", markup=False), expand=True
        )
        self._task = self._bar.add_task("starting", total=None)
        self._rows: list[tuple[str, ...]] = []
        self._live = Live(
            self._view(), console=self._console, auto_refresh=False, transient=True, redirect_stdout=False
        )

    def close(self) -> None:
        """Take the live view away."""
        with contextlib.suppress(OSError, ValueError):
            self._live.stop()

    def started(self, plan: Plan) -> None:
        """What is about to happen, and an empty bar."""
        super().started(plan)
        self._bar.update(self._task, total=max(plan.targets, 1))
        with contextlib.suppress(OSError, ValueError):
            self._live.start(refresh=True)

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """Move the bar; not while the terminal has not taken the last picture."""
        if getattr(self._terminal, "behind", False):
            return
        self._bar.update(self._task, completed=snapshot.done, description=progress_line(snapshot))
        with contextlib.suppress(OSError, ValueError):
            self._live.update(self._view(), refresh=True)

    @property
    def wants_found(self) -> bool:
        """Always: the newest rows are shown."""
        return True

    def found(self, observation: Observation) -> None:
        """A row in the live table; it is drawn with the next progress."""
        self._found += 1
        self._rows = [*self._rows[-LIVE_ROWS + 1 :], found_cells(observation)]

    def finished(self, summary: RunSummary) -> None:
        """Take the live view away and say how it ended."""
        self.close()
        super().finished(summary)

    def write(self, text: str) -> None:
        """A line above the live view."""
        with contextlib.suppress(OSError, ValueError):
            for line in plain_lines([text], self._console.width):
                self._console.print(line, soft_wrap=True)

    def _view(self) -> Any:
        from rich.console import Group
        from rich.constrain import Constrain
        from rich.table import Table
        from rich.text import Text

        # The terminal's echo of a Ctrl-C needs room behind the last line, or it would push the view down.
        # Blanks that are written there are no room.
        bar = Constrain(self._bar, self._console.width - 4)
        if not self._rows:
            return bar
        table = Table("severity", "address", "verdict", "exposed", "owner", box=None, pad_edge=False)
        for row in self._rows:
            table.add_row(*(Text(cell, no_wrap=True) for cell in row))
        return Group(table, bar)


def start_line(plan: Plan) -> str:
    """The plan in one line."""
    ports = ports_text(plan.ports)
    return (
        f"{plural(plan.targets, 'target')} on port {ports}, at most {plan.rate:g} a second, "
        f"engine {plan.engine}: about {duration(plan.seconds)} if nobody answers ({plan.limited_by} decides)"
    )


def progress_line(snapshot: ProgressSnapshot) -> str:
    """Where a sweep stands, in one line."""
    share = 100 * snapshot.done / snapshot.planned if snapshot.planned else 100.0
    parts = [
        f"{snapshot.done:,}/{snapshot.planned:,} ({share:.1f} %)",
        f"{snapshot.rate:,.0f}/s",
        f"{snapshot.open_found:,} open",
    ]
    if snapshot.remaining is not None:
        parts.append(f"{duration(snapshot.remaining)} left")
    if snapshot.slowed_by:
        parts.append(f"slower: {visible(snapshot.slowed_by)}")
    if snapshot.paused_by:
        parts.append(f"PAUSED: {visible(snapshot.paused_by)}")
    return "  ".join(parts)


def found_cells(observation: Observation) -> tuple[str, ...]:
    """Severity, address, verdict, what is exposed, owner."""
    target, exposure = observation.target, observation.exposure
    exposed = ""
    if exposure is not None:
        sizes = [human_bytes(exposure.total_size_bytes)] if exposure.total_size_bytes is not None else []
        documents = [plural(exposure.documents, "document")] if exposure.documents is not None else []
        exposed = ", ".join([plural(exposure.database_count, "database"), *sizes, *documents])
    return (
        observation.severity.value,
        address(target.ip, target.port),
        observation.verdict.value,
        exposed,
        visible(observation.owner.owner or "(no owner)"),
    )


def summary_lines(summary: RunSummary, *, can_resume: bool = True, below: bool = True) -> list[str]:
    """How a sweep ended, in a few lines; without `below`, not where its run is."""
    counts = sorted(summary.outcomes.items(), key=lambda item: -item[1])
    outcomes = ", ".join(f"{name} {count:,}" for name, count in counts if count) or "no outcome"
    asked = plural(summary.planned, "target")
    if summary.not_reached:
        asked = f"{summary.planned - summary.not_reached:,} of {asked}"
    lines = [f"{summary.state}: {asked} in {duration(summary.elapsed)}: {outcomes}"]
    if summary.excluded or summary.not_reached:
        lines.append(f"excluded while it ran {summary.excluded:,}, not reached {summary.not_reached:,}")
    word = "note:" if summary.state == "complete" else "because"
    lines += [f"  {word} {visible(reason)}" for reason in summary.reasons]
    if summary.agreed is not None:
        agrees, silent, disagrees = summary.agreed
        lines.append(f"driver agrees {agrees:,}, cannot speak {silent:,}, disagrees {disagrees:,}")
    if below:
        lines.append(f"run directory: {summary.run_dir}")
    if summary.chain_head:
        lines.append(f"chain head: {summary.chain_head}")
    if summary.not_reached and can_resume:
        lines.append(f"go on with the same command line and: --resume {summary.run_id}")
    return lines


def show_table(run_dir: str) -> None:
    """The findings of a run as a table on stdout, the gravest first."""
    from pathlib import Path

    from results.reading import read_run
    from results.report.news import news_of
    from results.report.table import print_table
    from scanner.cli.streams import patient_stdout

    with patient_stdout() as stdout:
        print_table(read_run(Path(run_dir)), cast("TextIO", stdout), news=news_of(Path(run_dir)))
