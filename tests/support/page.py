"""The page's application over an output directory, with a service that a test makes up."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp.test_utils import TestClient, TestServer

from results.ledger.overlay import Deadlines
from scanner.clock import SystemClock
from scanner.service.admission.access import Access, RefusedAccessError
from scanner.service.admission.roles import Role
from scanner.service.orders import Answer
from scanner.service.view.reader import Reader
from scanner.service.web.app import application
from scanner.service.web.context import Context
from scanner.setup.config_file import read_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from scanner.clock import Clock
    from scanner.service.jobs import Job, ServiceStatus


class FakeService:
    """What stands behind the page, made up: a status, jobs that ended, and orders that are noted."""

    def __init__(self, status: ServiceStatus | None = None, jobs: list[Job] | None = None) -> None:
        self.told = status
        self.ended = jobs or []
        self.orders: list[tuple[str, str, str]] = []
        self.asked = 0

    def status(self) -> ServiceStatus | None:
        """As it was made up."""
        return self.told

    def jobs(self, *, limit: int = 100, before: str = "") -> list[Job]:
        """The newest first, as `service.sqlite` gives them."""
        self.asked += 1
        newest = sorted(self.ended, key=lambda job: job.started_at, reverse=True)
        return [job for job in newest if not before or job.started_at < before][:limit]

    async def order(self, do: str, name: str, by: str) -> Answer:
        """Taken, and nothing done."""
        self.orders.append((do, name, by))
        return Answer(number=len(self.orders))


@asynccontextmanager
async def page_client(
    output: Path,
    service: FakeService,
    *,
    config: Path | None = None,
    clock: Clock | None = None,
    role: Role = Role.VIEW,
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """A client of the application with a token that may read, or has another role; both last as long as
    this."""
    context = Context(
        output=output,
        config=read_config(config) if config is not None else None,
        scope=None,
        clock=clock or SystemClock(),
    )
    app = application(context, Reader(output, Deadlines()), service)
    access = Access(output, SystemClock())
    with suppress(RefusedAccessError):
        access.revoke_token("prometheus")  # of an earlier client
    token = access.add_token("prometheus", role, 3600)
    access.close()
    headers = {"Authorization": f"Bearer {token}"}
    async with TestClient(TestServer(app), headers=headers) as client:
        yield client
