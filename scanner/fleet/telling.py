"""What a shard's process says on stdout while its sweep goes on: the lines of its journal, how far it is.

One thread says everything, so that a reader of stdout that takes its time never makes the sweep wait.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Raw

from results.follow import GrowingJournal
from results.text import visible
from scanner.fleet.messages import BATCH_BYTES, Going, Lines, Told, encode, line_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from results.record import Observation
    from scanner.fleet.messages import Began, Description, Message, Shard
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, RunSummary

TICK = 0.1  # seconds between two looks at the journal
INTERVAL = 1.0  # seconds between two messages on how far it is, and after which lines are sent
MOST_TOLD = 64  # notices that wait to be said; older ones are dropped
_log = logging.getLogger(__name__)


class Output:
    """Messages, a line each, on a descriptor. One that nobody reads any more is written to no more."""

    def __init__(self, descriptor: int, gone: Callable[[], object] = lambda: None) -> None:
        """`gone` is called once, when nobody reads any more."""
        self._descriptor = descriptor
        self._gone = gone
        self._writing = threading.Lock()
        self._open = True

    def say(self, message: Message | Description) -> None:
        """One message. Waits for whoever reads."""
        with self._writing:
            if not self._open:
                return
            try:
                _write(self._descriptor, encode(message))
            except OSError as error:
                self._open = False
                _log.warning("nobody takes what is said of the shard any more: %s", error.strerror)
                self._gone()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # whoever gave it to us set it so
            select.select([], [descriptor], [])


class Said(NamedTuple):
    """How many lines were sent, and the digest of them all (`messages.digest_of`)."""

    lines: int
    digest: str


def measure(directory: Path) -> Said:
    """What telling a run that has ended will come to. Raises `CorruptError`."""
    count = total = 0
    with contextlib.closing(GrowingJournal(directory)) as journal:
        while data := journal.read():
            for line in data.split(b"\n")[:-1]:
                count, total = count + 1, total + line_hash(line)
    return Said(count, f"{total % (1 << 128):032x}")


class Teller(threading.Thread):
    """Implements `Screen`. `started` begins to tell of the run in `directory`; `finish` waits until all of
    its journal is told."""

    def __init__(
        self,
        output: Output,
        shard: Shard,
        directory: Path,
        began: Began,
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        """`failed` is called when the journal cannot be told any further."""
        super().__init__(name="telling", daemon=True)
        self._failed = failed
        self.begun = False
        self._output = output
        self._shard = shard
        self._directory = directory
        self._began = began
        self._snapshot: ProgressSnapshot | None = None
        self._told: deque[str] = deque(maxlen=MOST_TOLD)
        self._over = threading.Event()
        self._error: Exception | None = None
        self._lines: list[Raw] = []
        self._bytes = 0
        self._batches = 0
        self._count = 0
        self._sum = 0
        self._going_at = self._sent_at = time.monotonic()

    # --- what the sweep calls (see `Screen`) ---------------------------------------------------------

    def started(self, plan: Plan | None) -> None:
        """The first packet is about to leave."""
        self.begun = True
        self.start()

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """Kept until it is time to say it."""
        self._snapshot = snapshot

    wants_found = False

    def found(self, observation: Observation) -> None:
        """Its line says it."""

    def notice(self, text: str) -> None:
        """To be said with the next message."""
        _log.info("%s", text)
        self._told.append(text)

    def finished(self, summary: RunSummary) -> None:
        """The end is told by whoever waits for `finish`."""

    # --- the thread ------------------------------------------------------------------------------------

    def finish(self) -> Said:
        """Wait until every line is sent; raises what kept one from being sent, as `CorruptError`."""
        self._over.set()
        self.join()
        if self._error is not None:
            raise self._error
        return Said(self._count, f"{self._sum % (1 << 128):032x}")

    def run(self) -> None:
        """The thread's work."""
        self._output.say(self._began)
        try:
            with contextlib.closing(GrowingJournal(self._directory)) as journal:
                self._follow(journal)
        except Exception as error:  # noqa: BLE001 - raised again by `finish`
            self._error = error
            self._failed()

    def _follow(self, journal: GrowingJournal) -> None:
        while True:
            over = self._over.is_set()  # first: what was written before it was set is in the reads below
            while data := journal.read():
                for line in data.split(b"\n")[:-1]:
                    self._take(line)
            now = time.monotonic()
            if now - self._sent_at >= INTERVAL or (over and journal.at_end):
                self._send_lines()
                self._sent_at = now
            self._say_rest(now)
            if over and journal.at_end:
                return
            if not self._over.wait(TICK):
                continue
            time.sleep(0.01 if over else 0)  # whoever wrote is about to let go of the lock

    def _take(self, line: bytes) -> None:
        self._count += 1
        self._sum += line_hash(line)
        self._lines.append(Raw(line))
        self._bytes += len(line)
        if self._bytes >= BATCH_BYTES:
            self._send_lines()

    def _send_lines(self) -> None:
        if self._lines:
            self._batches += 1
            lines, self._lines, self._bytes = self._lines, [], 0
            self._output.say(
                Lines(
                    run_id=self._shard.run_id,
                    name=self._shard.name,
                    attempt=self._shard.attempt,
                    number=self._batches,
                    lines=lines,
                )
            )

    def _say_rest(self, now: float) -> None:
        shard = self._shard
        while self._told:
            text = visible(self._told.popleft(), 500)
            self._output.say(Told(run_id=shard.run_id, name=shard.name, attempt=shard.attempt, text=text))
        snapshot = self._snapshot
        if snapshot is not None and now - self._going_at >= INTERVAL:
            self._going_at, self._snapshot = now, None
            self._output.say(
                Going(
                    run_id=shard.run_id,
                    name=shard.name,
                    attempt=shard.attempt,
                    asked=snapshot.asked,
                    done=snapshot.done,
                    answered=snapshot.answered,
                    open=snapshot.open_found,
                    in_flight=snapshot.in_flight,
                    rate=round(snapshot.rate, 1),
                    slowed_by=snapshot.slowed_by,
                    paused_by=snapshot.paused_by,
                )
            )
