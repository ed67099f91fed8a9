"""How late the page's event loop is: a timer that notes by how much it was woken too late."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_EVERY: Final = 1.0  # seconds


class LoopLag:
    """The worst delay, in seconds, that was noted since somebody asked last."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._last = 0.0

    def note(self, late: float) -> None:
        """The timer was so late."""
        self._last = max(0.0, late)
        self._worst = max(self._worst, self._last)

    def take(self) -> float:
        """The worst since the last call, or the last that was noted."""
        worst, self._worst = max(self._worst, self._last), 0.0
        return worst


LOOP_LAG: Final = web.AppKey("loop_lag", LoopLag)


async def watch(app: web.Application) -> AsyncIterator[None]:
    """A cleanup context of an application: measures while it runs."""
    lag = app[LOOP_LAG] = LoopLag()
    task = asyncio.create_task(_measure(lag))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _measure(lag: LoopLag) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _EVERY
        await asyncio.sleep(_EVERY)
        lag.note(loop.time() - due)
