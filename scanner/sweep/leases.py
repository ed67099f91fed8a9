"""Inventories while a sweep goes on: asked again, in threads, before their answers are too old. What they
list no longer is withdrawn at once, and everything of one that answers no more when its answer is too old."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from results.text import plural
from scanner.setup.inventory import Inventories, names_in, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.engine.engine import Engine
    from scanner.network.guard import Part
    from targets.scope import Scope, Target

INTERVAL = 0.25  # seconds between two looks at the ages
RENEW = 0.5  # of max_age, after which an inventory is asked again
RETRY = 0.1  # of max_age, between two questions without an answer


class _Answered(NamedTuple):
    """What asking again came to. `part`: what is left of the guard's scope; None without an answer."""

    trouble: str
    part: Part | None


class Leases:
    """Keeps the leases of the guard as long as the inventories answer. `scope` is that of the run, `whole`
    what they left of all that may be asked at the beginning, canaries included.

    An address that was withdrawn does not come back in this sweep: what a sweep asks may only get smaller.
    """

    def __init__(
        self,
        inventories: Inventories | None,
        scope: Scope,
        whole: Scope,
        engine: Engine,
        notice: Callable[[str], None],
    ) -> None:
        self._inventories = inventories or Inventories(())
        self._inventories.over.clear()  # another run may have had them before, and other answers since
        whole = self._inventories.confirmed(whole) if inventories is not None else whole
        self._scope = scope
        self._whole = whole
        self._engine = engine
        self._guard = engine.guard
        self._notice = notice
        self._rest = {name: without(whole, name) for name in names_in(whole) if inventories is not None}
        self._names = set(self._rest)
        self._asking: set[str] = set()
        self._again: dict[str, float] = {}  # when one without an answer is asked again, in loop time
        if inventories is not None:
            self._guard.narrow(whole)  # of a run that was taken up, more may have been listed before
            self._guard.unlisted = self._is_unlisted
        for name in self._names:
            self._lease(name)

    async def run(self) -> None:
        """Look until cancelled, or until no inventory holds anything any more."""
        loop = asyncio.get_running_loop()
        try:
            while self._names:
                for name in sorted(self._names):
                    self._look(name, loop)
                await asyncio.sleep(INTERVAL)
        finally:
            self._inventories.over.set()

    def _look(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        left, whole = self._inventories.left(name), self._inventories.max_age(name)
        if not left:
            self._names.discard(name)
            self._guard.narrow(self._rest[name])  # as its lease does, which may end a moment later
            self._engine.connector.drop_forbidden()
            why = self._inventories.why_not(name)
            self._notice(f"inventory {name} confirms nothing any more: {why}; its addresses are withdrawn")
            return
        due = left <= whole * RENEW and loop.time() >= self._again.get(name, 0.0)
        if due and name not in self._asking:
            self._asking.add(name)
            threading.Thread(target=self._ask, args=(name, loop), name="inventory", daemon=True).start()

    def _ask(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: ask, and work out what is left."""
        trouble = self._inventories.ask(name)
        part = None if trouble else self._guard.part(self._inventories.confirmed(self._whole))
        with suppress(RuntimeError):  # the sweep is over
            loop.call_soon_threadsafe(self._take_over, name, _Answered(trouble, part), loop)

    def _take_over(self, name: str, answered: _Answered, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: what an answer leaves."""
        self._asking.discard(name)
        if name not in self._names or self._inventories.over.is_set():
            return
        if answered.part is None:
            left = self._inventories.left(name)
            self._again[name] = loop.time() + self._inventories.max_age(name) * RETRY
            self._notice(
                f"inventory {name} was asked again, without an answer: {answered.trouble}; the one before"
                f" holds for {left:.0f} s"
            )
            return
        taken = self._guard.narrow(answered.part)
        self._lease(name)
        if taken:
            self._engine.connector.drop_forbidden()
            self._notice(f"inventory {name} does not list {plural(taken, 'target')} any more: withdrawn")

    def _lease(self, name: str) -> None:
        self._guard.lease(name, self._inventories.left(name), self._rest[name])

    def _is_unlisted(self, target: Target) -> bool:
        name = self._scope.owner_of(target.address, target.version).inventory
        return self._inventories.unlists(name, target.version, target.address)
