"""Processes that are to run as long as the service does: started again when they end, later each time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scanner.service.children import Child

FIRST_WAIT, MOST_WAIT = 1.0, 60.0  # seconds until it is started again; doubled each time
_STEADY = 60.0  # seconds of life after which it counts as healthy again
_FAREWELL = (3.0, 2.0)
_LOG = logging.getLogger(__name__)


class Starting(Protocol):
    """How one of them is started."""

    def __call__(self) -> Child | None:
        """Start it; None while there is nothing for it to do. Raises `OSError`."""
        ...


class Kept:
    """One such process. `trouble`: what is wrong with it, for a person, "" while it runs."""

    def __init__(self, name: str, start: Starting) -> None:
        self.name = name
        self.trouble = ""
        self.child: Child | None = None
        self._start = start
        self._over = asyncio.Event()
        self._again = asyncio.Event()

    async def keep(self) -> None:
        """Keep it running until `end`."""
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT
        while not self._over.is_set():
            began, ended = loop.time(), False
            try:
                self.child = self._start()
            except OSError as error:
                self.trouble = f"{self.name} cannot be started: {error.strerror}"
                _LOG.error("%s", self.trouble)
            if self.child is not None:
                await self.child.ended.wait()
                self._tell_end(self.child)
                ended = True
                self.child = None
                if self._again.is_set() or loop.time() - began >= _STEADY:
                    wait = FIRST_WAIT
            if self._over.is_set():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), wait)
            self._again.clear()
            if ended and not self._over.is_set():
                _LOG.info("%s is started again", self.name)
            wait = min(2 * wait, MOST_WAIT)

    async def restart(self) -> None:
        """End it, so that it begins again at once."""
        self._again.set()
        if self.child is not None:
            await self.child.end(*_FAREWELL)

    async def end(self) -> None:
        """End it for good."""
        self._over.set()
        self._again.set()
        if self.child is not None:
            if self.child.stdin is not None:
                with contextlib.suppress(OSError):
                    self.child.stdin.close()
            await self.child.end(*_FAREWELL)

    def _tell_end(self, child: Child) -> None:
        if self._over.is_set() or self._again.is_set():
            return
        code = child.exit_code or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.trouble = f"{self.name} ended, with {how}"
        _LOG.warning("%s", self.trouble)
        for line in child.said():
            _LOG.warning("%s: %s", self.name, line)
