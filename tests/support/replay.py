"""A server that answers from a recording: bytes of requests in, the recorded bytes of the reply out.

It decodes with `bson` and knows nothing of our own wire code, so that both are not wrong in the same way.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import bson
from bson import ObjectId

from tests.support.recordings import Step, load

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_RECORDED = 4_999_999  # the error code of a reply that the recording does not have
_OPERATIONS = ("latencyStats.reads.ops", "latencyStats.writes.ops")  # not among what was recorded with sizes
_ALWAYS_IGNORED = ("client", "maxTimeMS", "$maxTimeMS", "$db", "apiVersion", *_OPERATIONS)
_ARGUMENTS = ("$readPreference", "cursor", "batchSize", "authorizedCollections", "helloOk", "scale")
# Recordings that lack the handshake or buildInfo of the very same server: where those stand.
_SAME_SERVER = {"open_profile": "open_data", "tls": "open_empty"}
_ANSWERING = frozenset({"query", "msg", "pref", "legacy", "page"})


class Message(NamedTuple):
    """One request as a server reads it."""

    request_id: int
    opcode: int
    namespace: str
    documents: list[dict[str, Any]]

    @property
    def command(self) -> str:
        """The command's name; "find" for a legacy find."""
        if self.opcode == 2004 and not self.namespace.endswith(".$cmd"):
            return "find"
        return next(iter(self.documents[0]), "")


class Answer(NamedTuple):
    """What the peer does: these bytes, then it hangs up (`closed`), or not. No bytes: it stays silent."""

    reply: bytes
    closed: bool


def split(data: bytes) -> Iterator[bytes]:
    """The whole messages at the beginning of `data`."""
    while len(data) >= 16:
        length = int.from_bytes(data[:4], "little", signed=True)
        if not 16 <= length <= len(data):
            return
        yield data[:length]
        data = data[length:]


def parse(message: bytes) -> Message | None:
    """Read one OP_QUERY or OP_MSG; None for anything else."""
    _, request_id, _, opcode = struct.unpack_from("<iiii", message)
    try:
        if opcode == 2004:
            end = message.index(0, 20)
            namespace = message[20:end].decode()
            return Message(request_id, opcode, namespace, bson.decode_all(message[end + 9 :]))
        if opcode == 2013 and message[16:21] == b"\x00\x00\x00\x00\x00":
            document = bson.decode(message[21:])
            return Message(request_id, opcode, f"{document.get('$db')}.$cmd", [document])
    except (bson.errors.BSONError, UnicodeDecodeError, ValueError):
        return None
    return None


def _plain(value: Any) -> Any:
    """Without the ids and times that differ from one recording to the next."""
    if isinstance(value, dict):
        if "serverStatus" in value:
            return {"serverStatus": 1}  # sections were left out, others than we leave out
        if "storageStats" in value:
            value = {key: inner for key, inner in value.items() if key != "latencyStats"}
        return {key: _plain(inner) for key, inner in value.items() if key not in _ALWAYS_IGNORED}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return "ObjectId" if isinstance(value, ObjectId) else value


def _loose(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _ARGUMENTS and key != "$query"}


def _distance(asked: Message, recorded: Message) -> int | None:
    """0 for the same request, more for a less alike one, None for another request altogether."""
    if (asked.opcode, asked.namespace, asked.command) != (
        recorded.opcode,
        recorded.namespace,
        recorded.command,
    ):
        return None
    mine, theirs = _plain(asked.documents[0]), _plain(recorded.documents[0])
    if mine == theirs:
        return 0
    if _loose(mine) != _loose(theirs):
        return None
    same_preference = mine.get("$readPreference") == theirs.get("$readPreference")
    same_batch = _batch(mine) >= 100 or _batch(theirs) >= 100
    return 1 + 2 * (not same_preference) + (not same_batch)


def _batch(document: dict[str, Any]) -> int:
    cursor = document.get("cursor")
    return int(cursor.get("batchSize", 100)) if isinstance(cursor, dict) else 100


_HANDSHAKES = frozenset({"isMaster", "hello", "buildInfo"})


def _script(steps: list[Step], only: frozenset[str] | None = None) -> list[tuple[Message, Step]]:
    return [
        (message, step)
        for step in steps
        if step.family in _ANSWERING and len(list(split(step.request))) == 1
        if (message := parse(step.request)) is not None and (only is None or message.command in only)
    ]


@dataclass
class Replay:
    """One node of one recording as a server. `unknown` gathers requests that the recording does not have."""

    version: str
    scenario: str
    node: str = ""
    unknown: list[Message] = field(default_factory=list)
    seen: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps: list[Step] = [s for s in load(self.version, self.scenario) if s.node == self.node]
        self._script = _script(self.steps)
        if self.scenario in _SAME_SERVER:
            self._script += _script(list(load(self.version, _SAME_SERVER[self.scenario])), _HANDSHAKES)
        self._known: dict[bytes, tuple[Message | None, Step | None]] = {}
        self._pending = b""

    @property
    def closes_at_once(self) -> bool:
        """True for a server that hangs up before anything was sent (all its connections are taken)."""
        return any(step.name == "silent" and step.end == "closed" for step in self.steps)

    def connect(self) -> Answer:
        """A new connection: forget half a request, and say what happens before any byte was sent."""
        self._pending = b""
        return Answer(b"", self.closes_at_once)

    def answer(self, request: bytes) -> Answer:
        """The replies to all whole requests in what came so far on this connection, back to back."""
        self._pending += request
        replies: list[bytes] = []
        for raw in list(split(self._pending)):
            self._pending = self._pending[len(raw) :]
            key = raw[:4] + raw[8:]  # all but the id
            if key not in self._known:
                parsed = parse(raw)
                self._known[key] = (parsed, self._find(parsed) if parsed is not None else None)
            message, step = self._known[key]
            if message is not None:
                message = message._replace(request_id=int.from_bytes(raw[4:8], "little"))
                self.seen.append(message)
            if step is not None and step.end in ("closed", "reset"):
                return Answer(b"".join([*replies, step.reply]), closed=True)
            if message is not None:
                replies.append(self._reply(message, step))
            if step is not None and step.after == "closed":
                return Answer(b"".join(replies), closed=True)
        return Answer(b"".join(replies), closed=False)

    def _find(self, asked: Message) -> Step | None:
        best: tuple[int, Step] | None = None
        for recorded, step in self._script:
            distance = _distance(asked, recorded)
            if distance is not None and (best is None or distance < best[0]):
                best = (distance, step)
        return best[1] if best else None

    def _reply(self, message: Message, step: Step | None) -> bytes:
        if step is None and message.opcode == 2013 and self.version.startswith("2."):
            return b""  # 2.6 says nothing at all to any OP_MSG
        if step is None:
            self.unknown.append(message)
            return self._not_recorded(message)
        reply = bytearray(step.reply)
        if len(reply) >= 16:
            reply[8:12] = struct.pack("<i", message.request_id)
        return bytes(reply)

    @staticmethod
    def _not_recorded(message: Message) -> bytes:
        body = bson.encode({"ok": 0.0, "errmsg": "not in the recording", "code": NOT_RECORDED})
        return reply_to(message, body)


def reply_to(message: Message, body: bytes, flags: int = 8) -> bytes:
    """A reply in kind that carries `body`, one BSON document."""
    if message.opcode == 2013:
        return struct.pack("<iiiiIB", 21 + len(body), 77, message.request_id, 2013, 0, 0) + body
    head = struct.pack("<iiii", 36 + len(body), 77, message.request_id, 1)
    return head + struct.pack("<iqii", flags, 0, 0, 1) + body
