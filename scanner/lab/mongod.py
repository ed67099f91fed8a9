"""A simulated MongoDB: reads messages as a mongod does, passes its gates in its order, answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId

from scanner.lab import answers, counters, errors, reads, wire
from scanner.lab.hello import cluster_time, hello, metadata_fault
from scanner.lab.profile import PRIMARIES, UNREADABLE, Access, Profile, Role, decorate
from scanner.lab.server import http_page
from scanner.lab.wire import ClientMessage, Document

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.channel import ServerConnection
    from scanner.lab.versions import Release

HELLO = frozenset({"hello", "isMaster", "ismaster"})
# Answered to anyone, logged in or not (recorded on 4.0.3 and 7.1).
PUBLIC = HELLO | {"ping", "whatsmyuri", "getnonce", "connectionStatus", "endSessions"}
ADMIN_ONLY = frozenset({"listDatabases", "replSetGetStatus", "getCmdLineOpts", "top"})
BY_OLD_QUERY = HELLO | {"buildInfo", "buildinfo", "_isSelf", "authenticate", "saslStart", "saslContinue"}
NEEDS_OPT_IN = frozenset({"listDatabases", "listCollections", "count", "find", "aggregate", "listIndexes"})
STATISTICS = frozenset({"dbStats", "dbstats", "collStats", "collstats"})
SILENCE = b""


@dataclass(slots=True)
class Session:
    """What a server remembers of one connection."""

    number: int
    peer: str
    introduced: bool = False  # client metadata has been sent


class Mongod:
    """One simulated MongoDB; `talk` serves any number of connections at once."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.cursors = reads.Cursors()
        begun = int(profile.started.timestamp()).to_bytes(4, "big")
        self.process = ObjectId(begun + ObjectId().binary[4:])
        self._commands = self._table()

    async def talk(self, channel: ServerConnection) -> None:
        """Answer until the client leaves or breaks the protocol."""
        session = Session(channel.number, f"{channel.peer[0]}:{channel.peer[1]}")
        late = True
        while (raw := await self.next_message(channel)) is not None:
            channel.note(raw)
            if late and self.profile.delay:
                await asyncio.sleep(self.profile.delay)
            late = not channel.held  # what came in the same burst is late already
            answered = await self.respond(raw, session)
            if answered is None:
                return
            if answered:
                await channel.send(answered)

    async def next_message(self, channel: ServerConnection) -> bytes | None:
        """The next whole message; None when the connection must be closed.

        Lengths out of bounds and a responseTo that is neither 0 nor -1 close at once, without a byte
        (recorded on 4.0.3); 2.x stays silent (recorded on 2.6.0-rc1).
        """
        begin = await channel.peek(16)
        if begin.startswith(b"GET "):
            await self._show_page(channel)
            return None
        if len(begin) < 16:
            return None
        length, _, response_to, _ = wire.HEADER.unpack(begin)
        if response_to not in (0, -1):
            return None
        if not 16 <= length <= wire.MAX_MESSAGE:
            while not self.profile.version.at_least(3, 0) and await channel.recv():
                pass
            return None
        return await channel.recv_exactly(length)

    async def _show_page(self, channel: ServerConnection) -> None:
        version = self.profile.version
        text = b"It looks like you are trying to access MongoDB over HTTP on the native driver port."
        if not version.at_least(2, 5, 1):
            text = (
                b"You are trying to access MongoDB on the native driver port. "
                b"For http diagnostic access, add 1000 to the port number"
            )
        await channel.send(http_page(text + (b"\r\n" if version.at_least(3, 6, 4) else b"\n")))

    async def respond(self, raw: bytes, session: Session) -> bytes | None:
        """The bytes of the answer; empty: nothing is said; None: the connection is closed."""
        request = wire.parse(raw)
        profile = self.profile
        if request.opcode == wire.OP_MSG and not profile.version.speaks_msg:
            return SILENCE if not profile.version.at_least(3, 0) else None
        if request.opcode == wire.OP_GET_MORE:
            return self._old_get_more(request)
        if request.opcode not in (wire.OP_MSG, wire.OP_QUERY):
            return SILENCE if not profile.version.at_least(3, 0) else None
        if request.opcode == wire.OP_MSG and request.flags & 0xFFFC:
            return None
        if not request.is_command:
            return self._old_read(request)
        await _await_change(request)
        document = self.command(request, session)
        silent = request.opcode == wire.OP_MSG and request.flags & wire.MORE_TO_COME
        return SILENCE if silent else wire.answer(request, document)

    def command(self, request: ClientMessage, session: Session) -> Document:
        """The answer to a command, with what the release adds to all answers."""
        if request.opcode == wire.OP_QUERY and "$query" in request.document:
            inner = dict(request.document["$query"])
            inner["$readPreference"] = request.document.get("$readPreference")
            request = _with(request, inner)
        return decorate(self.profile, self._gated(request, session), cluster_time(self.profile))

    def _gated(self, request: ClientMessage, session: Session) -> Document:
        name, profile = request.command, self.profile
        for gate in (self._form_gate, self._name_gate, self._login_gate, self._state_gate):
            refusal = gate(request, name)
            if refusal is not None:
                return refusal
        if name in HELLO:
            return self._hello(request, session)
        if name == "whatsmyuri":
            return {"you": session.peer, "ok": 1.0}
        answer = self._commands[name](request)
        if profile.access is Access.EXCEPTION and not reads.reads_allowed(profile) and name not in PUBLIC:
            allowed = name in {"listDatabases", "buildInfo", "buildinfo"}
            text = shown(request, profile.version)
            return answer if allowed else errors.not_authorized(profile.version, request.database, text)
        return answer

    def _form_gate(self, request: ClientMessage, name: str) -> Document | None:
        if (
            request.opcode == wire.OP_QUERY
            and self.profile.version.refuses_query
            and name not in BY_OLD_QUERY
        ):
            return errors.unsupported_query(self.profile.version, name)
        return None

    def _name_gate(self, request: ClientMessage, name: str) -> Document | None:
        profile = self.profile
        known = name in self._commands or name in PUBLIC
        if not known or (name == "hello" and not profile.version.knows_hello):
            router = profile.role is Role.MONGOS
            return errors.no_such_command(profile.version, name, request.document, router=router)
        if name in ADMIN_ONLY and request.database != "admin":
            if not profile.version.codes:
                return {"errmsg": "access denied; use admin db", "ok": 0.0}
            return errors.error(profile.version, 13, f"{name} may only be run against the admin database.")
        return None

    def _login_gate(self, request: ClientMessage, name: str) -> Document | None:
        profile = self.profile
        missing_api = profile.require_api and "apiVersion" not in request.document
        if missing_api and name not in HELLO and name != "getMore":
            text = "The apiVersion parameter is required, please configure your MongoClient's API version"
            return errors.error(profile.version, 498870, text)
        if profile.access is not Access.LOCKED:
            return None
        free = name in PUBLIC or name.startswith("sasl")
        if name in ("buildInfo", "buildinfo"):
            free = not profile.version.at_least(8, 1)
        if free:
            return None
        return errors.login_needed(profile.version, name, request.database, shown(request, profile.version))

    def _state_gate(self, request: ClientMessage, name: str) -> Document | None:
        profile = self.profile
        if name == "listDatabases" and (refusal := answers.unknown_field(profile, request.document)):
            return refusal
        if profile.role in PRIMARIES or name not in NEEDS_OPT_IN | STATISTICS:
            return None
        version, recovering = profile.version, profile.role is Role.RECOVERING
        relaxed = not version.at_least(3, 0) and name == "listDatabases"
        refusal = None
        relaxed = relaxed or request.database == "local"
        if name in NEEDS_OPT_IN and not relaxed and not opted_in(request):
            refusal = errors.not_primary(version)
        elif profile.role in UNREADABLE and not (name == "listCollections" and request.database == "local"):
            reads_data = name in ("count", "find")
            if reads_data or (version.at_least(4, 4) and name in NEEDS_OPT_IN | STATISTICS):
                refusal = errors.not_readable(version, recovering=recovering)
        if refusal is not None and version.at_least(4, 4):
            return {"topologyVersion": {"processId": self.process, "counter": bson.Int64(6)}, **refusal}
        return refusal

    def _hello(self, request: ClientMessage, session: Session) -> Document:
        profile, client = self.profile, request.document.get("client")
        if client is not None and profile.version.at_least(3, 4):
            fault = metadata_fault(client)
            if fault is not None:
                text = f"Missing required field '{fault}' in the client metadata document"
                return errors.error(profile.version, 183, text)
            if session.introduced:
                text = "The client metadata document may only be sent in the first hello"
                return errors.error(profile.version, 186, text)
            session.introduced = True
        return hello(
            profile,
            legacy=request.command != "hello",
            hello_ok=bool(request.document.get("helloOk")),
            connection=session.number,
            process=self.process,
        )

    def _old_get_more(self, request: ClientMessage) -> bytes:
        if self.profile.version.refuses_query:
            document = bson.encode(errors.unsupported_read("OP_GET_MORE"))
            return wire.reply(request.request_id, document, flags=wire.QUERY_FAILURE)
        return wire.reply(request.request_id, flags=1)  # CursorNotFound, no document

    def _old_read(self, request: ClientMessage) -> bytes:
        profile, failure = self.profile, None
        if profile.version.refuses_query:
            failure = errors.unsupported_read("OP_QUERY")
        elif profile.access is Access.LOCKED or not reads.reads_allowed(profile):
            failure = errors.login_needed_to_read(profile.version, request.namespace)
        elif profile.role in UNREADABLE:
            text = "not master or secondary; cannot currently read from this replSet member"
            failure = errors.query_failure(13436, text)
        elif profile.role is Role.SECONDARY and not opted_in(request):
            failure = errors.query_failure(13435, "not master and slaveOk=false")
        if failure is not None:
            return wire.reply(request.request_id, bson.encode(failure), flags=wire.QUERY_FAILURE)
        found = reads.legacy_find(
            profile, request.namespace, request.document, request.fields, request.number_to_return
        )
        flags = reads.read_flags(profile)
        return wire.reply(request.request_id, *(bson.encode(each) for each in found), flags=flags)

    def _table(self) -> dict[str, Callable[[ClientMessage], Document]]:
        profile, cursors = self.profile, self.cursors

        def plain(function: Callable[..., Document], *first: Any) -> Callable[[ClientMessage], Document]:
            return lambda request: function(*first, request.document, request.database)

        def fixed(document: Document) -> Callable[[ClientMessage], Document]:
            return lambda _: document

        table: dict[str, Callable[[ClientMessage], Document]] = {
            "buildInfo": lambda _: profile.version.build_info(),
            "listDatabases": lambda request: answers.list_databases(profile, request.document),
            "dbStats": lambda request: answers.db_stats(profile, request.database),
            "collStats": plain(answers.coll_stats, profile),
            "count": plain(answers.count, profile),
            "aggregate": plain(reads.aggregate, profile, cursors),
            "serverStatus": lambda request: counters.server_status(profile, request.document),
            "ping": fixed({"ok": 1.0}),
            "endSessions": fixed({"ok": 1.0}),
            "getnonce": fixed({"nonce": "b768baa2c430a6fa", "ok": 1.0}),
            "connectionStatus": fixed(
                {"authInfo": {"authenticatedUsers": [], "authenticatedUserRoles": []}, "ok": 1.0}
            ),
            "replSetGetStatus": fixed(errors.error(profile.version, 76, "not running with --replSet")),
            "saslStart": fixed(errors.error(profile.version, 18, "Authentication failed.")),
        }
        if profile.version.at_least(3, 0):
            table["listCollections"] = plain(reads.list_collections, profile, cursors)
            table["listIndexes"] = plain(reads.list_indexes, profile, cursors)
        if profile.version.at_least(3, 2):
            table["find"] = plain(reads.find, profile, cursors)
            table["getMore"] = plain(cursors.more, profile)
            table["killCursors"] = lambda request: cursors.kill(request.document)
        if profile.role is Role.MONGOS:
            table["isdbgrid"] = fixed({"isdbgrid": 1, "hostname": profile.host, "ok": 1.0})
        else:
            table["top"] = lambda _: counters.top(profile)
        table.update({name.lower(): table[name] for name in ("buildInfo", "dbStats", "collStats")})
        return table


def shown(request: ClientMessage, version: Release) -> Document:
    """The command as the server prints it: 3.6 and later turn an OP_QUERY into an OP_MSG first."""
    if request.opcode == wire.OP_MSG or version.level < 6:
        return request.document
    opt_in: Document = {}
    if request.flags & wire.SECONDARY_OK:
        opt_in = {"$readPreference": {"mode": "secondaryPreferred"}}
    return {**request.document, **opt_in, "$db": request.database}


def opted_in(request: ClientMessage) -> bool:
    """Whether the client said that a secondary may answer."""
    if request.opcode == wire.OP_QUERY and request.flags & wire.SECONDARY_OK:
        return True
    preference = request.document.get("$readPreference")
    return isinstance(preference, dict) and preference.get("mode", "primary") != "primary"


async def _await_change(request: ClientMessage) -> None:
    """A hello with `topologyVersion` waits for a change that never comes, until its time is over."""
    wait = request.document.get("maxAwaitTimeMS")
    if request.command in HELLO and "topologyVersion" in request.document and isinstance(wait, int):
        await asyncio.sleep(min(wait, 10_000) / 1000)


def _with(request: ClientMessage, document: Document) -> ClientMessage:
    return ClientMessage(
        opcode=request.opcode,
        request_id=request.request_id,
        response_to=request.response_to,
        flags=request.flags,
        namespace=request.namespace,
        document=document,
        raw=request.raw,
    )
