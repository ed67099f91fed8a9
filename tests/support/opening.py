"""Answers to the opening, and what is made of them: by the general way, and by their kind."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

import bson
from bson import Int64, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS

from results.lines import to_lines
from scanner.engine.conversation import Conversation
from scanner.engine.observe import RunContext, observe
from scanner.mongo.commands import client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.first_answers import facts_of
from tests.support.recordings import scenarios
from tests.support.replay import Replay
from tests.support.tables import scope_from_tables

if TYPE_CHECKING:
    from scanner.mongo.facts import Own
    from scanner.mongo.first_answers import FirstAnswers

CLIENT: Final = client_metadata("Example", "soc@example.com", "0")
NOON: Final = 1_795_521_600.0  # 2026-11-24 12:00 UTC
_REPLY: Final = Struct("<iiiiiqii")
_MSG: Final = Struct("<iiiiIB")
_SCOPE: Final = scope_from_tables(
    [{"cidr": "127.0.0.1/32", "owner": "us", "kind": "lab"}], source="test", now=NOON
)
VANTAGES: Final = ("", "internet")  # what is open is graver by one step from the second
# Of a handshake: nothing that is said depends on what these are.
UNREAD: Final = ("setVersion", "electionId", "connectionId", "operationTime", "$clusterTime")


def dialogue(*, depth: Depth = Depth.VERDICT, loopback: bool = False) -> tuple[Dialogue, bytes]:
    """One that has opened, and its first write."""
    made = Dialogue(client=CLIENT, depth=depth, limits=Limits(), loopback=loopback)
    return made, made.connected(Layer.PLAIN)


def recorded() -> list[bytes]:
    """What real servers answered to the opening, whole."""
    return [Replay(version, scenario).answer(dialogue()[1]).reply for version, scenario in scenarios()]


def answer(hello: dict[str, Any], build: dict[str, Any], listing: dict[str, Any]) -> bytes:
    """The three replies with these documents."""
    first, second, third = map(bson.encode, (hello, build, listing))
    return b"".join(
        (
            _REPLY.pack(36 + len(first), 901, 1, 1, 8, 0, 0, 1) + first,
            _MSG.pack(21 + len(second), 902, 2, 2013, 0, 0) + second,
            _MSG.pack(21 + len(third), 903, 3, 2013, 0, 0) + third,
        )
    )


def of_set(seconds: int = 1_795_521_000) -> dict[str, Any]:
    """What members of a set add to any reply."""
    at = Timestamp(seconds, 1)
    signature = {"hash": bytes(20), "keyId": Int64(0)}
    return {"$clusterTime": {"clusterTime": at, "signature": signature}, "operationTime": at}


def member(**own: Any) -> dict[str, Any]:
    """The handshake of a member of a set, as 5.0 and later give it."""
    at = {"ts": Timestamp(1_795_520_000, 1), "t": Int64(3)}
    return {
        "helloOk": True,
        "topologyVersion": {"processId": ObjectId("6745a1b2c3d4e5f607182930"), "counter": Int64(6)},
        "hosts": ["db-1.example:27017", "db-2.example:27017", "db-3.example:27017"],
        "setName": "rs0",
        "setVersion": 1,
        "ismaster": True,
        "secondary": False,
        "primary": "db-1.example:27017",
        "me": "db-1.example:27017",
        "electionId": ObjectId("7fffffff0000000000000003"),
        "lastWrite": {
            "opTime": at,
            "lastWriteDate": DatetimeMS(1_795_520_000_000),
            "majorityOpTime": at,
            "majorityWriteDate": DatetimeMS(1_795_520_000_000),
        },
        "maxBsonObjectSize": 16777216,
        "maxMessageSizeBytes": 48000000,
        "maxWriteBatchSize": 100000,
        "localTime": DatetimeMS(1_795_521_600_250),
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": 17,
        "minWireVersion": 0,
        "maxWireVersion": 21,
        "readOnly": False,
        "ok": 1.0,
        **of_set(),
    } | own


def build(version: str = "7.0.5", **own: Any) -> dict[str, Any]:
    """What buildInfo says of one version."""
    return {
        "version": version,
        "gitVersion": "a" * 40,
        "modules": [],
        "versionArray": [*map(int, version.split(".")), 0],
        "bits": 64,
        "debug": False,
        "maxBsonObjectSize": 16777216,
        "storageEngines": ["devnull", "wiredTiger"],
        "ok": 1.0,
    } | own


def listing(*names: str, **own: Any) -> dict[str, Any]:
    """A list of databases by their names."""
    return {"databases": [{"name": name} for name in names], "ok": 1.0} | own


def in_full(data: bytes, *, loopback: bool = False) -> Dialogue | None:
    """The dialogue after these bytes by the general way; None where it is not over with them."""
    made, _ = dialogue(loopback=loopback)
    made.received(data)
    return made if made.next is Next.DONE and made.messages_sent == 3 else None


def teach(known: FirstAnswers, data: bytes, *, loopback: bool = False) -> None:
    """Let it learn from an answer, as a sweep does."""
    made, _ = dialogue(loopback=loopback)
    if not made.received(data):
        known.learn(data, made.facts)


def lines(talked: Dialogue) -> list[bytes]:
    """The lines of what a dialogue learned, from each vantage."""
    talk = Conversation(0.0, 0.0)
    talk.dialogue, talk.begun = talked, True
    return _lines(talk)


def lines_by_kind(own: Own) -> list[bytes]:
    """The lines of an answer that is all that was wanted, by its kind, from each vantage."""
    talk = Conversation(0.0, 0.0)
    talk.own, talk.opening_bytes = own, len(dialogue()[1])
    return _lines(talk)


def _lines(talk: Conversation) -> list[bytes]:
    contexts = [RunContext("test", _SCOPE, vantage) for vantage in VANTAGES]
    return [line for context in contexts for line in to_lines(observe(context, _SCOPE.pick(0), talk, NOON))]


def by_kind(own: Own) -> Dialogue:
    """The dialogue that is over with what an answer said by its kind."""
    made = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=own.kind.like.loopback)
    made.opened(facts_of(own))
    return made


def difference(known: FirstAnswers, data: bytes, *, loopback: bool = False) -> str:
    """How what is read by its kind differs from what the general way says; "" where nothing does, or it is
    of no kind that is known."""
    own = known.read(data, loopback=loopback)
    if own is None:
        return ""
    full = in_full(data, loopback=loopback)
    if full is None:
        return "the general way asks on"
    facts, wanted = facts_of(own), lines(full)
    for said in (lines_by_kind(own), lines(by_kind(own))):
        if said != wanted:
            return f"{said!r} and {wanted!r}"
    pairs = (
        (facts.hello, full.facts.hello),
        (facts.build_info, full.facts.build_info),
        (facts.list_databases, full.facts.list_databases),
    )
    for read, decoded in pairs:
        assert read is not None
        assert decoded is not None
        if repr(_read(read.document)) != repr(_read(decoded.document)):  # NaN is not equal to itself
            return f"{read} and {decoded}"
    return ""


def _read(document: dict[str, Any] | None) -> dict[str, Any]:
    """Without what nobody reads."""
    kept = {name: value for name, value in (document or {}).items() if name not in UNREAD}
    for name, part in (("topologyVersion", "processId"), ("lastWrite", "lastWriteDate")):
        if isinstance(kept.get(name), dict):
            kept[name] = {part: kept[name].get(part)}
    return kept
