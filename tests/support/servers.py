"""Servers inside tests: a simulated personality, or a recording played back, on a loopback address."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab.estate import find
from scanner.lab.personality import Personality
from scanner.lab.server import LabServer
from tests.support.replay import Replay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from scanner.lab.channel import ServerConnection


@contextlib.asynccontextmanager
async def serve(
    personality: Personality | str, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[LabServer]:
    """A running server for a personality or its name; `port` 0: see the server's `port`.

    When the context ends, a fault of the lab itself fails the test.
    """
    wanted = find(personality) if isinstance(personality, str) else personality
    async with LabServer(wanted, host, port) as server:
        yield server
    assert server.record.failures == []


async def play(channel: ServerConnection, replay: Replay) -> None:
    """One connection of a recorded server, to its end."""
    first = replay.connect()
    if first.reply:
        await channel.send(first.reply)
    if first.closed:
        await channel.hang_up()
        return
    while received := await channel.recv():
        answer = replay.answer(received)
        if answer.reply:
            await channel.send(answer.reply)
        if answer.closed:
            await channel.hang_up()
            return


def playing(replay: Replay) -> Personality:
    """A personality that answers from a recording; its verdict is for the test to know."""

    async def talk(channel: ServerConnection) -> None:
        await play(channel, replay)

    return Personality(
        name=f"{replay.version}/{replay.scenario}/{replay.node}",
        description="a recording, played back",
        verdict=Verdict.UNKNOWN,
        talk=talk,
    )


@contextlib.asynccontextmanager
async def replay_server(
    scenario: str, version: str, node: str = "", host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[tuple[LabServer, Replay]]:
    """A server that plays one node of a recorded scenario, and the replay for what it was asked.

    One conversation at a time: the replay remembers half a request between reads.
    """
    replay = Replay(version, scenario, node)
    async with serve(playing(replay), host, port) as server:
        yield server, replay


@contextlib.contextmanager
def mute(*places: tuple[str, int]) -> Iterator[None]:
    """Listeners that nobody reads: the kernel completes every handshake."""
    with contextlib.ExitStack() as stack:
        for place in places:
            sock = stack.enter_context(socket.socket())
            sock.bind(place)
            sock.listen(4096)
        yield


@contextlib.contextmanager
def jammed(ip: str, port: int) -> Iterator[None]:
    """A listener whose queue is full: the kernel drops every further SYN."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((ip, port))
        listener.listen(0)
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((ip, port))
        yield
