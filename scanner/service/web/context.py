"""What every handler may reach, put into the application once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web
from msgspec import Struct

from scanner.clock import Clock
from scanner.service.view.coverage import CoverageReader
from scanner.service.view.live import Live
from scanner.service.view.reader import Reader
from scanner.service.view.runs import RunList
from scanner.service.view.sinks import SinkReader
from scanner.setup.config_file import ConfigFile
from targets.scope import Scope

if TYPE_CHECKING:
    from scanner.service.jobs import Job, ServiceStatus
    from scanner.service.orders import Answer


class Service(Protocol):
    """The service behind the page, as far as the page may reach it."""

    def status(self) -> ServiceStatus | None:
        """Where it stands; None where only the page runs, or the service is gone."""
        ...

    def jobs(self, *, limit: int = 100, before: str = "") -> list[Job]:
        """Jobs that have ended, the newest first; `before`: those that started earlier."""
        ...

    async def order(self, do: str, name: str, by: str) -> Answer:
        """Ask for something; see `orders.Order`. One that is not there answers with a problem."""
        ...


class Context(Struct, kw_only=True):
    """Where the page reads. `config` and `scope` are read again when their files change: the process sets
    them, nobody else, and a handler takes them from here each time."""

    output: Path
    config: ConfigFile | None
    scope: Scope | None
    clock: Clock


CONTEXT: Final = web.AppKey("context", Context)
READER: Final = web.AppKey("reader", Reader)
SERVICE: Final = web.AppKey("service", Service)
COVERAGE: Final = web.AppKey("coverage", CoverageReader)
RUNS: Final = web.AppKey("runs", RunList)
LIVE: Final = web.AppKey("live", Live)
SINKS: Final = web.AppKey("sinks", SinkReader)
