"""systemd-journald over its own socket: one datagram an event, fields that `journalctl` filters by.

The form is that of https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: `NAME=value` lines, or a name, a length of 64
bits, little-endian, and the value, which may then hold anything; an entry that is too large for a datagram
goes as a descriptor of a sealed memory file.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from results.formats.fields import fields_of
from results.formats.severities import SCALES
from results.sinks.sink import Answer, Limits, StoppedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.events.event import Event
    from results.formats.fields import Fields, Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

MESSAGE_IDS: Final = {
    "opened": "a7e33fa71eb9432a909c276b49efc50a",
    "changed": "975372659767472f98db2ec9f9e13d7e",
    "wiped": "01d32eb80c844602a45cc2be8a01beea",
    "ransomed": "b356f4f406264601a54c61e93037e91e",
    "restored": "ab3731f1c3534223a6287c921a171cd3",
    "moved": "c6787bb0087d4d8bbbddf523d84005d9",
    "unreachable": "f922926341fa4632a134a989bb0a4f98",
    "closed": "8a6db18da8ea4e53bbda3640e5393f5f",
    "reopened": "83ff4f0401f84a6e86e4c5a6c454449c",
    "reach_changed": "6654ef58e5304cc88376399c23c1d859",
    "reminder": "d5a22c62c7ae48c780332b0072103ea5",
    "exposure": "4e93731e7ad14773a589682b1c1a01ac",
    "observation": "79d3e9e38be9412a8cc137c9ba2dc47c",
    "test": "011143f09cfd41c2b4edf728f3ed34b7",
    "started": "ea3dfb856182499b95c2fd22c3f540af",
    "resumed": "2f8211c5219949358c8b0f918ec321c7",
    "degraded": "843a953dbcf64326a6abb09e2a9b5fdc",
    "ended": "60b1f1d10b9a4d7aae063a328f0129f0",
}
"""What kind of event it is, for `journalctl MESSAGE_ID=...` and message catalogs: 128 random bits each."""

_A_SECOND = 300
"""journald drops, and says only how many, what is over 10,000 entries of a service in 30 s
(journald.conf: RateLimitBurst, RateLimitIntervalSec)."""
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_SEALS = ("F_SEAL_SEAL", "F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE")


class JournaldOptions(Struct, frozen=True, kw_only=True):
    """`socket` is the path of journald's datagram socket; a namespace of it has its own."""

    socket: str = "/run/systemd/journal/socket"
    timeout: float = 30.0


class JournaldSink:
    """The journal of this machine."""

    kind = "journald"

    def __init__(self, name: str, options: JournaldOptions, format: Format, sender: Sender) -> None:  # noqa: A002
        self.name = name
        self.place = options.socket
        self.limits = Limits(events=100)
        self._options, self._format, self._sender = options, format, sender
        self._socket: socket.socket | None = None

    def render(self, event: Event, line: bytes) -> bytes | None:
        """One entry; the whole event in the format of this sink is its MONGOSWEEP_EVENT."""
        document = line if self._format.name == "native" else self._format.document(event, self._sender)
        if document is None:
            return None
        return b"".join(
            _field(name, value) for name, value in _entry(fields_of(event, self._sender), document)
        )

    async def send(self, items: Sequence[Item]) -> Answer:
        """Hand them to journald. Its socket keeps what it has not read, also while journald is started
        again; that it was written to the disk, it tells nobody."""
        taken = 0
        try:
            async with asyncio.timeout(self._options.timeout):
                for item in items:
                    await self._hand_over(item.body)
                    taken += 1
        except OSError as error:
            self._let_go()
            reason = f"{self.place}: {_why(error)}"
            if isinstance(error, PermissionError):
                raise StoppedError(f"{reason}; run where its socket may be written to") from error
            if not taken:
                raise UnavailableError(reason) from error
            return Answer(reason, again=frozenset(range(taken, len(items))))
        await asyncio.sleep(taken / _A_SECOND)
        return Answer(f"{taken} entries")

    async def close(self) -> None:
        """Close the socket."""
        self._let_go()

    async def _hand_over(self, entry: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect(self._options.socket)
        try:
            # Waits while journald's queue is full.
            await asyncio.get_running_loop().sock_sendall(self._socket, entry)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            await self._hand_over_file(self._socket, entry)

    async def _hand_over_file(self, to: socket.socket, entry: bytes) -> None:
        descriptor = _sealed(entry)
        try:
            rights = array.array("i", [descriptor])
            while True:
                try:
                    to.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                except BlockingIOError:
                    await asyncio.sleep(0.05)
                else:
                    return
        finally:
            os.close(descriptor)

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _entry(fields: Fields, document: bytes) -> Iterator[tuple[str, str | bytes]]:
    """Names and values. Only constant names: what a server said is never a name here."""
    yield "MESSAGE", fields.message
    yield "PRIORITY", str(SCALES[fields.severity].syslog)
    yield "SYSLOG_IDENTIFIER", "mongosweep"
    yield "MESSAGE_ID", MESSAGE_IDS[fields.kind]
    facts: dict[str, object] = {
        "ID": fields.id,
        "KIND": fields.kind,
        "TIME": fields.at,
        "SEVERITY": fields.severity.value,
        "SCORE": fields.score,
        "STATE": fields.state,
        "RUN": fields.run_id,
        "EXPOSURE": fields.exposure_id,
        "FINDING": fields.finding_id,
        "ORGANISATION": fields.organisation,
        "IP": fields.ip,
        "PORT": fields.port,
        "SITE": fields.site,
        "HOSTNAME": fields.hostnames,
        "OWNER": fields.owner,
        "CONTACT": fields.contact,
        "VERDICT": fields.verdict,
        "REASON": fields.reasons,
        "VERSION": fields.server_version,
        "DATABASE_COUNT": fields.database_count,
        "BYTES": fields.size,
        "DATABASE": fields.databases,
        "FIRST_SEEN": fields.first_seen,
        "LAST_SEEN": fields.last_seen,
    }
    for name, value in facts.items():
        for each in value if isinstance(value, list) else [value]:
            if each not in ("", None):
                yield f"MONGOSWEEP_{name}", str(each)
    yield "MONGOSWEEP_EVENT", document


def _field(name: str, value: str | bytes) -> bytes:
    """One field. A value that holds a line break could pass for further ones: its length stands in front."""
    data = value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace")
    if b"\n" in data:
        return b"%b\n%b%b\n" % (name.encode(), struct.pack("<Q", len(data)), data)
    return b"%b=%b\n" % (name.encode(), data)


def _sealed(data: bytes) -> int:
    """A memory file that nobody can change any more, as journald wants it; a descriptor."""
    descriptor = os.memfd_create("mongosweep", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, sum(getattr(fcntl, seal) for seal in _SEALS))
        undo.pop_all()
    return descriptor


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such socket: systemd-journald does not run here"
    if isinstance(error, TimeoutError):
        return "journald reads nothing"
    return (error.strerror or str(error)).lower()
