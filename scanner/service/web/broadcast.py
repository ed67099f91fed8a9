"""What goes on, sent to every open page: one look a second for all of them, made into one text once.

A page gets everything when it connects or could not keep up, and then only what has changed. Whoever reads
too slowly holds up nobody else, and is let go in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from scanner.clock import timestamp
from scanner.service.view.live import LOOK_INTERVAL, Live
from scanner.service.web.run_view import dots, figures, found_words, level_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.clock import Clock
    from scanner.service.jobs import ServiceStatus
    from scanner.service.view.live import LiveRun
    from scanner.service.web.context import Service

MOST_PAGES: Final = 400
STREAM_SECONDS: Final = 600.0
"""How long one stream lasts; then the browser connects anew, and shows once more who it is."""

WRITE_PATIENCE: Final = 20.0  # seconds for a reader to take what was sent
_CHECK_EVERY: Final = 15
"""Looks after which it is asked again who may watch, and something is sent although nothing has changed."""


_log = logging.getLogger(__name__)


class TooManyPagesError(Exception):
    """As many pages are open as are served."""


class Broadcast:
    """Looks while somebody watches, and not at all otherwise."""

    def __init__(self, live: Live, service: Service, clock: Clock) -> None:
        self._live = live
        self._service = service
        self._clock = clock
        self._watching = 0
        self._looking: asyncio.Task[None] | None = None
        self._first = asyncio.Event()  # whether a look was had since somebody watches
        self._next = asyncio.Event()  # of the look to come; each has its own
        self._number = 0
        self._run: LiveRun | None = None
        self._values: dict[str, Any] = {}  # what was told last, by the name of the field
        self._change = b""
        self._whole = b""  # made when it is first wanted after a look
        self._ended = False

    async def send(
        self, request: web.Request, response: web.StreamResponse, is_welcome: Callable[[], bool]
    ) -> None:
        """Write to one page until its time is over, it is gone or not welcome any more, or the service ends.
        Raises `TooManyPagesError` before anything is written."""
        if self._watching >= MOST_PAGES:
            raise TooManyPagesError
        self._watching += 1
        try:
            if self._looking is None or self._looking.done():
                self._first = asyncio.Event()
                self._looking = asyncio.create_task(self._keep_looking())
            await response.prepare(request)
            await self._first.wait()
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(STREAM_SECONDS):
                    await self._stream(request, response, is_welcome)
        finally:
            self._watching -= 1
            if not self._watching and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def close(self, _: object = None) -> None:
        """End every stream: the service ends."""
        self._ended = True
        self._next.set()

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, is_welcome: Callable[[], bool]
    ) -> None:
        sent, looks = -1, 0
        while not self._ended and request.transport is not None:
            coming, number = self._next, self._number
            data = self._change if sent == number - 1 else self._everything()
            looks += 1
            if looks % _CHECK_EVERY == 0:
                if not is_welcome():  # the page is still there: nothing was awaited since
                    return
                data = data or b": nothing new\n\n"
            sent = number
            if data:
                async with asyncio.timeout(WRITE_PATIENCE):
                    await response.write(data)
            await coming.wait()

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:  # noqa: BLE001 - the next look may succeed, and the log has all of it
                _log.exception("the run that goes on cannot be looked at")
            self._first.set()
            await asyncio.sleep(LOOK_INTERVAL)

    async def _look(self) -> None:
        """Look once, and wake every stream."""
        run = await self._live.current()
        values = await self._fields(run)
        changed = {name: value for name, value in values.items() if self._values.get(name) != value}
        if run is not None and self._run is not None and run.run_id == self._run.run_id:
            before, now = self._run.levels, run.levels
            cells = [(at, level) for at, level in enumerate(now) if level != before[at]]
            if cells:
                changed["cells"] = cells
        self._run, self._values = run, values
        self._change = _event("change", changed) if changed else b""
        self._whole = b""
        self._number += 1
        done, self._next = self._next, asyncio.Event()
        done.set()

    async def _fields(self, run: LiveRun | None) -> dict[str, Any]:
        key = page_key(await asyncio.to_thread(self._service.status), run)
        if run is None:
            return {"key": key}
        return {
            "key": key,
            "figures": figures(run, timestamp(self._clock.wall())),
            "found": [found_words(each) for each in reversed(run.found)],
            "dots": dots(run),
        }

    def _everything(self) -> bytes:
        if not self._whole:
            levels = level_text(self._run.levels) if self._run is not None else ""
            self._whole = b"retry: 5000\n" + _event("all", {**self._values, "levels": levels})
        return self._whole


def page_key(status: ServiceStatus | None, run: LiveRun | None) -> str:
    """A text that is another one whenever the page of now has another form, so that a page knows that it
    must be drawn anew: another run, job, schedule or warning. Not for what passes each second."""
    parts: list[Any] = [run.run_id if run is not None else "", run is not None and run.progress is not None]
    if status is not None:
        jobs = [(job.job_id, job.run_id, job.stopped_by) for job in status.running]
        parts += [status.started_at, jobs, status.schedules, status.warnings, status.forwarding]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))


BROADCAST: Final = web.AppKey("broadcast", Broadcast)
