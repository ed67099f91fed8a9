"""What a sweep's main process and its workers say to each other, beside the sockets that are handed on.

The job and a narrowed scope hold a pickled `Scope`: they go from the parent to its own child, and nothing
that comes back is ever unpickled.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from targets.scope import Scope


class Job(Struct, frozen=True, kw_only=True):
    """What a worker needs once. `settings` is JSON, `began` makes its copy of the guard as strict as ours."""

    parent: int
    loop: str
    depth: str
    confirm: bool
    settings: bytes
    run_id: str
    vantage: str
    scopes: bytes  # see `pack`: the run's scope, and what of it may be asked now
    began: tuple[float, float]
    memory: int  # bytes that its conversations may hold together
    tables: dict[str, dict[str, Any]] = {}  # dated ones in place of those that are built in, as in the parent


class Handed(Struct, frozen=True, array_like=True):
    """One open connection; its socket comes with the frame. Times are monotonic seconds: when the connect
    began, how long it took, when the host's time is over, and when it was let go. Either `data` came as its
    first answer, or it ended without one (`ending`)."""

    ip: str
    port: int
    token: int
    opened_at: float
    connect_seconds: float
    host_deadline: float
    since: float
    data: bytes
    ending: str = ""


class Batch(Struct, frozen=True, array_like=True, tag="batch"):
    """Connections to go on with, under these timeouts."""

    connect: float
    reply: float
    host: float
    handed: list[Handed]


class Narrow(Struct, frozen=True, array_like=True, tag="narrow"):
    """What may be asked from now on; told again as `Report.narrowed` when that is so."""

    number: int
    scope: bytes


class Extend(Struct, frozen=True, array_like=True, tag="extend"):
    """See `Connector.extend`."""

    seconds: float


class AskAgain(Struct, frozen=True, array_like=True, tag="ask_again"):
    """See `Connector.ask_again`."""

    detail: str
    talking: bool


class Until(Struct, frozen=True, array_like=True, tag="until"):
    """The sweep is wanted up to this boot time, in seconds: see `scanner.network.guard.Wanted`. Told before
    anything is handed on. One that is read late says no more than it did when it was written."""

    boot: float


Command = Batch | Narrow | Extend | AskAgain | Until


class Done(Struct, array_like=True):
    """What became of one target: a fault of this machine, a bug of ours, or what is to be written."""

    token: int
    fault: str = ""
    detail: str = ""
    bug: str = ""
    fell_silent: bool = False
    weight: int = 0
    verdict: str = ""
    said: str = ""
    late: bool = False
    spoken: tuple[bool, bool] = (False, False)
    lines: list[bytes] = []


class Report(Struct, array_like=True):
    """What a worker says after each of its turns that brought something, and every `BEAT` seconds anyway."""

    half_open: int
    full: bool  # too much memory is held
    suspensions: int
    narrowed: int
    done: list[Done]


BEAT = 0.25  # seconds between two reports at most


encode = msgspec.msgpack.Encoder().encode
decode_job = msgspec.msgpack.Decoder(Job).decode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_report = msgspec.msgpack.Decoder(Report).decode


def pack(*scopes: Scope) -> bytes:
    """Scopes for a child of ours."""
    return pickle.dumps(scopes, protocol=pickle.HIGHEST_PROTOCOL)


def unpack(data: bytes) -> tuple[Scope, ...]:
    """What our own parent packed."""
    found: tuple[Scope, ...] = pickle.loads(data)  # noqa: S301 - from the process that started this one
    return found
