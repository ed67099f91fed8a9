"""How Dask is set up in every process of a fleet: our settings alone, over TLS that knows roles.

Nothing of Dask is imported before it is needed: the command line checks addresses here.
"""

from __future__ import annotations

import re
import ssl
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from results.text import visible
from scanner.errors import RefusedError
from scanner.fleet.authority import identity_of

if TYPE_CHECKING:
    from distributed import Security

    from scanner.fleet.authority import Identity, Own, Role

PORT = 8786  # as Dask's own scheduler has it
WORKER_TTL = 60  # seconds without a heartbeat after which a worker is given up
DEATHS = 2  # of a task's workers that are borne; the next one ends the task (`KilledWorker`)
MEMORY = "1GiB"  # of a worker's own process; a shard has a process of its own
MEETS: dict[Role, frozenset[Role]] = {
    "coordinator": frozenset({"scheduler"}),
    "scheduler": frozenset({"coordinator", "worker"}),
    "worker": frozenset({"scheduler"}),
}
"""Who holds a connection with whom. All goes through the scheduler: two workers never meet, and a
coordinator never reaches a worker."""

_EXAMPLE = f"tls://scheduler.example.com:{PORT}"
_ADDRESS = re.compile(r"tls://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*):(?P<port>\d{1,5})")


def address_of(text: str) -> str:
    """`tls://HOST:PORT` as it was written; anything else is refused. Raises RefusedError."""
    shown = visible(text, 100)
    scheme, separator, rest = text.partition("://")
    if separator and scheme != "tls":
        raise RefusedError(
            f"{shown}: only tls:// is taken, since whoever reaches a scheduler without a certificate could "
            f"have all workers work for him; write tls://{visible(rest, 80)}"
        )
    found = _ADDRESS.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise RefusedError(f"{shown or 'nothing'} is no address; write tls://HOST:PORT, as in {_EXAMPLE}")
    return text


def configure(role: Role) -> None:
    """Make a process one of a fleet: only our settings count, and only what its role needs is unpickled.

    To be called before anything else of `distributed` is imported, which reads some settings only then. Files
    and variables for Dask count for nothing. Raises RefusedError where Dask is not installed.
    """
    if find_spec("distributed") is None:
        raise RefusedError("a fleet needs Dask; install it: pip install 'mongosweep[fleet]'")
    import dask

    dask.config.refresh(paths=[], env={})
    dask.config.set(SETTINGS)
    from scanner.fleet.dask import unpickling

    unpickling.install(role)
    if role == "coordinator":
        from distributed import Client

        Client._default_event_handlers.clear()  # else it prints and warns whatever a scheduler has it say


# What each key means is in `distributed/distributed.yaml`.
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": DEATHS,
    "distributed.scheduler.worker-ttl": f"{WORKER_TTL}s",
    "distributed.scheduler.no-workers-timeout": "10m",
    "distributed.scheduler.work-stealing": False,  # a task may run at its own site only
    "distributed.scheduler.active-memory-manager.start": False,  # no result is ever in two places
    "distributed.scheduler.allowed-imports": [],
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.preload": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.preload": [],
    "distributed.worker.profile.enabled": False,  # samples every 10 ms
    "distributed.worker.memory.target": False,  # nothing is written to the disk: results are small
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": 0.85,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.client.preload": [],
    "distributed.comm.default-scheme": "tls",
    "distributed.comm.require-encryption": True,
    "distributed.comm.tls.min-version": 1.3,
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.comm.retry.count": 3,
    "distributed.admin.tick.limit": "10s",
    "distributed.admin.low-level-log-length": 16,  # also of events a topic, which carry lines of the journal
    "distributed.admin.log-length": 1000,
    "distributed.admin.pdb-on-err": False,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.diagnostics.nvml": False,
}


def security(own: Own) -> Security:
    """TLS of a process: its certificate, and handshakes only with those whom its role meets.

    Dask verifies certificates against the authority, both ways, and compares no names
    (`distributed/security.py`); the rest is done here, so that it holds for every connection there is.
    """
    from distributed import Security

    class FleetSecurity(Security):  # type: ignore[misc] # Security is not typed
        """Dask's, with connections that look at the role of the other end."""

        def get_connection_args(self, role: str) -> dict[str, Any]:
            return _with_roles(super().get_connection_args(role), own.identity)

        def get_listen_args(self, role: str) -> dict[str, Any]:
            return _with_roles(super().get_listen_args(role), own.identity)

    dask_role = "client" if own.identity.role == "coordinator" else own.identity.role
    return FleetSecurity(
        require_encryption=True,
        tls_ca_file=str(own.ca),
        **{f"tls_{dask_role}_cert": str(own.certificate), f"tls_{dask_role}_key": str(own.key)},
    )


def _with_roles(arguments: dict[str, Any], identity: Identity) -> dict[str, Any]:
    context = arguments["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    context.sslsocket_class = type("Socket", (_MeetingSocket,), {"meets": MEETS[identity.role]})
    return arguments


class _MeetingSocket(ssl.SSLSocket):
    """A TLS socket that ends a handshake with a role that has no business here.

    `SSLContext.sslsocket_class` is the documented place for it; a ValueError or SSLError in a handshake is a
    failed handshake to all who use the socket.
    """

    meets: ClassVar[frozenset[Role]] = frozenset()

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        found = identity_of(dict(self.getpeercert() or {}))
        if found is None or found.role not in self.meets:
            who = str(found) if found else "a certificate that names no role"
            wanted = " or ".join(sorted(self.meets))
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, f"the other end is {who}, and only a {wanted} is met here")
