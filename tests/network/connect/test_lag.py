"""Our own loop comes late: what is told of the network and of a host's time is theirs all the same."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from scanner.contact import LOST_AFTER
from scanner.network.connect.base import Timeouts
from scanner.network.connect.epoll import EpollConnector
from scanner.network.connect.handshake import connect_seconds
from scanner.network.connect.portable import PortableConnector
from tests.network.connect.peers import AnyConnector, Notes, closed_port, echo, scope
from tests.support.streams import stream_server

if TYPE_CHECKING:
    from scanner.network.connect.base import Link
    from targets.scope import Target

BOTH = pytest.mark.parametrize("kind", [EpollConnector, PortableConnector])


class Timing(Notes):
    """Knows how long each connect took as it was told, and how late the loop was."""

    def __init__(self) -> None:
        super().__init__()
        self.connects: list[float] = []
        self.refusals: list[float] = []
        self.lags: list[float] = []

    def connected(self, link: Link) -> None:
        self.connects.append(link.connect_seconds)
        super().connected(link)

    def refused(self, batch: list[tuple[Any, Target, float]]) -> None:
        self.refusals += [waited for _, _, waited in batch]
        super().refused(batch)

    def ticked(self, lag: float) -> None:
        self.lags.append(lag)


def build(kind: type[AnyConnector], notes: Notes, *ports: int, host: float = 2.0) -> AnyConnector:
    allowed = scope(*ports)
    loop = asyncio.get_running_loop()
    return kind(loop, notes, lambda target: allowed.permits(target, 0.0), Timeouts(5, 5, host), 64)


@BOTH
async def test_the_time_of_a_connect_is_the_networks_and_not_our_loops(kind: type[AnyConnector]) -> None:
    notes = Timing()
    async with stream_server(echo) as port:
        with contextlib.closing(build(kind, notes, port)) as connector:
            connector.connect(scope(port).target("127.0.0.1", port), 1)
            await asyncio.sleep(0)
            time.sleep(0.6)  # noqa: ASYNC251 - the loop is to be held
            await notes.until(lambda: connector.busy == 0 and bool(notes.lags))
            assert connector.late_seconds > 0.4
    assert len(notes.connects) == 1
    assert 0 <= notes.connects[0] < 0.2
    assert max(notes.lags) > 0.4


async def test_a_refusal_that_we_see_late_was_no_answer_to_a_second_syn() -> None:
    notes, port = Timing(), closed_port()
    with contextlib.closing(build(EpollConnector, notes, port)) as connector:
        connector.connect(scope(port).target("127.0.0.1", port), 1)
        time.sleep(1.0)  # noqa: ASYNC251 - the loop is to be held
        await notes.until(lambda: connector.busy == 0)
    assert notes.refusals == [0.0]


def test_an_answer_to_a_second_syn_is_told_as_one() -> None:
    """A backlog that is full drops the first SYN; there is room for the second, a second later."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        filling = stack.enter_context(socket.create_connection(address))
        sock = stack.enter_context(socket.socket())
        began = time.monotonic()
        sock.setblocking(False)
        sock.connect_ex(address)
        time.sleep(0.2)
        stack.enter_context(server.accept()[0])
        sock.settimeout(10)
        stack.enter_context(server.accept()[0])
        assert filling.getpeername() == sock.getpeername() == address
        measured = time.monotonic() - began
        assert measured > LOST_AFTER
        assert connect_seconds(sock, measured) == measured


@BOTH
async def test_a_held_link_is_not_given_the_time_twice_in_which_we_were_late(
    kind: type[AnyConnector],
) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(b"x")
        await reader.read()

    notes = Timing()
    links: list[Link] = []

    def keep(link: Link, data: bytes) -> None:
        links.append(link)
        link.patient = True
        link.hold()

    notes.on_data = keep
    async with stream_server(once) as port:
        with contextlib.closing(build(kind, notes, port, host=1.0)) as connector:
            connector.connect(scope(port).target("127.0.0.1", port), 1)
            await notes.until(lambda: "received" in notes.kinds())
            for _ in range(5):
                time.sleep(0.4)  # noqa: ASYNC251 - the loop is to be held
                await asyncio.sleep(0)
            began = time.monotonic()
            links[0].go_on()
            links[0].patient = False  # its verdict is known: from here on its time runs
            links[0].restart_reply_clock()
            await notes.until(lambda: connector.busy == 0)
            assert time.monotonic() - began < 2.0  # 1.0 by itself; 2.7 with what we were late


async def test_the_clock_is_looked_at_however_much_waits_to_be_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each event costs more than its turn has time for, so that every turn leaves some for the next. Turns
    must not pile up, or a look at the clock, and so the end of a host's time, waits for seconds of work."""
    monkeypatch.setattr("scanner.network.connect.epoll.TURN_SECONDS", 0.04)
    notes, turns = Timing(), [0]
    between: list[int] = []  # turns from one look at the clock to the next
    ends: list[float] = []  # seconds of this thread at the end of each turn

    def turned() -> None:
        turns[0] += 1
        ends.append(time.thread_time())

    def ticked(lag: float) -> None:
        between.append(turns[0])
        turns[0] = 0

    def answer(link: Link, data: bytes) -> None:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass
        link.send(data)

    notes.ticked, notes.on_data = ticked, answer  # type: ignore[method-assign]  # to look in between
    async with stream_server(echo) as port:
        allowed = scope(port)
        connector = EpollConnector(
            asyncio.get_running_loop(),
            notes,
            lambda target: allowed.permits(target, 0.0),
            Timeouts(5, 30, 30),
            64,
            turned,
        )
        with contextlib.closing(connector):
            for token in range(64):
                connector.connect(allowed.target("127.0.0.1", port), token)
            began = time.thread_time()
            await notes.until(lambda: time.thread_time() - began > 1.2)
            notes.on_data = lambda link, data: link.close()
            await notes.until(lambda: connector.busy == 0)
    assert max(between) <= 16  # 3 by itself; a busy machine takes the processor from us in between
    assert max(later - earlier for earlier, later in pairwise(ends)) < 0.3  # not 64 events
    assert {event[1] for event in notes.events if event[0] == "received"} == set(range(64))
