"""One sweep in a thread of its own, with a loop of its own, and its journal read back while it grows.

So whoever waits for observations slows no probe, and is slowed by none: what was found stands on the disk
until it is fetched, as it does for stdout. The program's signals and its own loop stay as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mongosweep.asking import Asked, loaded, requested
from mongosweep.errors import BusyError, raise_public
from mongosweep.log import log
from mongosweep.shared_types import complete_types
from mongosweep.summary import Summary, summary_of
from results.files import CorruptError, ResultsError
from results.follow import Cursor, GrowingJournal
from results.lines import Assembly, RecordError, from_line
from results.reading import segment_number
from scanner.clock import SystemClock, timestamp
from scanner.sweep.afterwards import Afterwards, afterwards
from scanner.sweep.remembered import watched
from scanner.sweep.sweep import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from results.progress import Progress
    from results.record import Observation
    from scanner.sweep.assemble import Parts
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, RunSummary

LOOK_INTERVAL = 0.05  # seconds between two looks for new lines

_in_use: list[Mapping[str, Any]] = []  # the dated tables of each sweep that goes on in this process
_in_use_guard = threading.Lock()


class Job:
    """A sweep that was asked for. Every method may be called in any thread; `batch` in one at a time."""

    def __init__(self, asked: Asked) -> None:
        """Raises `RefusedError` for what can be refused before anything is read."""
        self.run_dir: Path | None = None  # once it stands
        self.summary: Summary | None = None  # once it is over
        self._asked, self._request = asked, requested(asked)
        self._error: BaseException | None = None
        # Absolute, because a program may change its working directory meanwhile.
        self._output = Path(asked.output).absolute() if asked.output is not None else None
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._thread = threading.Thread(target=self._work, name="mongosweep", daemon=True)
        self._guard = threading.Lock()  # over what follows, up to the end of it
        self._stopping = self._abandoned = False
        self._parts: Parts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun, self._written = threading.Event(), threading.Event()
        self._watcher = _Watcher()
        self._journal: GrowingJournal | None = None
        self._first = Cursor()
        self._assembly = Assembly()

    # --- for whoever asked ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; what is refused is raised by `result`."""
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether it was begun, and maybe is over."""
        return self._thread.ident is not None

    def batch(self) -> list[Observation]:
        """The next observations, once there are any; none when it is over or was abandoned. Waits for them.

        Raises `StorageError` where the journal cannot be read.
        """
        while not self._abandoned:
            if not self._begun.is_set():
                if self._written.is_set():
                    return []
                self._begun.wait(LOOK_INTERVAL)
            elif (found := self._next()) is None:
                return self._assembly.rest()
            elif found:
                return found
        return []

    def stop(self) -> None:
        """End with what is known by then, if it is not over; it can be resumed where it is kept."""
        with self._guard:
            again, self._stopping = self._stopping, True
            if not again:
                self._interrupt()

    def abandon(self) -> None:
        """The same, and nobody fetches what is found any more."""
        self._abandoned = True
        self.stop()

    def hurry(self) -> None:
        """Stop, and wait for no conversation that is under way."""
        self.abandon()
        with self._guard:
            self._interrupt()

    def wait(self) -> None:
        """Until it is over, and nothing of it is left that was not to be kept."""
        if self.started:
            self._thread.join()
        if self._journal is not None:
            self._journal.close()
        if self._place is not None:
            self._place.cleanup()
            self._place = None

    def result(self) -> Summary | None:
        """How it ended; None when it was stopped before it began. Raises what ended it otherwise."""
        if self._error is not None:
            raise_public(self._error)
        return self.summary

    @property
    def progress(self) -> Progress | None:
        """How far it is, four times a second; None before the first packet."""
        snapshot, path = self._watcher.snapshot, self.run_dir
        if snapshot is None or path is None:
            return None
        return snapshot.of_run(path.name, timestamp(SystemClock.wall()))

    # --- in its own thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._sweep()
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked for
            self._error = error
        finally:
            with self._guard:
                self._parts = self._loop = None
            self._written.set()

    def _sweep(self) -> None:
        asked, notice = self._asked, self._watcher.notice
        if self._output is None:
            self._place = tempfile.TemporaryDirectory(prefix="mongosweep-")
        output = self._output or Path(self._place.name if self._place is not None else "")
        complete_types(of_a_sweep=True)
        found = loaded(asked, self._request, output)
        options = found.options
        if self._stopping:
            return
        if options.events:
            options = replace(options, watched=watched(output, notice))
        with _tables(options.tables or {}):
            ended = run(found.settings, found.scope, options, self._watcher, begun=self._stands)
        self._written.set()
        self.summary = summary_of(ended, kept=asked.output is not None)
        if asked.output is not None:
            wanted = Afterwards(ledger=asked.ledger)
            left = afterwards(ended, wanted, found.settings, SystemClock(), say=notice, remark=log.info)
            if left.changed:
                log.info("%s", left.changed)

    def _stands(self, parts: Parts) -> None:
        """On the sweep's loop: the run directory is there, and nothing was sent."""
        begun = parts.prepared
        self.run_dir = begun.begun.directory.path
        self._first = Cursor(segment_number(begun.journal.path.name) or 1)
        with self._guard:
            self._parts, self._loop = parts, asyncio.get_running_loop()
            if self._stopping:
                parts.control.interrupt()
        self._begun.set()

    def _interrupt(self) -> None:
        if self._parts is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is over
                self._loop.call_soon_threadsafe(self._parts.control.interrupt)

    # --- the journal ---------------------------------------------------------------------------------

    def _next(self) -> list[Observation] | None:
        """What is new, maybe nothing; None at the end of the journal."""
        assert self.run_dir is not None
        if self._journal is None:
            self._journal = GrowingJournal(
                self.run_dir, self._first, somebody_writes=lambda: not self._written.is_set()
            )
        try:
            lines = self._journal.read().split(b"\n")
            found = [seen for line in lines if line for seen in self._assembly.take(from_line(line))]
        except RecordError as error:
            raise_public(CorruptError(self.run_dir, str(error)))
        except ResultsError as error:
            raise_public(error)
        if self._journal.at_end:
            return None
        if not found:
            self._written.wait(LOOK_INTERVAL)
        return found


@contextlib.contextmanager
def _tables(wanted: Mapping[str, Any]) -> Iterator[None]:
    """Let a sweep use these dated tables, which hold for the whole process. Raises `BusyError`."""
    with _in_use_guard:
        if any(other != wanted for other in _in_use):
            raise BusyError(
                "config",
                "a sweep with other dated tables goes on in this process",
                "wait for it, or let both have the same [data] directory",
            )
        _in_use.append(wanted)
    try:
        yield
    finally:
        with _in_use_guard:
            _in_use.remove(wanted)


class _Watcher:
    """What a sweep tells whoever watches: to the log, or kept for whoever asks."""

    wants_found = False

    def __init__(self) -> None:
        self.snapshot: ProgressSnapshot | None = None

    def started(self, plan: Plan) -> None:
        """Nothing."""

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """Kept."""
        self.snapshot = snapshot

    def found(self, observation: Observation) -> None:
        """Nothing: the journal has it."""

    def notice(self, text: str) -> None:
        """To the log."""
        log.warning("%s", text)

    def finished(self, summary: RunSummary) -> None:
        """Nothing: it is returned."""
