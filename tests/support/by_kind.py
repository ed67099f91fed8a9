"""Conversations of a probe with one server at depth `databases`, by its kind and in full, without sockets."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import bson
from bson import Int64

from results.lines import to_lines
from scanner.contact import Ending, LocalFault
from scanner.engine.observe import RunContext, observe
from scanner.engine.probe import Probe
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits
from scanner.mongo.first_answers import FirstAnswers
from scanner.mongo.metadata import MetadataPlan
from tests.support.opening import CLIENT, NOON, answer, build, listing, member, of_set
from tests.support.tables import scope_from_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.contact import Token
    from scanner.engine.conversation import Conversation
    from scanner.mongo.transcript import Transcript
    from targets.scope import Target

_ALLOW: Final = {"cidr": "10.20.0.7/32", "owner": "us"}
SCOPE: Final = scope_from_tables([_ALLOW], source="test", now=NOON)
CONTEXT: Final = RunContext("r", SCOPE)
_HEAD: Final = struct.Struct("<iiiiIB")
_REQUEST: Final = struct.Struct("<iiii")


class Link:
    """One connection that nothing travels on: what is written is kept."""

    patient, kind, cut_at = False, None, 0.0

    def __init__(self, target: Target) -> None:
        self.target, self.token, self.talk = target, 5, None
        self.opened_at, self.connect_seconds = 0.0, 0.001
        self.written: list[bytes] = []
        self.closed = self.reopened = False

    def send(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def reopen(self) -> None:
        self.reopened = True

    def restart_reply_clock(self) -> None:
        pass

    def hold(self) -> None:
        pass

    def go_on(self) -> None:
        pass


class Kept:
    """What a probe tells: the lines of the one target, and whether a dialogue was needed for them."""

    lines: Sequence[bytes] = ()
    without_dialogue = False

    def __init__(self) -> None:
        self.faults: list[str] = []

    def on_answer(self, target: Target, token: Token, talk: Conversation) -> None:
        self.lines = to_lines(observe(CONTEXT, target, talk, NOON), read_before=talk.is_plain)
        self.without_dialogue = talk.is_known

    def on_local_fault(self, target: Target, token: Token, fault: LocalFault, detail: str) -> None:
        self.faults.append(detail)

    def on_bug(self, target: Target, token: Token, error: Exception) -> None:
        raise error


def dialogue(
    depth: Depth, limits: Limits, transcript: Transcript | None = None
) -> Callable[[Target], Dialogue]:
    def make(_: Target) -> Dialogue:
        return Dialogue(
            client=CLIENT,
            depth=depth,
            limits=limits,
            loopback=False,
            plan_factory=MetadataPlan,
            transcript=transcript,
        )

    return make


def conversation(
    known: FirstAnswers | None,
    first: bytes,
    then: Callable[[bytes], list[bytes]],
    *,
    ending: Ending | None = None,
    depth: Depth = Depth.DATABASES,
    limits: Limits | None = None,
) -> tuple[list[bytes], Kept]:
    """One server's conversation: what was written, and what came of it. `then` says in which pieces it
    answers the write after the opening; after them the connection ends with `ending`."""
    kept = Kept()
    probe = Probe(kept, dialogue(depth, limits or Limits()), lambda: 1.0, first_answers=known)  # type: ignore[arg-type]
    link: Any = Link(SCOPE.pick(0))
    probe.connected(link)
    probe.received(link, first)
    if not link.closed:
        for piece in then(link.written[-1]):
            if piece and not (link.closed or link.reopened):
                probe.received(link, piece)
    while not link.closed:
        if link.reopened:  # it says nothing on a second connection
            link.reopened = False
            probe.connected(link)
        probe.ended(link, ending or Ending.CLOSED)
    return link.written, kept


def requests(written: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The id and the document of each request of a write."""
    found, at = [], 0
    while at < len(written):
        length, request_id, _, _ = _REQUEST.unpack_from(written, at)
        found.append((request_id, bson.decode(written[at + 21 : at + length])))
        at += length
    return found


def replies(written: bytes, sizes: dict[str, Any], counts: dict[str, dict[str, Any]]) -> bytes:
    """What a server answers to the write: its list with sizes, and dbStats of each database."""
    made = b""
    for number, (request_id, asked) in enumerate(requests(written)):
        said = sizes if "listDatabases" in asked else {"db": asked["$db"], **counts[asked["$db"]], "ok": 1.0}
        made += reply(950 + number, request_id, bson.encode(said))
    return made


def reply(own_id: int, request_id: int, body: bytes) -> bytes:
    """One OP_MSG with this document."""
    return _HEAD.pack(21 + len(body), own_id, request_id, 2013, 0, 0) + body


def list_of(entries: list[dict[str, Any]], total: object = Int64(1_000_000), **own: Any) -> dict[str, Any]:
    return {"databases": entries, "totalSize": total, "ok": 1.0} | own


def entry(name: str, size: object = Int64(40_960), *, empty: object = False) -> dict[str, Any]:
    return {"name": name, "sizeOnDisk": size, "empty": empty}


def stats(documents: object = Int64(12), **own: Any) -> dict[str, Any]:
    """Counts as dbStats of 4.4 and later gives them."""
    return {
        "collections": Int64(2),
        "views": Int64(0),
        "objects": documents,
        "avgObjSize": 20.0,
        "dataSize": 240.0,
        "storageSize": 8192.0,
        "indexes": Int64(2),
        "indexSize": 8192.0,
        "totalSize": 16384.0,
        "scaleFactor": Int64(1),
    } | own


def first_of(*names: str, **own: Any) -> bytes:
    return answer(member(**own), build(**of_set()), listing(*names, **of_set()))


def taught(first: bytes, depth: Depth = Depth.DATABASES, limits: Limits | None = None) -> FirstAnswers:
    """What is known of first answers when one like this has come."""
    limits = limits or Limits()
    known = FirstAnswers(limits, depth)
    made = dialogue(depth, limits)(SCOPE.pick(0))
    made.waits_with_plan = True
    made.connected(Layer.PLAIN)
    made.received(first)
    known.learn(first, made.facts)
    return known


def usual(names: Sequence[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The list with sizes, and the counts of each, of a member of a set."""
    return list_of([entry(name) for name in names], **of_set()), {name: stats(**of_set()) for name in names}
