"""The scheduler's process: Dask's own, which looks at each message's sender before it does what it says.

`settings.configure` comes before this is imported.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from distributed import Scheduler
from distributed.comm import normalize_address
from distributed.comm.core import CommClosedError
from distributed.core import error_message
from distributed.diagnostics.plugin import SchedulerPlugin

from results.text import visible
from scanner import __version__
from scanner.clock import timestamp
from scanner.fleet.authority import identity_of
from scanner.fleet.dask.demand import answer_autoscaler
from scanner.fleet.dask.serving import dask_log, serve_until_told
from scanner.fleet.dask.settings import security
from scanner.fleet.dask.task import SAID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scanner.fleet.authority import Identity, Own, Role
    from scanner.fleet.dask.demand import Autoscaled
    from scanner.setup.listen import Listen

_log = logging.getLogger(__name__)
STATUS = "fleet_status"  # what `status` asks for
HELLO = "fleet_hello"  # what a worker asks for before it registers
NOT_AFTER = "mongosweep-not-after"  # in what the scheduler keeps of a worker: when its certificate ends
TOPICS = "mongosweep-"  # what the topics begin with of which a worker may tell; Dask gives meanings to others
_ANSWERS = 3.0  # seconds in which a worker answers whose name is claimed by another one
_KEPT = 50  # refusals that are remembered for `status`
_REQUESTS: Mapping[Role, frozenset[str]] = {
    "coordinator": frozenset(["register-client", "gather", "identity", "echo", STATUS]),
    "worker": frozenset(["register-worker", "heartbeat_worker", "echo", HELLO]),
    "scheduler": frozenset(),
}
_STREAMED: Mapping[Role, frozenset[str]] = {
    "coordinator": frozenset(["update-graph", "client-desires-keys", "client-releases-keys", "cancel-keys"])
    | frozenset(["report-key", "heartbeat-client", "close-client", "subscribe-topic", "unsubscribe-topic"]),
    "worker": frozenset(["task-finished", "task-erred", "release-worker-data", "reschedule"])
    | frozenset(["keep-alive", "log-event", "worker-status-change"]),
    "scheduler": frozenset(),
}
_ENDS = frozenset({"close", "close-stream"})


class FleetScheduler(Scheduler):  # type: ignore[misc] # Dask's classes are not typed
    """Dask's scheduler without what would run code for others, open another port, or believe a name that a
    certificate does not have."""

    handlers: dict[str, Any]
    stream_handlers: dict[str, Any]

    def __init__(self, own: Own, host: str, port: int) -> None:
        self._own = own
        self.refused: deque[dict[str, str]] = deque(maxlen=_KEPT)
        super().__init__(
            host=host,
            port=port,
            protocol="tls",
            security=security(own),
            dashboard=False,
            extensions={},
            plugins=(_Teller(),),
        )
        handlers = {
            **self.handlers,
            "register-worker": self._register,
            HELLO: self._hello,
            STATUS: self._standing,
        }
        self.handlers = {name: handlers[name] for name in frozenset().union(*_REQUESTS.values())}
        streamed = frozenset().union(*_STREAMED.values())
        self.stream_handlers = {name: self.stream_handlers[name] for name in streamed}

    def start_http_server(self, *_: object, **__: object) -> None:
        """None: it would answer everybody, without TLS."""

    def handle_comm(self, comm: Any) -> Any:
        """A new connection: from here on each message is held against whose certificate it came with."""
        identity = identity_of(dict(comm.extra_info.get("peercert") or {}))
        if identity is None:  # the handshake has looked, too
            comm.abort()
        else:
            comm.read, comm.fleet_identity = self._reading(comm, identity, comm.read), identity
        return super().handle_comm(comm)

    def _reading(self, comm: Any, identity: Identity, read: Callable[..., Any]) -> Callable[..., Any]:
        async def checked(deserializers: Any = None) -> Any:
            """Reads on after a request that is refused, and ends a stream with such a message."""
            while True:
                message = await read(deserializers)
                several = message if isinstance(message, tuple | list) else (message,)
                why = next(filter(None, (self._unfit(identity, each) for each in several)), "")
                if not why:
                    return message
                self._refuse(identity, why)
                if several is message or comm.name is not None:  # Dask names connections that are streams
                    comm.abort()
                    raise CommClosedError(why)
                await comm.write(error_message(PermissionError(why), status="uncaught-error"))

        return checked

    def _unfit(self, identity: Identity, message: object) -> str:
        """Why what came with this certificate is not done; "" for what is."""
        if not isinstance(message, dict) or not isinstance(operation := message.get("op"), str):
            return "" if message == "OK" else "no message"
        if operation not in _REQUESTS[identity.role] | _STREAMED[identity.role] | _ENDS:
            return f"{visible(operation, 60)} is nothing that a {identity.role} may ask of the scheduler"
        if identity.role == "coordinator":
            return "actors are nothing that a fleet has" if message.get("actors") else ""
        if operation == "heartbeat_worker":
            return self._unfit_heartbeat(identity, message)
        if operation in _STREAMED["worker"] and ("worker" in message or "client" in message):
            return "a message in the name of another one"
        topic = message.get("topic", TOPICS)
        if not isinstance(topic, str) or not (topic.startswith(TOPICS) or topic in self.workers):
            return "an event that is none of ours"
        return ""

    def _unfit_heartbeat(self, identity: Identity, message: dict[str, Any]) -> str:
        try:
            address = normalize_address(self.coerce_address(message.get("address")))
        except (TypeError, ValueError, OSError):
            return "a heartbeat of nobody"
        worker = self.workers.get(address)
        if worker is not None and not identity.covers(str(worker.name)):
            return f"a heartbeat of worker {visible(str(worker.name), 80)}"
        if message.get("resources") or message.get("host_info") or message.get("extensions"):
            return "a heartbeat that changes what the worker has"
        return ""

    def _refuse(self, identity: Identity, why: str) -> None:
        at = timestamp(time.time())
        if not self.refused or (self.refused[-1]["who"], self.refused[-1]["why"]) != (str(identity), why):
            _log.warning("refused %s: %s", identity, why)
            self.refused.append({"at": at, "who": str(identity), "why": why})
        self.refused[-1]["at"] = at

    def _unlike(self, identity: Identity, said: Mapping[str, Any]) -> str:
        """What a worker claims and its certificate does not say; "" where they agree."""
        if not isinstance(name := said.get("name"), str) or not identity.covers(name):
            return f"it calls itself {visible(str(name), 80)}; its name is in its certificate"
        if said.get("resources") != {f"site:{identity.site}": 1} or said.get("nthreads") != 1:
            return f"it offers other work than one shard at a time of site {identity.site}"
        if said.get("nanny") or said.get("services"):
            return "it has a nanny or services; use `mongosweep fleet worker`"
        return ""

    async def _register(self, comm: Any, **said: Any) -> None:
        """Dask's `add_worker`, for a worker that is who it says."""
        if why := self._unlike(comm.fleet_identity, said):
            self._refuse(comm.fleet_identity, why)
            await comm.write({"status": "error", "message": why, "time": time.time()})
            return
        await self.add_worker(comm, **{**said, "extra": {NOT_AFTER: comm.fleet_identity.not_after}})

    async def _hello(self, comm: Any, name: str) -> dict[str, Any]:
        """What a worker should know before it registers. `taken`: where another one of its name is, ""
        where nobody is; one that was frozen or cut off makes room."""
        if not isinstance(name, str) or not comm.fleet_identity.covers(name):
            raise PermissionError("a name that is not in its certificate")
        address = self.aliases.get(name)
        if address is not None and not await self._answers(address):
            _log.warning("worker %s at %s does not answer; another one takes its place", name, address)
            await self.remove_worker(address, stimulus_id=f"does-not-answer-{time.time()}")
            address = self.aliases.get(name)
        return {"version": __version__, "clock": time.time(), "taken": address or ""}

    async def _answers(self, address: str) -> bool:
        try:
            await asyncio.wait_for(self.rpc(address).ping(), _ANSWERS)
        except (OSError, TimeoutError):
            return False
        return True

    def _standing(self) -> dict[str, Any]:
        """How the fleet stands, for `standing`: plain values, `workers` as in Dask's `identity`.

        Times are seconds since 1970 by this machine's clock; `not_after` ends a certificate.
        """
        return {
            "version": __version__,
            "clock": time.time(),
            "not_after": self._own.identity.not_after,
            "workers": {
                each.address: {
                    "name": each.name,
                    "host": each.host,
                    "resources": each.resources,
                    "metrics": {key: each.metrics.get(key) for key in ("task_counts", SAID)},
                    "last_seen": each.last_seen,
                    "not_after": each.extra[NOT_AFTER],
                }
                for each in self.workers.values()
            },
            "coordinators": len(self.client_comms),
            "refused": list(self.refused),
        }


class _Teller(SchedulerPlugin):  # type: ignore[misc] # Dask's classes are not typed
    """Says who comes and goes."""

    name = "mongosweep"

    def add_worker(self, scheduler: Any, worker: str) -> None:
        self._names[worker] = _of(scheduler, worker)
        _log.info("%s is there, at %s", self._names[worker], worker)

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # of a worker that is gone Dask has none any more

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        _log.info("%s is gone, which was at %s", self._names.pop(worker, "a worker"), worker)

    def add_client(self, scheduler: Any, client: str) -> None:
        _log.info("a coordinator is there")

    def remove_client(self, scheduler: Any, client: str) -> None:
        _log.info("a coordinator is gone")


def _of(scheduler: Any, address: str) -> str:
    found = scheduler.workers[address]
    return f"worker {found.name} of {', '.join(found.resources).replace(':', ' ')}"


def run_scheduler(
    own: Own, listen: Listen, ready: Callable[[str], None], autoscale: Autoscaled | None = None
) -> None:
    """Serve until a signal ends it. `ready` is called with the address, once, when it listens. `autoscale`:
    whose workers an autoscaler asks about, and where.

    Raises OSError where it cannot listen there.
    """

    async def serve() -> None:
        with dask_log():
            address = str(listen.address)
            host = f"[{address}]" if listen.address.version == 6 else address
            scheduler = FleetScheduler(own, host, listen.port)
            try:
                await scheduler
            except RuntimeError as error:  # Dask's, for whatever went wrong
                raise error.__cause__ or error from None
            asked = None
            try:
                if autoscale is not None:
                    asked = answer_autoscaler(scheduler, autoscale)
                ready(scheduler.address)
                await asyncio.Event().wait()
            finally:
                if asked is not None:
                    asked.stop()
                await scheduler.close(reason="told to end")

    serve_until_told(serve())
