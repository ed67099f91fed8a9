"""What is done to all links at once, and to one whose own code fails: the same for every connector."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from scanner.contact import Ending, LocalFault
from scanner.network.connect.base import Deadline, Timeouts
from scanner.network.connect.epoll import EpollConnector
from scanner.network.connect.portable import PortableConnector
from tests.network.connect.peers import AnyConnector, Notes, echo, scope
from tests.support.streams import stream_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.network.connect.base import Link
    from targets.scope import Target

Make = type[AnyConnector]


@pytest.fixture(params=[EpollConnector, PortableConnector])
def kind(request: pytest.FixtureRequest) -> Make:
    """Each connector."""
    made: Make = request.param
    return made


def build(
    kind: Make, notes: Notes, permits: Callable[[Target], bool], timeouts: Timeouts, capacity: int = 8
) -> AnyConnector:
    return kind(asyncio.get_running_loop(), notes, permits, timeouts, capacity)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.fault("F77", "the prober raises on one of three links")
async def test_a_link_whose_code_fails_ends_alone(kind: Make) -> None:
    notes = Notes()

    def fail(link: Link, data: bytes) -> None:
        if link.token == 1:
            raise RuntimeError("a bug")
        link.close()

    notes.on_data = fail
    async with stream_server(echo) as port:
        allowed = scope(port)
        with contextlib.closing(
            build(kind, notes, lambda target: allowed.permits(target, 0.0), Timeouts(1, 1, 2))
        ) as connector:
            for token in range(3):
                connector.connect(allowed.target("127.0.0.1", port), token)
            await notes.until(lambda: connector.busy == 0)
            assert connector.free == 8
    assert [event for event in notes.events if event[0] == "broke"] == [("broke", 1, RuntimeError)]
    assert {event[1] for event in notes.events if event[0] == "received"} == {0, 1, 2}


@pytest.mark.fault("F76", "the loop is held for 1.5 s with a reply deadline of 0.5 s")
async def test_a_loop_that_was_held_is_no_deadline(kind: Make) -> None:
    """The reply comes 0.2 s after the question; the loop looks again long after the deadline."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        await asyncio.sleep(0.2)
        await echo(reader, writer)

    notes = Notes()
    async with stream_server(silent) as mute, stream_server(late) as port:
        allowed = scope(port, mute)
        with contextlib.closing(
            build(kind, notes, lambda target: allowed.permits(target, 0.0), Timeouts(1, 0.5, 9))
        ) as connector:
            connector.connect(allowed.target("127.0.0.1", mute), 7)
            await notes.until(lambda: "connected" in notes.kinds())
            await asyncio.sleep(0.1)
            time.sleep(1.5)  # noqa: ASYNC251 - the loop is to be held
            await asyncio.sleep(0.2)
            assert "ended" not in notes.kinds()
            await notes.until(lambda: connector.busy == 0)
            assert connector.suspensions == 1
    assert ("ended", 7, Ending.TIMEOUT) in [event[:3] for event in notes.events]


async def test_time_that_stood_still_moves_every_deadline(kind: Make) -> None:
    notes = Notes()
    async with stream_server(silent) as port:
        allowed = scope(port)
        with contextlib.closing(
            build(kind, notes, lambda target: allowed.permits(target, 0.0), Timeouts(1, 0.3, 0.4))
        ) as connector:
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: "connected" in notes.kinds())
            connector.extend(0.8)
            await asyncio.sleep(0.6)
            assert connector.busy == 1
            await notes.until(lambda: connector.busy == 0)


@pytest.mark.fault("F40", "the scope is narrowed while a conversation is under way")
async def test_what_is_under_way_with_a_denied_target_is_broken_off(kind: Make) -> None:
    denied: list[str] = []
    notes = Notes()
    async with stream_server(silent) as port:
        allowed = scope(port)

        def permits(target: Target) -> bool:
            return str(target).partition(":")[0] not in denied and allowed.permits(target, 0.0)

        with contextlib.closing(build(kind, notes, permits, Timeouts(1, 1, 2))) as connector:
            for number in (1, 2):
                connector.connect(allowed.target("127.0.0.1", port), number)
            connector.drop_forbidden()
            await notes.until(lambda: notes.kinds().count("connected") == 2)
            assert "fault" not in notes.kinds()
            denied.append("127.0.0.1")
            connector.drop_forbidden()
            await asyncio.sleep(0)
            assert connector.busy == 0
    faults = [event for event in notes.events if event[0] == "fault"]
    assert sorted(faults) == [("fault", number, LocalFault.FORBIDDEN) for number in (1, 2)]


async def test_a_held_link_hears_nothing_and_its_time_stands_still(kind: Make) -> None:
    """More comes than the kernel keeps, then the end; none of it is told before the link goes on."""
    size = 4_000_000

    async def generous(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(b"x")
        await asyncio.sleep(0.05)
        writer.write(bytes(size))
        await writer.drain()
        writer.close()

    notes = Notes()
    links: list[Link] = []

    def hold_first(link: Link, data: bytes) -> None:
        if not links:
            links.append(link)
            link.patient = True
            link.hold()
        link.restart_reply_clock()

    notes.on_data = hold_first
    async with stream_server(generous) as port:
        allowed = scope(port)
        with contextlib.closing(
            build(kind, notes, lambda target: allowed.permits(target, 0.0), Timeouts(1, 1.0, 1.2))
        ) as connector:
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: "received" in notes.kinds())
            await asyncio.sleep(1.6)  # longer than both deadlines
            assert notes.kinds() == ["connected", "received"]
            assert connector.busy == 1
            links[0].go_on()
            await notes.until(lambda: connector.busy == 0)
    received = [event[2] for event in notes.events if event[0] == "received"]
    assert sum(map(len, received)) == 1 + size
    assert notes.events[-1][:3] == ("ended", 1, Ending.CLOSED)


@pytest.mark.parametrize("patient", [True, False])
async def test_a_held_link_keeps_its_hosts_time_if_it_is_patient(kind: Make, patient: bool) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(b"x")
        await reader.read()

    notes = Notes()
    links: list[Link] = []

    def keep(link: Link, data: bytes) -> None:
        links.append(link)
        link.patient = patient
        link.hold()

    notes.on_data = keep
    async with stream_server(once) as port:
        allowed = scope(port)
        with contextlib.closing(
            build(kind, notes, lambda target: allowed.permits(target, 0.0), Timeouts(1, 9, 0.4))
        ) as connector:
            loop = asyncio.get_running_loop()
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: "received" in notes.kinds())
            await asyncio.sleep(0.6)
            if not patient:
                assert connector.busy == 0
                return
            connector.extend(0.1)  # time that stood still is not counted twice
            began = loop.time()
            links[0].go_on()
            await notes.until(lambda: connector.busy == 0)
            assert 0.2 < loop.time() - began < 0.4 + 2.0
    assert notes.events[-1] == ("ended", 1, Ending.TIMEOUT, Deadline.HOST)


async def test_a_held_link_can_be_broken_off(kind: Make) -> None:
    notes = Notes()
    notes.on_data = lambda link, data: link.hold()
    denied: list[int] = []
    async with stream_server(echo) as port:
        allowed = scope(port)
        with contextlib.closing(
            build(kind, notes, lambda target: not denied and allowed.permits(target, 0.0), Timeouts(1, 1, 2))
        ) as connector:
            connector.connect(allowed.target("127.0.0.1", port), 1)
            await notes.until(lambda: "received" in notes.kinds())
            denied.append(1)
            connector.drop_forbidden()
            await asyncio.sleep(0)
            assert connector.busy == 0
            denied.clear()
            notes.on_data = lambda link, data: link.close()
            connector.connect(allowed.target("127.0.0.1", port), 2)  # in the same slot, which is held no more
            await notes.until(lambda: connector.busy == 0)
    assert ("received", 2, b"ping") in notes.events


async def test_work_of_our_own_moves_no_hosts_deadline(kind: Make) -> None:
    """Forty dripping servers, each byte of which costs us 30 ms: the loop is held for more than a second at a
    time, and no host gets more than its two seconds for that."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    notes = Notes()

    def work(link: Link, data: bytes) -> None:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass
        link.restart_reply_clock()

    notes.on_data = work
    async with stream_server(drip) as port:
        allowed = scope(port)
        with contextlib.closing(
            build(kind, notes, lambda target: allowed.permits(target, 0.0), Timeouts(1, 5, 2.0), 40)
        ) as connector:
            for token in range(40):
                connector.connect(allowed.target("127.0.0.1", port), token)
            await notes.until(lambda: connector.busy == 0)
    assert {event[3] for event in notes.events if event[0] == "ended"} == {Deadline.HOST}


async def test_hosts_whose_time_is_over_are_reset_before_one_is_told(kind: Make) -> None:
    """What is done for each at its end takes longer than all of them may be late."""
    notes, cut = Notes(), []

    def write_down(link: Link, ending: Ending) -> None:
        cut.append(link.cut_at - link.connected_at)
        time.sleep(0.1)

    notes.on_end = write_down
    async with stream_server(silent) as port:
        allowed = scope(port)
        with contextlib.closing(
            build(kind, notes, lambda target: allowed.permits(target, 0.0), Timeouts(1, 5, 0.5), 20)
        ) as connector:
            for token in range(20):
                connector.connect(allowed.target("127.0.0.1", port), token)
            await notes.until(lambda: connector.busy == 0)
    assert len(cut) == 20
    assert max(cut) - min(cut) < 1.0  # not two seconds
