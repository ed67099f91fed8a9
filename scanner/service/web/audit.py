"""Writes down who came in, who was refused, and what was ordered: lines in `actions.jsonl`, beside what
people did with exposures.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web

from results.files import ResultsError
from results.text import visible
from scanner.clock import timestamp

if TYPE_CHECKING:
    from scanner.clock import Clock
    from scanner.service.orders import Answer
    from scanner.service.view.reader import Reader
    from scanner.service.web.context import Service

AuditKind = Literal["signed-in", "signed-out", "sign-in-failed", "denied", "ordered", "access-changed"]
_BURST, _EVERY = 60, 60.0  # lines that strangers can cause at once, and seconds until they can cause one more
_log = logging.getLogger(__name__)


class Audit:
    """The one writer of the page's own lines. What strangers cause without end (failures, denials) is written
    up to a rate and counted beyond it, so that nobody fills the disk; the next line says how many there
    were."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._tokens, self._filled_at = float(_BURST), clock.monotonic()
        self._untold = 0

    async def write(self, kind: AuditKind, by: str, detail: str) -> None:
        """Add a line. What hinders it is said in the log: it must not hinder a stop or a sign-in."""
        at, detail = timestamp(self._clock.wall()), visible(detail, 500)
        try:
            await self._reader.write(lambda actions: actions.append(kind, at=at, by=by, detail=detail))
        except ResultsError as error:
            _log.warning("%s by %s was not written down: %s", kind, visible(by, 80), error)

    async def write_limited(self, kind: AuditKind, by: str, detail: str) -> None:
        """Add a line that anybody can cause, or count it."""
        now = self._clock.monotonic()
        self._tokens = min(_BURST, self._tokens + (now - self._filled_at) / _EVERY)
        self._filled_at = now
        if self._tokens < 1:
            self._untold += 1
            return
        self._tokens -= 1
        untold, self._untold = self._untold, 0
        await self.write(kind, by, detail + (f"; {untold:,} more were not written down" if untold else ""))


class AuditedService:
    """The service as handlers reach it: every order is written down, with what became of it."""

    def __init__(self, service: Service, audit: Audit) -> None:
        self._service = service
        self._audit = audit
        self.status, self.jobs = service.status, service.jobs

    async def order(self, do: str, name: str, by: str) -> Answer:
        """Ask, then write it down: a full disk must not keep anybody from stopping a sweep."""
        answer = await self._service.order(do, name, by)
        became = (
            f": {answer.problem}" if answer.problem else (f", job {answer.job_id}" if answer.job_id else "")
        )
        await self._audit.write("ordered", by, f"{do} {name}".strip() + became)
        return answer


AUDIT: Final = web.AppKey("audit", Audit)
