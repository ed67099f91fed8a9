"""What surrounds a server or stands in its place: TLS, proxies, the old console, other services."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab import wire
from scanner.lab.hostile.base import base_profile
from scanner.lab.mongod import Mongod
from scanner.lab.others import Changed
from scanner.lab.profile import Access
from scanner.lab.server import LabServer
from tests.accuracy.playing import recorded
from tests.accuracy.situation import (
    LIST,
    REFUSED,
    Situation,
    lab_server,
    made_server,
    recorded_server,
    tls_server,
)
from tests.mongo.console_pages import LOCKED, SHOWN
from tests.support.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.lab.channel import ServerConnection
    from scanner.lab.mongod import Session
    from scanner.lab.personality import Personality
    from scanner.lab.wire import ClientMessage, Document

OPEN, NO_DATA, AUTH = Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED
CERTIFICATE, NO, UNKNOWN = (
    Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
    Verdict.NOT_MONGODB,
    Verdict.UNKNOWN,
)


def surroundings() -> list[Situation]:
    """All of them, fresh."""
    return [*_secured(), *_between(), *_others()]


def _secured() -> list[Situation]:
    listed = "databases-listed"
    rows = [
        ("requireTLS", "nocafile", OPEN, listed, f"plain: a close without a byte; inside TLS: {LIST}"),
        ("requireTLS and --auth", "nocafile_auth", AUTH, "auth-required", f"inside TLS, {REFUSED}"),
        (
            "requireTLS, client certificate optional",
            "ca_optional",
            OPEN,
            listed,
            f"a CertificateRequest, and inside TLS: {LIST}",
        ),
        (
            "requireTLS, client certificate required",
            "ca_required",
            CERTIFICATE,
            "client-certificate",
            "a finished handshake with a CertificateRequest, then a bare end of stream",
        ),
        ("requireTLS, TLS 1.3 alone", "no_tls12", OPEN, listed, f"inside TLS 1.3: {LIST}"),
    ]
    made = [
        tls_server(f"{state}, {version[:3]}", verdict, rule, wire, version, f"requireSSL/{setting}")
        for state, setting, verdict, rule, wire in rows
        for version in ("4.0.3", "7.1.0")
    ]
    for mode in ("prefer", "allow"):
        state = f"{mode}TLS, client certificate required inside TLS"
        made.append(tls_server(state, OPEN, listed, f"plain: {LIST}", "7.1.0", f"{mode}SSL/ca_required"))
    old = lab_server("requireTLS with TLS 1.1 at most", OPEN, listed, f"inside TLS 1.1: {LIST}", "tls_legacy")
    return [*made, replace(old, topology="standalone")]


async def _no_backend(channel: ServerConnection) -> None:
    """HAProxy 2.6 in TCP mode without a server: accepts, and closes without a byte."""


async def _bad_request(channel: ServerConnection) -> None:
    """HAProxy 2.6 in HTTP mode: what it says to a client that speaks no HTTP."""
    await channel.recv()
    await channel.send(b"HTTP/1.1 400 Bad request\r\nContent-length: 90\r\nConnection: close\r\n\r\n")


def forwarding(backend: Personality) -> Callable[[ServerConnection], Awaitable[None]]:
    """A TCP proxy on the server's own host: the server sees every client come from 127.0.0.1."""

    async def talk(channel: ServerConnection) -> None:
        async with LabServer(backend, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            back = asyncio.create_task(_pump(reader, channel))
            try:
                while received := await channel.recv():
                    writer.write(received)
                    await writer.drain()
            finally:
                back.cancel()
                writer.close()

    return talk


async def _pump(reader: asyncio.StreamReader, channel: ServerConnection) -> None:
    while received := await reader.read(65536):
        await channel.send(received)
    channel.close()


def _failing(code: int, text: str) -> Callable[[ClientMessage, Document], Document]:
    """listDatabases runs and fails; all else is as it was."""

    def change(request: ClientMessage, document: Document) -> Document:
        failed = request.command == "listDatabases" and document.get("code") != 13
        return {"ok": 0.0, "code": code, "errmsg": text} if failed else document

    return change


def _in_part(request: ClientMessage, document: Document) -> Document:
    """No shard to ask, and statistics for those who are logged in."""
    if request.command == "dbStats":
        return {"ok": 0.0, "code": 13, "errmsg": "command dbStats requires authentication"}
    return _failing(133, "no shard")(request, document)


def _in_vain(request: ClientMessage, document: Document) -> Document:
    """No shard to ask, and a login for all else."""
    if request.command == "listCollections":
        return {"ok": 0.0, "code": 13, "errmsg": "command listCollections requires authentication"}
    return _in_part(request, document)


def _pooling(request: ClientMessage, document: Document) -> Document:
    """A proxy that shares its connections: who asks was told on them by somebody before."""
    if request.command in ("isMaster", "hello") and "client" in request.document:
        text = "The client metadata document may only be sent in the first isMaster"
        return {"ok": 0.0, "errmsg": text, "code": 186, "codeName": "ClientMetadataCannotBeMutated"}
    return document


class OtherForm(Mongod):
    """Answers OP_QUERY by OP_MSG, as small traps do that know one form alone."""

    async def respond(self, raw: bytes, session: Session) -> bytes | None:
        """The same document in the other form."""
        reply = await super().respond(raw, session)
        if reply is None or int.from_bytes(reply[12:16], "little") != wire.OP_REPLY:
            return reply
        return wire.message(int.from_bytes(reply[8:12], "little"), reply[36:])


def _between() -> list[Situation]:
    """What stands between a server and the one who asks."""
    exception = recorded(Replay("4.0.3", "auth_no_user", "from_127.0.0.1"))
    return [
        made_server(
            "bind_ip 127.0.0.1 behind a TCP proxy, open",
            OPEN,
            "databases-listed",
            LIST,
            forwarding(recorded(Replay("7.1.0", "open_data"))),
            local=False,
            topology="standalone",
        ),
        made_server(
            "bind_ip 127.0.0.1 behind a TCP proxy, --auth and no user",
            AUTH,
            "localhost-exception",
            "the exception reaches every client of the proxy: an empty list, and 13 to listCollections",
            forwarding(exception),
            local=False,
            topology="standalone",
        ),
        made_server(
            "HAProxy (TCP) with no backend",
            UNKNOWN,
            "closed-without-reply",
            "a close without a byte, plain and inside TLS",
            _no_backend,
        ),
        made_server(
            "HAProxy (HTTP)", NO, "other-protocol", "`HTTP/1.1 400` to the first message", _bad_request
        ),
        recorded_server(
            "all connections taken (maxConns)",
            UNKNOWN,
            "closed-without-reply",
            "a close without a byte before anything is sent; no TLS dialogue either",
            "7.1.0/max_conns/sixth",
        ),
        made_server(
            "pooling proxy that refuses to be told who asks",
            OPEN,
            "databases-listed",
            f"186 to isMaster and hello with `client`; without it: {LIST}",
            Changed(base_profile(), _pooling).talk,
            topology="standalone",
        ),
        lab_server("accepts and stays silent", UNKNOWN, "silent", "no byte, plain and inside TLS", "silent"),
    ]


def _page(page: bytes) -> Callable[[ServerConnection], Awaitable[None]]:
    """An old console: silent until a whole HTTP request is there."""

    async def talk(channel: ServerConnection) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            more = await channel.recv()
            if not more:
                return
            received += more
        await channel.send(page)

    return talk


def _others() -> list[Situation]:
    return [
        made_server(
            "HTTP console of 3.4 or older, no user",
            NO_DATA,
            "http-console",
            "on port 28017, `GET /`: 200 and the title `mongod <host>`",
            _page(SHOWN),
            console=True,
            local=False,
        ),
        made_server(
            "HTTP console of 3.4 or older, asked from loopback",
            UNKNOWN,
            "http-console-on-loopback",
            "the same page, which local clients always get",
            _page(SHOWN),
            console=True,
        ),
        made_server(
            "HTTP console with users",
            AUTH,
            "http-console-login",
            'on port 28017, `GET /`: 401 and Digest realm="mongo"',
            _page(LOCKED),
            console=True,
            local=False,
        ),
        lab_server("web server", NO, "other-protocol", "the first bytes are `HTTP/`", "http"),
        lab_server("SSH", NO, "other-protocol", "the first bytes are `SSH-`", "ssh"),
        lab_server("Redis", NO, "other-protocol", "the first bytes are `-ERR`", "redis"),
        lab_server("MySQL", NO, "other-protocol", "a MySQL greeting", "mysql"),
        lab_server("echo service", NO, "echo", "our own header comes back", "echo"),
        made_server(
            "a list of databases that fails inside the server",
            OPEN,
            "answered-otherwise",
            "listDatabases: code 1, integer out of range; listCollections and dbStats of admin answer",
            Changed(base_profile(), _failing(1, "integer out of range")).talk,
        ),
        made_server(
            "the same with partial access: statistics want a login",
            OPEN,
            "answered-otherwise",
            "listDatabases: code 133; listCollections of admin answers, dbStats: 13",
            Changed(base_profile(), _in_part).talk,
        ),
        made_server(
            "a router with --auth that finds no shard to ask",
            AUTH,
            "refused-otherwise",
            "listDatabases: code 133; listCollections and dbStats of admin: 13",
            Changed(base_profile(), _in_vain).talk,
        ),
        made_server(
            "trap that knows OP_MSG alone",
            OPEN,
            "databases-listed",
            f"isMaster by OP_QUERY is answered by OP_MSG; {LIST}; honeypot suspected",
            OtherForm(base_profile()).talk,
        ),
        made_server(
            "trap that knows OP_MSG alone, and wants a login",
            AUTH,
            "auth-required",
            f"isMaster by OP_QUERY is answered by OP_MSG; {REFUSED}; honeypot suspected",
            OtherForm(replace(base_profile(), access=Access.LOCKED)).talk,
        ),
        lab_server("FerretDB 2, --auth", AUTH, "auth-required", REFUSED, "ferretdb_auth"),
        lab_server(
            "Cosmos DB (RU)",
            AUTH,
            "auth-required",
            "listDatabases: 115, not supported prior to authentication",
            "cosmos",
        ),
        lab_server(
            "dionaea honeypot",
            UNKNOWN,
            "honeypot-suspected",
            "the handshake's document in answer to listDatabases",
            "honeypot",
        ),
    ]
