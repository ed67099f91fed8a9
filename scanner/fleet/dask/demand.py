"""What an autoscaler asks a scheduler, over HTTP: how many workers a site could use, and which are idle.

These are two of the questions of Dask's own HTTP API (`distributed/http/scheduler/api.py`), with which the
operator of dask-kubernetes scales workers. Its questions come in clear and without a certificate, so answers
are counts and names of workers, and nothing that is asked changes anything.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from scanner.setup.fleet_settings import WORD
from scanner.setup.listen import host_and_port, parse_listen

if TYPE_CHECKING:
    from distributed import Scheduler
    from tornado.httpserver import HTTPServer

    from scanner.setup.listen import Listen

_log = logging.getLogger(__name__)
# States of a task that somebody waits for; in "memory" is what a coordinator has not yet taken.
_UNDER_WAY = frozenset({"waiting", "no-worker", "queued", "processing", "memory"})
_MOST_BODY = 4096  # bytes of a question
_EXAMPLE = "paris=0.0.0.0:8787"


class Autoscaled(NamedTuple):
    """The site whose workers are scaled, and where that is asked."""

    site: str
    listen: Listen


def autoscaled(text: str) -> Autoscaled:
    """`SITE=ADDRESS:PORT`. Raises ValueError, which says what to write."""
    site, _, listen = text.partition("=")
    if not re.fullmatch(WORD, site):
        raise ValueError(f"{text!r} names no site; write one and where it is asked, as in {_EXAMPLE}")
    return Autoscaled(site, parse_listen(listen))


def wanted(scheduler: Scheduler, site: str) -> int:
    """How many workers a site could use now: one for each of its shards that is under way or waits.

    Dask's own `adaptive_target` guesses how long tasks take, and counts those of every site. Here a worker
    has one shard at a time, and a coordinator gives two for each worker that there is.
    """
    resource = f"site:{site}"
    return sum(
        1
        for task in scheduler.tasks.values()
        if task.state in _UNDER_WAY and resource in (task.resource_restrictions or ())
    )


def idle(scheduler: Scheduler, site: str, most: int) -> list[Any]:
    """Workers of a site that ask nothing now and have no result that was not fetched yet, as Dask knows them
    (`WorkerState`); `most` of them at most."""
    resource = f"site:{site}"
    found = [
        each
        for each in scheduler.workers.values()
        if resource in each.resources and not each.processing and not each.has_what
    ]
    return found[: max(0, most)]


def answer_autoscaler(scheduler: Scheduler, where: Autoscaled) -> HTTPServer:
    """Answer from now on, in the running loop; the caller stops it. Raises OSError where it cannot listen."""
    from tornado.httpserver import HTTPServer  # comes with Dask, and is not there without
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler

    class Target(RequestHandler):
        def get(self) -> None:
            self.finish({"workers": wanted(scheduler, where.site)})

    class Retire(RequestHandler):
        def post(self) -> None:
            """Who may go: the operator ends the pods of those names itself."""
            try:
                most = int(json.loads(self.request.body)["n"])
            except (ValueError, TypeError, KeyError, RecursionError):
                self.set_status(400)
                self.finish({"error": 'write {"n": NUMBER}'})
                return
            self.finish({each.address: {"name": each.name} for each in idle(scheduler, where.site, most)})

    routes = [("/api/v1/adaptive_target", Target), ("/api/v1/retire_workers", Retire)]
    server = HTTPServer(
        Application(routes, log_function=lambda handler: None),
        max_body_size=_MOST_BODY,
        max_header_size=_MOST_BODY,
        idle_connection_timeout=30,
    )
    sockets = bind_sockets(where.listen.port, str(where.listen.address))
    server.add_sockets(sockets)
    bound = host_and_port(*sockets[0].getsockname()[:2])
    _log.info("an autoscaler is told at http://%s how many workers %s could use", bound, where.site)
    return server
