"""Connections that misbehave: resets, half messages, floods, drips, silence, no reading at all."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab import data, wire
from scanner.lab.hostile.base import (
    LIST,
    NEVER_OPEN,
    PLAIN_LIST,
    base_profile,
    hostile,
    sends,
    striking,
)
from scanner.lab.mongod import Mongod, Session
from scanner.lab.others import silent
from scanner.lab.profile import Access, Profile, utc_now
from scanner.lab.versions import V7_0

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.lab.channel import ServerConnection
    from scanner.lab.personality import Personality
    from scanner.lab.wire import ClientMessage

CUTS = (0, 1, 15, 16, 17, 40)
SEED = 27017


def personalities() -> list[Personality]:
    """All cases of this file."""
    return [*_cut(), *_floods(), *_slow(), *_first(), *_mixed()]


def _part(request: ClientMessage, count: int) -> bytes:
    return wire.answer(request, PLAIN_LIST)[:count]


def _ending(count: int, *, reset: bool) -> Callable[[ServerConnection, ClientMessage], Awaitable[bool]]:
    async def blow(channel: ServerConnection, request: ClientMessage) -> bool:
        if count:
            await channel.send(_part(request, count))
            await asyncio.sleep(0.01)  # so that a reset does not overtake what was sent
        if reset:
            channel.reset()
        return False

    return blow


def _cut() -> list[Personality]:
    made = []
    for count in CUTS:
        blow = _ending(count, reset=False)
        made.append(
            hostile(f"fin_at_{count}", f"closes after {count} bytes of the list", striking(blow, LIST))
        )
    for count in (0, 17, 40):
        blow = _ending(count, reset=True)
        made.append(
            hostile(f"reset_at_{count}", f"resets after {count} bytes of the list", striking(blow, LIST))
        )
    first = striking(_ending(20, reset=True))
    made.append(hostile("reset_first", "resets in the middle of its first reply", first, also=NEVER_OPEN))
    made.append(hostile("reset_at_once", "resets each connection at once", _reset_at_once, also=NEVER_OPEN))
    return made


async def _reset_at_once(channel: ServerConnection) -> None:
    channel.reset()


async def _endless(channel: ServerConnection, request: ClientMessage) -> bool:
    """One message of 47 MB that is never over, as fast as the client takes it."""
    opcode = wire.OP_MSG if request.opcode == wire.OP_MSG else wire.OP_REPLY
    await channel.send(wire.header(47_000_000, request.request_id, opcode) + bytes(5))
    while True:
        await channel.send(b"\x01" * 65_536)


async def _replies_without_end(channel: ServerConnection, request: ClientMessage) -> bool:
    one = wire.answer(request, PLAIN_LIST)
    while True:
        await channel.send(one * 200)


async def _more_without_end(channel: ServerConnection, request: ClientMessage) -> bool:
    one = wire.message(request.request_id, PLAIN_LIST, flags=wire.MORE_TO_COME)
    while True:
        await channel.send(one * 200)


async def _noise(channel: ServerConnection) -> None:
    """Random bytes without end, the same ones each time."""
    await channel.recv()
    source = random.Random(SEED)  # noqa: S311 - noise for a test server, no secret
    while True:
        await channel.send(source.randbytes(65_536))


def _floods() -> list[Personality]:
    either = frozenset({Verdict.OPEN})
    return [
        hostile(
            "endless_reply",
            "a first reply that never ends, at full speed",
            striking(_endless),
            also=NEVER_OPEN,
        ),
        hostile("endless_list", "a list that never ends, at full speed", striking(_endless, LIST)),
        hostile(
            "endless_replies",
            "correct replies without end",
            striking(_replies_without_end, LIST),
            also=either,
        ),
        hostile("more_without_end", "moreToCome without end", striking(_more_without_end, LIST), also=either),
        hostile("noise", "random bytes without end", _noise, also=NEVER_OPEN),
    ]


def dripping_list(interval: float) -> Callable[[ServerConnection, ClientMessage], Awaitable[bool]]:
    """The list, one byte each `interval` seconds."""

    async def blow(channel: ServerConnection, request: ClientMessage) -> bool:
        for byte in wire.answer(request, PLAIN_LIST):
            await channel.send(bytes([byte]))
            await asyncio.sleep(interval)
        return True

    return blow


async def _split(channel: ServerConnection) -> None:
    """Honest, but each byte travels alone."""
    honest = Mongod(base_profile())
    session = Session(channel.number, "127.0.0.1:1")
    while (raw := await honest.next_message(channel)) is not None:
        channel.note(raw)
        for byte in await honest.respond(raw, session) or b"":
            await channel.send(bytes([byte]))
            await asyncio.sleep(0)


def _slow() -> list[Personality]:
    return [
        hostile("drip_list", "one byte of the list each second", striking(dripping_list(1.0), LIST)),
        hostile(
            "stall_after_header",
            "a header, then silence",
            striking(sends(lambda request: _part(request, 16))),
        ),
        hostile("bytes_alone", "honest, each byte in a packet of its own", _split, Verdict.OPEN),
        hostile("zero_window", "never reads; a receive buffer of nothing", _idle, receive_buffer=1),
        hostile("never_accepts", "the kernel answers, the process never does", _idle, accepts=False),
        hostile("mute", "reads and says nothing", silent),
    ]


async def _idle(channel: ServerConnection) -> None:
    await asyncio.Event().wait()


async def _preemptive(channel: ServerConnection) -> None:
    """A correct list for each request id that may come, before any question."""
    await channel.send(b"".join(wire.message(number, PLAIN_LIST) for number in range(20)))
    await silent(channel)


async def _preemptive_then_echo(channel: ServerConnection) -> None:
    await channel.send(wire.reply(1, PLAIN_LIST))
    while received := await channel.recv():
        await channel.send(received)


def _first() -> list[Personality]:
    return [
        hostile("preemptive", "answers before any question", _preemptive, Verdict.NOT_MONGODB, NEVER_OPEN),
        hostile(
            "preemptive_echo",
            "answers first, then echoes",
            _preemptive_then_echo,
            Verdict.NOT_MONGODB,
            NEVER_OPEN,
        ),
    ]


def _alternating(*profiles: Profile) -> Callable[[ServerConnection], Awaitable[None]]:
    servers = itertools.cycle([Mongod(each) for each in profiles])

    async def talk(channel: ServerConnection) -> None:
        await next(servers).talk(channel)

    return talk


def _mixed() -> list[Personality]:
    small = data.shop(utc_now())
    open_ = Profile(version=V7_0, data=small)
    locked = Profile(version=V7_0, data=small, access=Access.LOCKED)
    return [
        hostile(
            "alternating",
            "open and locked by turns, connection by connection",
            _alternating(open_, locked),
            Verdict.OPEN,
            frozenset({Verdict.AUTH_REQUIRED}),
        ),
        hostile(
            "alternating_locked",
            "the same, the locked one first",
            _alternating(locked, open_),
            Verdict.AUTH_REQUIRED,
            frozenset({Verdict.OPEN}),
        ),
    ]
