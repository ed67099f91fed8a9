"""A resolver on loopback that answers from a table, and counts what it was asked."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping


class Resolver(asyncio.DatagramProtocol):
    """Answers `(name, type)` with texts; a name that is not in the table does not exist; `silent` names get
    no answer."""

    def __init__(self, table: Mapping[tuple[str, str], list[str]], silent: frozenset[str]) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.address = ""
        self._table = table
        self._silent = silent
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One question, one answer."""
        question = dns.message.from_wire(data)
        (asked,) = question.question
        name, kind = asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)
        self.asked[name, kind] += 1
        if name in self._silent:
            return
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.RA
        texts = self._table.get((name, kind), [])
        if texts:
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *texts))
        elif not any(each == name for each, _ in self._table):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        assert self._transport is not None
        self._transport.sendto(reply.to_wire(), addr)


@asynccontextmanager
async def resolving(
    table: Mapping[tuple[str, str], list[str]], *, silent: frozenset[str] = frozenset()
) -> AsyncIterator[Resolver]:
    """A resolver on 127.0.0.1, at `address`."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Resolver(table, silent), local_addr=("127.0.0.1", 0)
    )
    protocol.address = "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
    try:
        yield protocol
    finally:
        transport.close()


@contextmanager
def resolving_beside(table: Mapping[tuple[str, str], list[str]]) -> Iterator[Resolver]:
    """The same in a thread of its own, for what runs a loop of its own."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    made: list[Resolver] = []

    async def serve(stop: asyncio.Event) -> None:
        async with resolving(table) as resolver:
            made.append(resolver)
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(stop)))
    thread.start()
    try:
        assert ready.wait(10)
        yield made[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
