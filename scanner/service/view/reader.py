"""What the page and the API read: one snapshot of the ledger with people and the clock laid over, kept until
something changes. Then only that is read and laid over again, so that a request costs no reading of files.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from results.ledger.actions import Actions
from results.ledger.database import LEDGER_FILE, LedgerError, NoLedgerError
from results.ledger.store import Ledger
from scanner.clock import Clock, SystemClock, timestamp
from scanner.service.view.layers import Layers
from scanner.service.view.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from results.ledger.overlay import Deadlines

__all__ = ["Reader", "Snapshot"]
T = TypeVar("T")
LEDGER_SECONDS = 1.0
"""The tables are read again at most so often: a run that is taken in changes them many times."""
CLOCK_SECONDS = 60
"""How old the upper bounds of how long something is open may be; they grow all the time."""
QUESTION_SECONDS = 5.0
"""What a question to the ledger may take."""


class Reader:
    """Reads an output directory, in a thread of its own. `current` is a snapshot no older than the last
    action, and at most a second older than the last change of the ledger."""

    def __init__(self, output: Path, deadlines: Deadlines, clock: Clock | None = None) -> None:
        self.output = output
        self._clock = clock or SystemClock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._lock = asyncio.Lock()
        self._deadlines = deadlines
        self._layers = Layers(deadlines)
        self._actions = Actions(output, slim=True)
        self._ledger: Ledger | None = None
        self._file = -1
        self._tables = -1
        self._looked = float("-inf")
        self._name = secrets.token_hex(4)  # versions are of one process
        self._number = 0
        self._snapshot: Snapshot | None = None

    def use(self, deadlines: Deadlines) -> None:
        """The deadlines in force are others from the next snapshot on."""
        self._deadlines = deadlines

    async def current(self) -> Snapshot:
        """The snapshot of now; one without exposures where there is no ledger. Raises `ResultsError`."""
        async with self._lock:
            return await self._in_thread(self._refresh)

    async def ask(self, question: Callable[[Ledger], T]) -> T:
        """What the ledger says to a question. Raises `ResultsError`: `NoLedgerError` where there is none, and
        `LedgerError` where it takes too long."""

        def answer() -> T:
            ledger = self._opened()
            with ledger.within(QUESTION_SECONDS):
                return question(ledger)

        return await self._in_thread(answer)

    async def write(self, deed: Callable[[Actions], T]) -> T:
        """Let something be written down among the actions; it is in the next snapshot. Raises `ResultsError`:
        `CorruptError` while their chain is broken."""

        def work() -> T:
            self._actions.follow()
            self._actions.refuse_if_broken()
            return deed(self._actions)

        return await self._in_thread(work)

    async def close(self) -> None:
        """Let go of the files."""
        await self._in_thread(self._let_go)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the thread --------------------------------------------------------------------------------

    def _refresh(self) -> Snapshot:
        now = timestamp(self._clock.wall())
        self._layers.use(self._deadlines)
        if not self._actions.follow():
            self._layers.forget_actions()
        changed = self._layers.take_actions(self._actions)
        changed |= self._look_at_ledger()
        changed |= self._layers.lay(now)
        is_old = self._layers.is_old(now, CLOCK_SECONDS)
        if self._snapshot is not None and not changed and not is_old:
            return self._snapshot
        if (is_old and self._layers.grow(now)) or changed:
            self._number += 1
        self._snapshot = self._layers.snapshot(now, f"{self._name}-{self._number}")
        return self._snapshot

    def _look_at_ledger(self) -> bool:
        """Take in what changed in the tables."""
        try:
            ledger = self._opened()
            version = ledger.version()
            if version == self._tables or self._clock.monotonic() - self._looked < LEDGER_SECONDS:
                return False
            with ledger.within(10 * QUESTION_SECONDS), ledger.at_once():
                self._tables = ledger.version()
                changed = self._layers.take_ledger(ledger)
        except NoLedgerError:
            return self._layers.forget_ledger()
        except LedgerError:
            self._let_go()
            raise
        self._looked = self._clock.monotonic()
        return changed

    def _opened(self) -> Ledger:
        """The ledger, opened again where its file is another one. Raises `LedgerError`."""
        try:
            file = (self.output / LEDGER_FILE).stat().st_ino
        except OSError:
            file = -1  # opening it says why
        if self._ledger is None or file != self._file:
            self._let_go()
            self._ledger, self._file = Ledger.open(self.output), file
        return self._ledger

    def _let_go(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
        self._ledger, self._tables, self._looked = None, -1, float("-inf")
