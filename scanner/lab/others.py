"""What else stands on a MongoDB port: other products that speak its protocol, and other services."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web
from bson import Int64, ObjectId

from results.verdict import Verdict
from scanner.lab import data, wire
from scanner.lab.channel import GoneError
from scanner.lab.mongod import HELLO, Mongod
from scanner.lab.personality import Group, Personality, Truth
from scanner.lab.profile import Access, Profile, utc_now
from scanner.lab.versions import V7_0, Release

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.lab.channel import ServerConnection
    from scanner.lab.mongod import Session
    from scanner.lab.wire import ClientMessage, Document

MYSQL_GREETING = (
    b"\x4a\x00\x00\x00\x0a8.0.39\x00\x0b\x00\x00\x00\x11\x22\x33\x44\x55\x66\x77\x01\x00\xff\xff\xff\x02\x00"
    b"\xff\xdf\x15" + bytes(10) + b"abcdefghijkl\x00caching_sha2_password\x00"
)


def personalities() -> list[Personality]:
    """All of this file, in the order in which they stand in the estate."""
    return [*_services(), *_products()]


def _service(
    name: str,
    description: str,
    verdict: Verdict,
    talk: Callable[[ServerConnection], Awaitable[None]],
    *,
    group: Group = Group.OTHER,
    **more: Any,
) -> Personality:
    return Personality(name=name, description=description, verdict=verdict, talk=talk, group=group, **more)


def banner(first: bytes, answer: bytes = b"") -> Callable[[ServerConnection], Awaitable[None]]:
    """A service that speaks first, then says `answer` to whatever comes and closes."""

    async def talk(channel: ServerConnection) -> None:
        if first:
            await channel.send(first)
        if await channel.recv() and answer:
            await channel.send(answer)

    return talk


async def silent(channel: ServerConnection) -> None:
    """Read for ever and say nothing."""
    while await channel.recv():
        pass


async def closing(channel: ServerConnection) -> None:
    """Close after the first message, without a byte."""
    await channel.recv()


async def full(channel: ServerConnection) -> None:
    """Close at once, as a server at its connection limit does."""


async def echo(channel: ServerConnection) -> None:
    """Send back what comes."""
    while received := await channel.recv():
        await channel.send(received)


def dripping(interval: float = 1.0) -> Callable[[ServerConnection], Awaitable[None]]:
    """A tarpit: one byte of a plausible reply each `interval` seconds, without end."""

    async def talk(channel: ServerConnection) -> None:
        await channel.recv()
        begin = wire.header(200, 1, wire.OP_REPLY)
        position = 0
        while True:
            await channel.send(begin[position : position + 1] or b"\x00")
            position += 1
            await asyncio.sleep(interval)

    return talk


class _Page(web.Server):
    """A web server for one connection that tells when it is over."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.over = asyncio.Event()

    async def _answer(self, _: web.BaseRequest) -> web.Response:
        return web.Response(text="<html><body>It works</body></html>", content_type="text/html")

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.over.set()


async def http(channel: ServerConnection) -> None:
    """A web server: aiohttp answers, over the lab's connection."""
    received = await channel.recv()
    if not received:
        return
    page = _Page()
    # aiohttp gets a descriptor of its own, so that the lab closes its one without touching the other.
    own = channel.sock.dup()
    own.setblocking(False)
    transport, handler = await asyncio.get_running_loop().connect_accepted_socket(page, own)
    try:
        handler.data_received(received)
        await page.over.wait()
    finally:
        transport.abort()
        await page.shutdown(0.1)


def _services() -> list[Personality]:
    no, unknown = Verdict.NOT_MONGODB, Verdict.UNKNOWN
    return [
        _service("http", "a web server", no, http),
        _service("ssh", "SSH speaks first", no, banner(b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13\r\n")),
        _service(
            "redis",
            "Redis: errors to what is no command",
            no,
            banner(b"", b"-ERR unknown command, with args beginning with: \r\n"),
        ),
        _service("mysql", "MySQL speaks first", no, banner(MYSQL_GREETING)),
        _service("echo", "returns what it gets", no, echo),
        _service("closing", "closes without a byte", unknown, closing),
        _service("full", "at its connection limit: closes at once", unknown, full),
    ]


def mute() -> list[Personality]:
    """Services that do not answer in time: a sweep that has met one is not complete, so they stand beside
    those that try to hurt their client."""
    unknown, either = Verdict.UNKNOWN, frozenset({Verdict.NOT_MONGODB})
    return [
        _service("silent", "accepts and says nothing", unknown, silent, group=Group.HOSTILE),
        _service("tarpit", "one byte a second", unknown, dripping(), also=either, group=Group.HOSTILE),
    ]


class Changed(Mongod):
    """A MongoDB whose answers are changed before they leave: the face of another product."""

    def __init__(self, profile: Profile, change: Callable[[ClientMessage, Document], Document]) -> None:
        super().__init__(profile)
        self._change = change

    def command(self, request: ClientMessage, session: Session) -> Document:
        return self._change(request, super().command(request, session))


def _product(
    name: str,
    description: str,
    product: str,
    change: Callable[[ClientMessage, Document], Document],
    profile: Profile,
    verdict: Verdict = Verdict.OPEN,
    **more: Any,
) -> Personality:
    open_ = verdict is Verdict.OPEN
    known = Truth(
        product=product,
        version=profile.version.text,
        databases=profile.data.names if open_ else (),
        total_size=profile.data.user_size if open_ else None,
        documents=profile.data.documents if open_ else None,
    )
    talk = Changed(profile, change).talk
    return Personality(
        name=name,
        description=description,
        verdict=verdict,
        talk=talk,
        group=Group.OTHER,
        truth=replace(known, **more.pop("known", {})),
        **more,
    )


def _java(request: ClientMessage, document: Document) -> Document:
    """mongo-java-server: version 5.0.0 with wire 8, buildInfo of four fields."""
    if request.command in ("buildInfo", "buildinfo"):
        return {"version": "5.0.0", "versionArray": [5, 0, 0], "maxBsonObjectSize": 16_777_216, "ok": 1.0}
    if request.command in HELLO:
        dropped = ("readOnly", "connectionId", "topologyVersion", "logicalSessionTimeoutMinutes", "helloOk")
        return {**{key: value for key, value in document.items() if key not in dropped}, "maxWireVersion": 8}
    return document


def _ferret(request: ClientMessage, document: Document) -> Document:
    """FerretDB 2: `ferretdb` in buildInfo, login mechanisms in every hello."""
    if request.command in ("buildInfo", "buildinfo"):
        return {**document, "ferretdb": {"version": "v2.7.0", "package": "docker"}, "ok": 1.0}
    if request.command in HELLO:
        kept = {key: value for key, value in document.items() if key != "topologyVersion"}
        return {**kept, "saslSupportedMechs": ["SCRAM-SHA-256"], "ok": 1.0}
    return document


def _cosmos(request: ClientMessage, document: Document) -> Document:
    """Cosmos DB (RU): set `globaldb`, hello refused with 115, everything else behind a login."""
    host = "acct-southindia.mongo.cosmos.example:10255"
    if request.command == "hello":
        text = "Command Hello not supported prior to authentication"
        return {"ok": 0.0, "code": 115, "codeName": "CommandNotSupported", "errmsg": text}
    if request.command in HELLO:
        return {
            "ismaster": True,
            "maxBsonObjectSize": 16_777_216,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 1000,
            "minWireVersion": 0,
            "maxWireVersion": 18,
            "tags": {"region": "South India"},
            "hosts": [host],
            "setName": "globaldb",
            "setVersion": 1,
            "primary": host,
            "me": host,
            "ok": 1.0,
        }
    if not document.get("ok"):
        name = request.command[:1].upper() + request.command[1:]
        text = f"Command {name} not supported prior to authentication"
        return {"ok": 0.0, "code": 115, "codeName": "CommandNotSupported", "errmsg": text}
    return document


async def dionaea(channel: ServerConnection) -> None:
    """The honeypot: one isMaster-like document for every command by OP_QUERY, silence to OP_MSG."""
    while True:
        raw = await _next(channel)
        request = wire.parse(raw)
        if request.opcode != wire.OP_QUERY:
            continue
        document: Document = {
            "ismaster": True,
            "maxBsonObjectSize": 16_777_216,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 1000,
            "localTime": utc_now(),
            "maxWireVersion": 5,
            "minWireVersion": 0,
            "readOnly": False,
            "ok": 1,
        }
        if request.database != "admin":
            document = {"cursor": {"id": 0, "ns": request.database, "firstBatch": {}}, "ok": 1}
        await channel.send(wire.answer(request, document, flags=0))


def always(document: Document) -> Callable[[ServerConnection], Awaitable[None]]:
    """The same answer to every command."""

    async def talk(channel: ServerConnection) -> None:
        while True:
            request = wire.parse(await _next(channel))
            await channel.send(wire.answer(request, document))

    return talk


async def _next(channel: ServerConnection) -> bytes:
    begin = await channel.peek(16)
    if len(begin) < 16:
        raise GoneError("end of stream")
    length = wire.HEADER.unpack(begin)[0]
    if not 16 <= length <= wire.MAX_MESSAGE:
        raise wire.BadFrameError("length")
    raw = await channel.recv_exactly(length)
    channel.note(raw)
    return raw


def _products() -> list[Personality]:
    now = utc_now()
    bare = data.data_set(*data.shop(now).databases[-1:], system=False)
    look_alike = {"ismaster": True, "maxWireVersion": 6, "minWireVersion": 0, "maxBsonObjectSize": 16_777_216}
    doubtful = frozenset({Verdict.UNKNOWN, Verdict.NOT_MONGODB})
    ferret = Release(text="7.0.77", wire=21)
    return [
        _product(
            "java_server",
            "mongo-java-server, open",
            "mongo-java-server",
            _java,
            Profile(data=bare, version=Release(text="5.0.0", wire=8)),
        ),
        _product("ferretdb", "FerretDB 2, open", "ferretdb", _ferret, Profile(data=bare, version=ferret)),
        _product(
            "ferretdb_auth",
            "FerretDB 2, login required",
            "ferretdb",
            _ferret,
            Profile(version=ferret, access=Access.LOCKED),
            Verdict.AUTH_REQUIRED,
        ),
        _product(
            "cosmos",
            "Cosmos DB, login required",
            "cosmosdb",
            _cosmos,
            Profile(version=replace(V7_0, text="7.0.0"), access=Access.LOCKED),
            Verdict.AUTH_REQUIRED,
        ),
        _service(
            "honeypot",
            "dionaea: the same document for every command",
            Verdict.UNKNOWN,
            dionaea,
            also=doubtful,
            truth=Truth(product="honeypot"),
        ),
        _service(
            "look_alike",
            "ok: 1 to everything, and no databases",
            Verdict.UNKNOWN,
            always({**look_alike, "processId": ObjectId(), "counter": Int64(1), "ok": 1.0}),
            also=doubtful,
        ),
    ]
