"""How a hostile server is put together: an honest MongoDB up to one command, and a blow at that command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from results.verdict import Verdict
from scanner.lab import data, wire
from scanner.lab.mongod import Mongod, Session
from scanner.lab.personality import Group, Personality
from scanner.lab.profile import Profile, utc_now
from scanner.lab.versions import V3_2, V7_0

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.lab.channel import ServerConnection
    from scanner.lab.personality import Talk
    from scanner.lab.wire import ClientMessage, Document

    Blow = Callable[[ServerConnection, ClientMessage], Awaitable[bool]]

LIST = frozenset({"listDatabases"})
ANY: frozenset[str] = frozenset()  # no command named: the very first message is struck
NEVER_OPEN = frozenset({Verdict.UNKNOWN, Verdict.NOT_MONGODB})


def base_profile(*, old: bool = False) -> Profile:
    """The honest server around a blow: 7.0 with a small shop; `old`: 3.2, which is asked by OP_QUERY."""
    return Profile(version=V3_2 if old else V7_0, data=data.shop(utc_now()))


def striking(blow: Blow, commands: frozenset[str] = ANY, profile: Profile | None = None) -> Talk:
    """Answer honestly until one of `commands` comes (any message when empty), then strike.

    `blow` returns True when the conversation goes on.
    """
    honest = Mongod(profile or base_profile())

    async def talk(channel: ServerConnection) -> None:
        session = Session(channel.number, "127.0.0.1:1")
        while (raw := await honest.next_message(channel)) is not None:
            channel.note(raw)
            request = wire.parse(raw)
            if not commands or request.command in commands:
                if not await blow(channel, request):
                    return
                continue
            answer = await honest.respond(raw, session)
            if answer is None:
                return
            await channel.send(answer)

    return talk


def sends(make: Callable[[ClientMessage], bytes], *, then_close: bool = False) -> Blow:
    """The blow that sends bytes made for the request, and keeps the connection unless told otherwise."""

    async def blow(channel: ServerConnection, request: ClientMessage) -> bool:
        await channel.send(make(request))
        return not then_close

    return blow


def says(document: Document | bytes) -> Blow:
    """The blow that answers in proper form with this document."""
    return sends(lambda request: wire.answer(request, document))


def hostile(
    name: str,
    description: str,
    talk: Talk,
    verdict: Verdict = Verdict.UNKNOWN,
    also: frozenset[Verdict] = frozenset(),
    **more: Any,
) -> Personality:
    """A personality of the hostile group."""
    return Personality(
        name=name,
        description=description,
        verdict=verdict,
        also=also,
        talk=talk,
        group=Group.HOSTILE,
        **more,
    )


def databases(*names: str | bytes, end: bytes = b"") -> bytes:
    """The element `databases` of a listDatabases answer with these names, raw; `end` goes in last."""
    entries = b"".join(
        wire.element(3, str(index), wire.raw_document(name_element(name))) for index, name in enumerate(names)
    )
    return wire.element(4, "databases", wire.raw_document(entries, end))


def name_element(name: str | bytes) -> bytes:
    """The element `name`, raw, so that it need not be UTF-8."""
    return wire.element(2, "name", wire.raw_string(name.encode() if isinstance(name, str) else name))


OK = b"\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"
"""The element `ok: 1.0`."""

PLAIN_LIST = wire.raw_document(databases("admin", "config", "local", "shop"), OK)
"""A correct answer to listDatabases, encoded."""
