"""Syslog: over TLS (RFC 5425), TCP with octet counting (RFC 6587, section 3.4.1), and UDP (RFC 5426).

Over TLS and TCP each sending has a connection of its own, because that the receiver closes it is the only
acknowledgement that syslog has: what was sent has then been read by the receiver's process. One that is busy
and does not read is waited for over as many sendings as it takes, so that nothing is doubled. UDP has none
at all: it loses, and tells nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from results.formats.rfc5424 import Syslog, message
from results.sinks.sink import Answer, Limits, StoppedError, UnavailableError
from results.sinks.stream import Receiver, Sending, words
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.events.event import Event
    from results.formats.fields import Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

_LONGEST_WAIT = 600.0
"""Seconds after which a receiver that has not read all of a sending is given up, and sent all of it again."""
_STREAM = Limits(events=1000, bytes=1 << 20)
_DATAGRAMS = Limits(events=50)
_PAUSE = 0.05
"""Seconds after the last datagram of a sending: a port where nobody listens is told by then, and a receiver's
buffer (on Linux 208 KiB, net.core.rmem_default) is read."""


class SyslogOptions(Struct, frozen=True, kw_only=True):
    """`transport` is "tls", "tcp" or "udp". `ca_file` "" are the system's authorities; `certificate` and
    `key` are ours, where the receiver asks for one; `server_name` "" is the host. The rest is about messages:
    see `results.formats.rfc5424.Syslog`. `timeout` in seconds: for connecting, and for one look at whether
    the receiver has read what was sent."""

    host: str
    port: int
    transport: str = "tls"
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""
    facility: int = 13
    sd_id: str = "mongosweep@32473"
    bom: bool = True
    max_bytes: int = 8192
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in (self.host, self.server_name):
            try:
                name.encode("idna")  # as whoever looks it up does
            except UnicodeError:
                raise ValueError(
                    f"{visible(name, 100)} is no name of a server; write one such as syslog.example.com"
                ) from None


class _UnderWay(NamedTuple):
    ids: frozenset[str]
    sending: Sending
    task: asyncio.Task[None]
    since: float

    @property
    def has_failed(self) -> bool:
        """Whether it is over, and its events were not read."""
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class SyslogSink:
    """One receiver. `format` rfc5424 puts facts into structured data; any other is the text of a message."""

    kind = "syslog"

    def __init__(self, name: str, options: SyslogOptions, format: Format, sender: Sender) -> None:  # noqa: A002
        self.name = name
        self._options, self._sender = options, sender
        self._carried = None if format.name == "rfc5424" else format
        self._how = Syslog(
            facility=options.facility, sd_id=options.sd_id, bom=options.bom, max_bytes=options.max_bytes
        )
        self._receiver = Receiver(
            host=options.host,
            port=options.port,
            tls=options.transport == "tls",
            ca_file=options.ca_file,
            certificate=options.certificate,
            key=options.key,
            server_name=options.server_name,
            timeout=options.timeout,
        )
        self.place = f"{options.transport}://{self._receiver.place}"
        shape = _DATAGRAMS if options.transport == "udp" else _STREAM
        self.limits = shape._replace(event_bytes=options.max_bytes)
        self._under_way: _UnderWay | None = None
        self._read: set[str] = set()
        """Ids of events that have been read, which nobody has been told yet."""
        self._datagrams: socket.socket | None = None

    def render(self, event: Event, line: bytes) -> bytes | None:
        """One message, without framing."""
        return message(event, self._sender, self._how, self._carried)

    async def send(self, items: Sequence[Item]) -> Answer:
        """Send them. Over TLS and TCP the receiver has read what the answer says was taken."""
        if self._options.transport == "udp":
            return await self._send_datagrams(items)
        return await self._send_stream(items)

    async def close(self) -> None:
        """Give up what is under way: it is sent again."""
        await self._give_up()
        self._close_datagrams()

    async def _send_stream(self, items: Sequence[Item]) -> Answer:
        await self._settle_earlier()
        read = frozenset(at for at, item in enumerate(items) if item.event_id in self._read)
        again = frozenset(range(len(items))) - read if read else frozenset()
        if not read:
            sending = Sending(self._receiver)
            data = b"".join(b"%d %b" % (len(item.body), item.body) for item in items)
            task = asyncio.create_task(sending.run(data))
            ids = frozenset(item.event_id for item in items)
            self._under_way = _UnderWay(ids, sending, task, time.monotonic())
            await self._settle(self._under_way)
        self._read.difference_update(item.event_id for item in items)
        return Answer("read", again=again)

    async def _settle_earlier(self) -> None:
        """What was sent before and waited for in vain: nothing overtakes it until it was read or is lost."""
        earlier = self._under_way
        if earlier is not None and earlier.has_failed:
            await self._give_up()
        elif earlier is not None:
            await self._settle(earlier)

    async def _settle(self, under_way: _UnderWay) -> None:
        await asyncio.wait({under_way.task}, timeout=self._options.timeout)
        if not under_way.task.done():
            waited = time.monotonic() - under_way.since
            if waited > _LONGEST_WAIT:
                await self._give_up()
            why = f"{self.place}: after {waited:.0f} s still {under_way.sending.phase}"
            raise UnavailableError(why, busy=True)
        self._under_way = None
        await under_way.task  # raises what became of it
        self._read |= under_way.ids

    async def _give_up(self) -> None:
        if self._under_way is not None:
            task = self._under_way.task
            self._under_way = None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, UnavailableError, StoppedError):
                await task

    async def _send_datagrams(self, items: Sequence[Item]) -> Answer:
        loop = asyncio.get_running_loop()
        refused = {}
        try:
            connection = await self._connected()
            for position, item in enumerate(items):
                try:
                    await loop.sock_sendall(connection, item.body)
                except OSError as error:
                    if error.errno != errno.EMSGSIZE:
                        raise
                    refused[position] = f"{len(item.body):,} bytes are more than a datagram takes"
            await asyncio.sleep(_PAUSE)
            if number := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(number, os.strerror(number))
        except OSError as error:
            self._close_datagrams()
            raise UnavailableError(f"{self.place}: {words(error)}") from error
        return Answer("sent; over UDP nobody says whether it arrived", refused=refused)

    async def _connected(self) -> socket.socket:
        if self._datagrams is None:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(self._options.host, self._options.port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            self._datagrams = socket.socket(family, kind, protocol)
            self._datagrams.setblocking(False)
            self._datagrams.connect(address)
        return self._datagrams

    def _close_datagrams(self) -> None:
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
