"""What is done to all links at once, and to one whose own code fails: the same for every connector."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from scanner.contact import Ending, LocalFault
from scanner.network.connect.base import Timeouts
from scanner.network.connect.epoll import EpollConnector
from scanner.network.connect.portable import PortableConnector
from tests.network.connect.peers import AnyConnector, Notes, echo, scope, serving

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
    async with serving(echo) as port:
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
    async with serving(silent) as mute, serving(late) as port:
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
    async with serving(silent) as port:
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
    async with serving(silent) as port:
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
