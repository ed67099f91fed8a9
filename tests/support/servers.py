"""Servers inside tests: a simulated personality, or a recording played back, on a loopback address."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab.estate import find
from scanner.lab.personality import Personality
from scanner.lab.server import LabServer
from tests.support.replay import Replay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
