"""Every way to set up a server that a verdict must tell apart, as something that listens on a socket."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from results.verdict import Verdict
from scanner.lab import estate
from scanner.lab.hostile.base import base_profile
from scanner.lab.others import Changed
from scanner.lab.personality import Group, Personality
from scanner.lab.profile import Access, Role
from scanner.lab.security import ClientCertificate, Security
from scanner.lab.server import Server
from tests.accuracy.playing import recorded, recorded_mode
from tests.accuracy.proofs import Proof
from tests.mongo.test_console import LOCKED, SHOWN
from tests.support.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.lab.channel import Channel
    from scanner.lab.wire import Document, Request

OPEN, NO_DATA, AUTH = Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED
CERTIFICATE, NO, UNKNOWN = (
    Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
    Verdict.NOT_MONGODB,
    Verdict.UNKNOWN,
)


@dataclass(frozen=True)
class Situation:
    """A row of the page, and the server that stands for it. Role and version: what the record must say.

    `local` False: the question comes from another host, as far as our own code can tell.
    """

    proof: Proof
    server: Personality
    topology: str = ""
    version: str = ""
    console: bool = False
    local: bool = True


def _recorded(
    state: str, verdict: Verdict, rule: str, wire: str, case: str, topology: str = "", *, local: bool = True
) -> Situation:
    version, scenario, *node = case.split("/", 2)
    server = recorded(Replay(version, scenario, node[0] if node else ""))
    proof = Proof(state, verdict, rule, wire, f"recording of {version}")
    return Situation(proof, server, topology, version if topology else "", local=local)


def _tls(state: str, verdict: Verdict, rule: str, wire: str, version: str, mode: str) -> Situation:
    known = version if verdict is not CERTIFICATE else ""
    proof = Proof(state, verdict, rule, wire, f"recording of {version}")
    return Situation(proof, recorded_mode(version, mode), "standalone" if known else "", known)


def _lab(state: str, verdict: Verdict, rule: str, wire: str, name: str, topology: str = "") -> Situation:
    server = _estate()[name]
    proof = Proof(state, verdict, rule, wire, "simulated server")
    return Situation(proof, server, topology, server.truth.version)


@functools.cache
def _estate() -> dict[str, Personality]:
    return {each.name: each for each in estate.catalogue(Group)}


def _made(state: str, verdict: Verdict, rule: str, wire: str, talk: Any, **more: Any) -> Situation:
    security = more.pop("security", None)
    server = Personality(name=state, description=state, verdict=verdict, talk=talk, security=security)
    return Situation(Proof(state, verdict, rule, wire, "simulated server"), server, **more)


LIST = "listDatabases: ok 1 and a list"
REFUSED = "listDatabases: code 13, and nothing from behind the gate"


def situations() -> list[Situation]:
    """All of them, fresh."""
    return [*_members(), *_locked(), *_exceptions(), *_secured(), *_between(), *_others()]


def _members() -> list[Situation]:
    listed = "databases-listed"
    return [
        _recorded("standalone, 7.1, no access control", OPEN, listed, LIST, "7.1.0/open_data", "standalone"),
        _recorded("standalone, 4.0", OPEN, listed, LIST, "4.0.3/open_data", "standalone"),
        _recorded(
            "standalone, 2.6",
            OPEN,
            listed,
            "listDatabases by OP_QUERY: ok 1 and a list; silence to OP_MSG",
            "2.6.0-rc1/open_data",
            "standalone",
            local=False,
        ),
        _lab("standalone, 2.4: no wire version, no codes", OPEN, listed, LIST, "old_2_4", "standalone"),
        _lab("standalone, 3.2", OPEN, listed, LIST, "old_3_2", "standalone"),
        _lab("standalone, 8.0: refuses OP_QUERY", OPEN, listed, LIST, "open_8_0", "standalone"),
        _recorded("standalone without data of users", OPEN, listed, LIST, "7.1.0/open_empty", "standalone"),
        _recorded("primary of a replica set", OPEN, listed, LIST, "7.1.0/rs_members/primary", "primary"),
        _recorded(
            "secondary",
            OPEN,
            listed,
            "listDatabases with secondaryPreferred: ok 1 and a list",
            "7.1.0/rs_members/secondary",
            "secondary",
        ),
        _made(
            "hidden member",
            OPEN,
            listed,
            f"{LIST}; hello: hidden",
            Changed(replace(base_profile(), role=Role.SECONDARY), _hidden).talk,
            topology="hidden",
        ),
        _recorded(
            "primary that lost its majority", OPEN, listed, LIST, "7.1.0/rs_members/lonely", "secondary"
        ),
        _recorded(
            "recovering member, 4.0: lists all",
            OPEN,
            listed,
            LIST,
            "4.0.3/rs_members/recovering",
            "recovering",
        ),
        _recorded(
            "recovering member, 7.1",
            NO_DATA,
            "not-readable-state",
            "listDatabases: 13436, raised behind the gate",
            "7.1.0/rs_members/recovering",
            "recovering",
            local=False,
        ),
        _recorded(
            "arbiter, 4.0: lists local",
            NO_DATA,
            "no-data-member",
            f"{LIST}; hello: arbiterOnly",
            "4.0.3/rs_members/arbiter",
            "arbiter",
        ),
        _recorded(
            "arbiter, 7.1",
            NO_DATA,
            "not-readable-state",
            "listDatabases: 13436, raised behind the gate",
            "7.1.0/rs_members/arbiter",
            "arbiter",
            local=False,
        ),
        _recorded(
            "replica set without a configuration, 4.0",
            NO_DATA,
            "no-data-member",
            f"{LIST}; hello: isreplicaset",
            "4.0.3/rs_uninitiated",
            "uninitiated",
        ),
        _lab(
            "replica set without a configuration, 7.1",
            NO_DATA,
            "not-readable-state",
            "listDatabases: 13436; listCollections on local: 13436 as well",
            "uninitiated",
            "uninitiated",
        ),
        _recorded("mongos", OPEN, listed, f"{LIST}; hello: isdbgrid", "7.1.0/mongos_open/router", "mongos"),
        _recorded("shard", OPEN, listed, LIST, "7.1.0/mongos_open/shard", "primary"),
        _recorded(
            "config server",
            OPEN,
            listed,
            f"{LIST}; hello: configsvr",
            "7.1.0/mongos_open/config",
            "config_server",
        ),
    ]


def _hidden(request: Request, document: Document) -> Document:
    return {**document, "hidden": True} if "setName" in document else document


def _locked() -> list[Situation]:
    rule = "auth-required"
    return [
        _recorded("--auth, 7.1", AUTH, rule, REFUSED, "7.1.0/auth_user", "standalone"),
        _recorded("--auth, 4.0", AUTH, rule, REFUSED, "4.0.3/auth_user", "standalone"),
        _recorded(
            "--auth, 2.6",
            AUTH,
            rule,
            "listDatabases by OP_QUERY: code 13 without a name",
            "2.6.0-rc1/auth_user",
            "standalone",
        ),
        _lab(
            "--auth, 2.4",
            AUTH,
            rule,
            'listDatabases: "unauthorized" without a code',
            "auth_2_4",
            "standalone",
        ),
        _lab("--auth, 8.2: buildInfo locked as well", AUTH, rule, REFUSED, "auth_8_2", "standalone"),
        _recorded("key file, primary", AUTH, rule, REFUSED, "2.6.0-rc1/rs_members_auth/primary", "primary"),
        _recorded(
            "key file, arbiter", AUTH, rule, REFUSED, "2.6.0-rc1/rs_members_auth/arbiter_as_remote", "arbiter"
        ),
        _recorded("key file, mongos", AUTH, rule, REFUSED, "7.1.0/mongos_auth/router", "mongos"),
        _recorded("key file, shard", AUTH, rule, REFUSED, "7.1.0/mongos_auth/shard", "primary"),
        _recorded(
            "key file, config server", AUTH, rule, REFUSED, "7.1.0/mongos_auth/config", "config_server"
        ),
        _made(
            "LDAP only (PLAIN mechanism): the face of --auth",
            AUTH,
            rule,
            REFUSED,
            Changed(replace(base_profile(), access=Access.LOCKED), _mechanisms("PLAIN")).talk,
            topology="standalone",
        ),
        _made(
            "x.509 only, certificates optional on the port",
            AUTH,
            rule,
            f"inside TLS, {REFUSED}",
            Changed(replace(base_profile(), access=Access.LOCKED), _mechanisms("MONGODB-X509")).talk,
            security=Security(client_certificate=ClientCertificate.OPTIONAL),
            topology="standalone",
        ),
        _lab(
            "requireApiVersion",
            OPEN,
            "databases-listed",
            "listDatabases: 498870, then with apiVersion ok 1 and a list",
            "api_version",
            "standalone",
        ),
        _made(
            "requireApiVersion and --auth",
            AUTH,
            rule,
            "listDatabases: 498870, then with apiVersion code 13",
            Changed(replace(base_profile(), access=Access.LOCKED), _needs_version).talk,
            topology="standalone",
        ),
    ]


def _mechanisms(*names: str) -> Callable[[Request, Document], Document]:
    """Tells its login mechanisms unasked, as some do."""
    return lambda request, document: (
        {**document, "saslSupportedMechs": list(names)} if "maxWireVersion" in document else document
    )


def _needs_version(request: Request, document: Document) -> Document:
    if request.command in ("isMaster", "hello") or "apiVersion" in request.document:
        return document
    text = "The apiVersion parameter is required, please configure your MongoClient's API version"
    return {"ok": 0.0, "errmsg": text, "code": 498870, "codeName": "Location498870"}


def _exceptions() -> list[Situation]:
    rule = "localhost-exception"
    return [
        _recorded(
            "localhost exception, 4.0",
            AUTH,
            rule,
            "listDatabases: ok 1 and an empty list, twice; listCollections on local: 13",
            "4.0.3/auth_no_user/from_127.0.0.1",
            "standalone",
        ),
        _lab(
            "localhost exception, 7.1",
            AUTH,
            rule,
            "listDatabases: ok 1 and an empty list; with authorizedDatabases false: 13",
            "exception_7_1",
            "standalone",
        ),
        _recorded(
            "localhost exception, no configuration yet",
            AUTH,
            rule,
            "listDatabases passes the gate; listCollections on local: 13",
            "7.1.0/rs_uninitiated_auth/from_127.0.0.1",
            "uninitiated",
        ),
        _recorded(
            "no configuration and a key file, asked from another host",
            AUTH,
            "auth-required",
            REFUSED,
            "7.1.0/rs_uninitiated_auth/as_remote",
            "uninitiated",
            local=False,
        ),
        _recorded(
            "localhost exception, 2.6: shows everything",
            OPEN,
            "databases-listed",
            f"{LIST}, with the note that from loopback it may be the exception",
            "2.6.0-rc1/auth_no_user/from_127.0.0.1",
            "standalone",
        ),
    ]


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
        _tls(f"{state}, {version[:3]}", verdict, rule, wire, version, f"requireSSL/{setting}")
        for state, setting, verdict, rule, wire in rows
        for version in ("4.0.3", "7.1.0")
    ]
    for mode in ("prefer", "allow"):
        state = f"{mode}TLS, client certificate required inside TLS"
        made.append(_tls(state, OPEN, listed, f"plain: {LIST}", "7.1.0", f"{mode}SSL/ca_required"))
    old = _lab("requireTLS with TLS 1.1 at most", OPEN, listed, f"inside TLS 1.1: {LIST}", "tls_legacy")
    return [*made, replace(old, topology="standalone")]


async def _no_backend(channel: Channel) -> None:
    """HAProxy 2.6 in TCP mode without a server: accepts, and closes without a byte."""


async def _bad_request(channel: Channel) -> None:
    """HAProxy 2.6 in HTTP mode: what it says to a client that speaks no HTTP."""
    await channel.recv()
    await channel.send(b"HTTP/1.1 400 Bad request\r\nContent-length: 90\r\nConnection: close\r\n\r\n")


def forwarding(backend: Personality) -> Callable[[Channel], Awaitable[None]]:
    """A TCP proxy on the server's own host: the server sees every client come from 127.0.0.1."""

    async def talk(channel: Channel) -> None:
        async with Server(backend, "127.0.0.1", 0) as server:
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


async def _pump(reader: asyncio.StreamReader, channel: Channel) -> None:
    while received := await reader.read(65536):
        await channel.send(received)
    channel.close()


def _between() -> list[Situation]:
    """What stands between a server and the one who asks."""
    exception = recorded(Replay("4.0.3", "auth_no_user", "from_127.0.0.1"))
    return [
        _made(
            "bind_ip 127.0.0.1 behind a TCP proxy, open",
            OPEN,
            "databases-listed",
            LIST,
            forwarding(recorded(Replay("7.1.0", "open_data"))),
            local=False,
            topology="standalone",
        ),
        _made(
            "bind_ip 127.0.0.1 behind a TCP proxy, --auth and no user",
            AUTH,
            "localhost-exception",
            "the exception reaches every client of the proxy: an empty list, and 13 to listCollections",
            forwarding(exception),
            local=False,
            topology="standalone",
        ),
        _made(
            "HAProxy (TCP) with no backend",
            UNKNOWN,
            "closed-without-reply",
            "a close without a byte, plain and inside TLS",
            _no_backend,
        ),
        _made("HAProxy (HTTP)", NO, "other-protocol", "`HTTP/1.1 400` to the first message", _bad_request),
        _recorded(
            "all connections taken (maxConns)",
            UNKNOWN,
            "closed-without-reply",
            "a close without a byte before anything is sent; no TLS dialogue either",
            "7.1.0/max_conns/sixth",
        ),
        _lab("accepts and stays silent", UNKNOWN, "silent", "no byte, plain and inside TLS", "silent"),
    ]


def _page(page: bytes) -> Callable[[Channel], Awaitable[None]]:
    """An old console: silent until a whole HTTP request is there."""

    async def talk(channel: Channel) -> None:
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
        _made(
            "HTTP console of 3.4 or older, no user",
            NO_DATA,
            "http-console",
            "on port 28017, `GET /`: 200 and the title `mongod <host>`",
            _page(SHOWN),
            console=True,
            local=False,
        ),
        _made(
            "HTTP console of 3.4 or older, asked from loopback",
            UNKNOWN,
            "http-console-on-loopback",
            "the same page, which local clients always get",
            _page(SHOWN),
            console=True,
        ),
        _made(
            "HTTP console with users",
            AUTH,
            "http-console-login",
            'on port 28017, `GET /`: 401 and Digest realm="mongo"',
            _page(LOCKED),
            console=True,
            local=False,
        ),
        _lab("web server", NO, "other-protocol", "the first bytes are `HTTP/`", "http"),
        _lab("SSH", NO, "other-protocol", "the first bytes are `SSH-`", "ssh"),
        _lab("Redis", NO, "other-protocol", "the first bytes are `-ERR`", "redis"),
        _lab("MySQL", NO, "other-protocol", "a MySQL greeting", "mysql"),
        _lab("echo service", NO, "echo", "our own header comes back", "echo"),
        _lab("FerretDB 2, --auth", AUTH, "auth-required", REFUSED, "ferretdb_auth"),
        _lab(
            "Cosmos DB (RU)",
            AUTH,
            "auth-required",
            "listDatabases: 115, not supported prior to authentication",
            "cosmos",
        ),
        _lab(
            "dionaea honeypot",
            UNKNOWN,
            "honeypot-suspected",
            "the handshake's document in answer to listDatabases",
            "honeypot",
        ),
    ]
