"""One contract, every connector: what a prober is told, and that a slot is never lost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from results.verdict import Verdict
from scanner.contact import Ending, LocalFault
from scanner.network.connect.base import Deadline, Link, Timeouts
from scanner.network.connect.epoll import EpollConnector
from scanner.network.connect.portable import PortableConnector
from targets.scope import OutOfScope, Scope, Target
from tests.network.connect.peers import FAST, AnyConnector, Notes, closed_port, echo, scope
from tests.support.streams import stream_server

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=[EpollConnector, PortableConnector])
def make(request: pytest.FixtureRequest) -> Callable[..., AnyConnector]:
    """Build a connector for a prober; closed by the test."""

    def build(notes: Notes, allowed: Scope, timeouts: Timeouts = FAST, capacity: int = 8) -> AnyConnector:
        kind: type[AnyConnector] = request.param
        return kind(
            asyncio.get_running_loop(), notes, lambda target: allowed.permits(target, 0.0), timeouts, capacity
        )

    return build


async def test_bytes_go_both_ways_and_the_slot_comes_back(make: Callable[..., AnyConnector]) -> None:
    notes = Notes()
    async with stream_server(echo) as port:
        allowed = scope(port)
        connector = make(notes, allowed, capacity=1)
        with contextlib.closing(connector):
            for turn in range(3):
                connector.connect(allowed.target("127.0.0.1", port), turn)
                assert connector.free == 0
                await notes.until(lambda: connector.free == 1)
    assert notes.events == [
        event for turn in range(3) for event in [("connected", turn), ("received", turn, b"ping")]
    ]


async def test_a_refused_connect_is_a_fact_about_the_target(make: Callable[..., AnyConnector]) -> None:
    notes, port = Notes(), closed_port()
    allowed = scope(port)
    connector = make(notes, allowed, capacity=1)
    with contextlib.closing(connector):
        for turn in range(4):
            connector.connect(allowed.target(f"127.0.0.{turn + 1}", port), turn)
            await notes.until(lambda: connector.free == 1)
    assert notes.events == [("failed", turn, Verdict.REFUSED) for turn in range(4)]


async def test_a_reused_socket_goes_to_the_next_target_only(make: Callable[..., AnyConnector]) -> None:
    """Refused, answered, refused: each time the right server sees the connection, and no other."""
    seen: list[str] = []

    async def note_and_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("sockname")[0])
        await echo(reader, writer)

    notes = Notes()
    async with stream_server(note_and_echo, "127.0.0.9") as port:
        allowed = scope(port)
        connector = make(notes, allowed, capacity=1)
        with contextlib.closing(connector):
            for turn, host in enumerate(("127.0.0.8", "127.0.0.9", "127.0.0.10", "127.0.0.9")):
                connector.connect(allowed.target(host, port), turn)
                await notes.until(lambda: connector.free == 1)
    assert seen == ["127.0.0.9", "127.0.0.9"]
    assert notes.kinds() == ["failed", "connected", "received", "failed", "connected", "received"]


async def test_a_silent_server_ends_by_the_reply_deadline(make: Callable[..., AnyConnector]) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    notes = Notes()
    async with stream_server(silent) as port:
        allowed = scope(port)
        connector = make(notes, allowed)
        with contextlib.closing(connector):
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: connector.busy == 0)
    assert notes.events[-1] == ("ended", 1, Ending.TIMEOUT, Deadline.REPLY)


async def test_no_byte_extends_the_host_deadline(make: Callable[..., AnyConnector]) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    notes = Notes()
    notes.on_data = lambda link, data: link.restart_reply_clock()
    async with stream_server(drip) as port:
        allowed = scope(port)
        connector = make(notes, allowed)
        with contextlib.closing(connector):
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: connector.busy == 0)
    assert notes.events[-1] == ("ended", 1, Ending.TIMEOUT, Deadline.HOST)


@pytest.mark.parametrize(("how", "ending"), [("fin", Ending.CLOSED), ("rst", Ending.RESET)])
async def test_how_a_connection_ends_is_told(
    make: Callable[..., AnyConnector], how: str, ending: Ending
) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        if how == "rst":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    notes = Notes()
    async with stream_server(leave) as port:
        allowed = scope(port)
        connector = make(notes, allowed)
        with contextlib.closing(connector):
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: connector.busy == 0)
    assert notes.events[-1][:3] == ("ended", 1, ending)


async def test_last_bytes_and_the_end_that_comes_with_them_are_both_told(
    make: Callable[..., AnyConnector],
) -> None:
    async def last_words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(b"x" * 200_000)
        writer.close()

    notes = Notes()
    notes.on_data = lambda link, data: None
    async with stream_server(last_words) as port:
        allowed = scope(port)
        connector = make(notes, allowed)
        with contextlib.closing(connector):
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: connector.busy == 0)
    received = sum(len(event[2]) for event in notes.events if event[0] == "received")
    assert received == 200_000
    assert notes.events[-1][:3] == ("ended", 1, Ending.CLOSED)


async def test_a_large_request_to_a_slow_reader_arrives_whole(make: Callable[..., AnyConnector]) -> None:
    arrived: list[int] = []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        data = await reader.readexactly(3_000_000)
        arrived.append(len(data))
        writer.write(b"done")
        await writer.drain()
        writer.close()

    notes = Notes()
    notes.hello = b"y" * 3_000_000
    async with stream_server(slow) as port:
        allowed = scope(port)
        connector = make(notes, allowed, Timeouts(connect=1, reply=5, host=8))
        with contextlib.closing(connector):
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: connector.busy == 0)
    assert arrived == [3_000_000]
    assert ("received", 1, b"done") in notes.events


async def test_reopening_asks_the_same_target_again_and_keeps_the_talk(
    make: Callable[..., AnyConnector],
) -> None:
    connections = 0

    async def second_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 2:
            await echo(reader, writer)
        writer.close()

    notes = Notes()
    notes.on_end = lambda link, ending: link.reopen()
    async with stream_server(second_time) as port:
        allowed = scope(port)
        connector = make(notes, allowed, capacity=1)
        with contextlib.closing(connector):
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: connector.free == 1)
    assert notes.kinds() == ["connected", "ended", "connected", "received"]


async def test_a_target_outside_the_scope_is_never_connected_to(make: Callable[..., AnyConnector]) -> None:
    notes = Notes()
    async with stream_server(echo) as port:
        target = scope(port).target("127.0.0.1", port)
        connector = make(notes, scope(port, cidr="127.0.0.2"))
        with contextlib.closing(connector), pytest.raises(OutOfScope):
            connector.connect(target, 1)
        assert connector.free == 8
    assert notes.events == []


async def test_a_scope_narrowed_meanwhile_stops_a_reopening() -> None:
    doors = {"open": True}

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    def reopen(link: Link, ending: Ending) -> None:
        doors["open"] = False
        link.reopen()

    for kind in (EpollConnector, PortableConnector):
        doors["open"] = True
        notes = Notes()
        notes.on_end = reopen
        async with stream_server(leave) as port:
            allowed = scope(port)
            connector = kind(asyncio.get_running_loop(), notes, lambda _: doors["open"], FAST, 4)
            with contextlib.closing(connector):
                connector.connect(allowed.target("127.0.0.1", port), 1)
                await notes.until(lambda connector=connector: connector.busy == 0)  # type: ignore[misc]  # a lambda's default
        assert notes.events[-1] == ("fault", 1, LocalFault.FORBIDDEN)


async def test_many_targets_share_few_slots(make: Callable[..., AnyConnector]) -> None:
    notes = Notes()
    async with stream_server(echo, "127.0.0.1") as port:
        allowed = scope(port)
        connector = make(notes, allowed, capacity=4)
        with contextlib.closing(connector):
            for turn in range(60):
                host = "127.0.0.1" if turn % 3 == 0 else f"127.0.1.{turn}"
                await notes.until(lambda: connector.free > 0)
                connector.connect(allowed.target(host, port), turn)
            await notes.until(lambda: connector.busy == 0)
    assert sum(kind == "received" for kind in notes.kinds()) == 20
    assert sum(kind == "failed" for kind in notes.kinds()) == 40


async def test_a_burst_asks_the_fence_before_each_connect(make: Callable[..., AnyConnector]) -> None:
    """A fence that closes in the middle of a burst: the rest of it is refused, and no slot is lost."""
    notes = Notes()
    async with stream_server(echo, "127.0.0.1") as port:
        allowed = scope(port)
        connector = make(notes, allowed, capacity=8)
        with contextlib.closing(connector):
            for first in (0, 10):  # the second burst finds slots that were used before
                hosts = ["127.0.0.1", "127.0.2.1", "127.0.2.2", "127.0.2.3", "127.0.2.4"]
                batch = [(first + n, allowed.target(host, port)) for n, host in enumerate(hosts)]
                asked: list[Target] = []

                def fence(target: Target, asked: list[Target] = asked) -> bool:
                    asked.append(target)
                    return len(asked) <= 3 and allowed.permits(target, 0.0)

                assert connector.connect_many(batch, fence) == [first + 3, first + 4]
                assert asked == [target for _, target in batch]
                await notes.until(lambda: connector.busy == 0)
                assert connector.free == connector.capacity
    told = [event[1] for event in notes.events if event[0] in ("received", "failed")]
    assert sorted(told) == [0, 1, 2, 10, 11, 12]
    assert connector.half_open == 0
