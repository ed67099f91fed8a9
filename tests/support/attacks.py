"""What an attacker with a good certificate of a fleet would send: each makes a file where it is run."""

from __future__ import annotations

import asyncio
import os
import pickle
from typing import TYPE_CHECKING, Any

import cloudpickle
from distributed import SchedulerPlugin, WorkerPlugin
from distributed.comm.core import connect
from distributed.core import send_recv
from distributed.protocol import Serialized
from distributed.protocol.serialize import ToPickle

from scanner.fleet.dask.settings import security

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

    from scanner.fleet.authority import Own

PATIENCE = 30.0  # seconds; only what hangs takes so long


class Runs:
    """Pickles as a command of the shell."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.made}",)

    def __dask_tokenize__(self) -> str:
        return "runs"  # else Dask loads it right here


class Plugin(WorkerPlugin, SchedulerPlugin):  # type: ignore[misc] # Dask's classes are not typed
    """Makes its file wherever it is set up."""

    name = "makes"

    def __init__(self, made: Path) -> None:
        self.made = made

    def setup(self, worker: Any) -> None:
        self.made.touch()

    async def start(self, scheduler: Any) -> None:
        self.made.touch()


async def asked(where: str, own: Own, role: str, /, **message: Any) -> Any:
    """What comes back for one message of Dask's, over a connection of its own."""
    comm = await connect(where, timeout=PATIENCE, **security(own).get_connection_args(role))
    try:
        return await asyncio.wait_for(send_recv(comm, **message), PATIENCE)
    finally:
        comm.abort()


def of_value(made: Path) -> Any:
    """A function that travels by value."""
    return cloudpickle.loads(cloudpickle.dumps(lambda *_, **__: made.touch()))


async def graph(client: Client, expression: object, **more: Any) -> None:
    """A graph as a client sends it, of whatever; then an answer of the scheduler, so that it was read."""
    data = expression if isinstance(expression, bytes) else cloudpickle.dumps(expression)
    header = {"serializer": "pickle", "writeable": ()}
    message = {
        "op": "update-graph",
        "keys": {"k"},
        "internal_priority": None,
        "submitting_task": None,
        "fifo_timeout": 0,
        "actors": None,
        "code": ToPickle(()),
        "annotations": ToPickle({}),
        "span_metadata": ToPickle({}),
        "expr_ser": Serialized(header, [data]),
    }
    client._send_to_scheduler({**message, **more})
    await asyncio.sleep(0.3)


def typed(made: Path, family: str) -> Serialized:
    """Something of one of Dask's families, whose header says its type by a pickle."""
    header = {
        "serializer": family,
        "type-serialized": pickle.dumps(Runs(made)),
        "sub-header": {},
        "type": "builtins.bytes",
        "compression": (None,),
    }
    return Serialized(header, [b""])


class SchedulerOnly(SchedulerPlugin):  # type: ignore[misc] # as above
    """The same for the scheduler."""

    name = "makes"

    def __init__(self, made: Path) -> None:
        self.made = made

    async def start(self, scheduler: Any) -> None:
        self.made.touch()


def script(made: Path) -> Path:
    """A module that makes the file when it is imported."""
    file = made.with_name("a_script.py")
    file.write_text(f"open({str(made)!r}, 'w').close()\n")
    return file
