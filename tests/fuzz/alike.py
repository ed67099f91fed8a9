"""Fuzz target `alike`: one server looked at twice, its replies read whole and by the shapes known by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import bson
from bson import Int64, ObjectId
from bson.binary import Binary

from scanner.contact import Ending
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.reply_shapes import SHAPES
from scanner.mongo.transcript import Transcript
from tests.fuzz.observing import observation
from tests.fuzz.oracle import must
from tests.fuzz.source import DATES, NOT_BSON, Source
from tests.support.by_kind import SCOPE, dialogue, entry, first_of, list_of, reply, requests, stats
from tests.support.opening import of_set

if TYPE_CHECKING:
    from datetime import datetime

    from results.record import Exposure

DATABASES: Final = ("shop", "crm", "customers", "local", "admin", "logs")
COLLECTIONS: Final = ("orders", "people", "things", "READ_ME", "users", "a.b", "system.views")
KINDS: Final = ("collection", "collection", "collection", "view", "timeseries")
WIRES: Final = (21, 21, 21, 25, 13, 7, 6)  # what does not fit the version gets other forms of questions
NOW: Final[datetime] = DATES[0]
MOST: Final = 60  # writes of one look


class Look(NamedTuple):
    """What was written, and the exposure that came of it."""

    written: list[bytes]
    exposure: Exposure | None


def run(data: bytes) -> None:
    """One input: a server, and what is wrong with what it says."""
    SHAPES._known.clear()  # what another input taught must not decide about this one
    source = Source(data)
    server = _Server(source)
    in_full = _look(server, Transcript())
    by_shape = _look(server, None)
    must(in_full.written == by_shape.written, "other requests than where all is read whole")
    must(in_full.exposure == by_shape.exposure, "two records", in_full.exposure, by_shape.exposure)


def _look(server: _Server, transcript: Transcript | None) -> Look:
    talk = dialogue(Depth.COLLECTIONS, Limits(), transcript)(SCOPE.pick(0))
    talk.facts.observed_at = NOW
    written = [talk.connected(Layer.PLAIN)]
    out = talk.received(first_of(*server.names, maxWireVersion=server.wire))
    while out and talk.next is Next.WAIT and len(written) < MOST:
        written.append(out)
        out = talk.received(server.answer(out))
    talk.abort(Ending.TIMEOUT)
    return Look(written, observation(talk).exposure)


class _Server:
    """Answers a request alike whenever it comes. What it says to a command, it mostly says of all names."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answers: dict[bytes, bytes] = {}
        self._usual: dict[str, dict[str, Any]] = {}
        self.wire = WIRES[source.below(len(WIRES))]
        self.names = sorted({DATABASES[source.below(len(DATABASES))] for _ in range(1 + source.below(4))})
        found = [COLLECTIONS[source.below(len(COLLECTIONS))] for _ in range(1 + source.below(6))]
        self._collections = [(name, KINDS[source.below(len(KINDS))]) for name in dict.fromkeys(found)]

    def answer(self, written: bytes) -> bytes:
        """The replies to one write."""
        made, at = [], 0
        for request_id, asked in requests(written):
            message = written[at : at + int.from_bytes(written[at : at + 4], "little")]
            at += len(message)
            if message not in self._answers:
                self._answers[message] = reply(9, request_id, self._say(asked))
            made.append(self._answers[message])
        return b"".join(made)

    def _say(self, asked: dict[str, Any]) -> bytes:
        command = next(iter(asked))
        stage = next(iter(asked["pipeline"][0])) if command == "aggregate" else ""
        about = f"{asked['$db']}.{asked[command]}"
        said = _document(command, stage, asked, self._collections)
        if command + stage not in self._usual:
            self._usual[command + stage] = self._odd(160)
        for path, value in (*self._usual[command + stage].items(), *self._odd(12).items()):
            _put(said, path.split("/"), value)
        try:
            return bson.encode(_named(said, about))
        except NOT_BSON:
            return bson.encode({"ok": 1.0})

    def _odd(self, below: int) -> dict[str, Any]:
        """By path, values that stand there in place of the usual ones: none where the next byte is not
        `below` that."""
        source = self._source
        if source.byte() >= below:
            return {}
        return {PATHS[source.below(len(PATHS))]: source.value() for _ in range(1 + source.below(2))}


PATHS: Final = (
    *("objects", "indexSize", "storageSize", "totalSize", "fileSize", "numExtents", "ok", "code"),
    *("databases/0/sizeOnDisk", "databases/0/empty", "databases/0/name", "cursor/id", "cursor/firstBatch"),
    *("cursor/firstBatch/0", "cursor/firstBatch/1"),
    *("cursor/firstBatch/0/count", "cursor/firstBatch/0/shard"),
    *(f"cursor/firstBatch/0/storageStats/{name}" for name in ("count", "size", "storageSize", "capped")),
    "cursor/firstBatch/0/storageStats/totalIndexSize",
    "cursor/firstBatch/0/storageStats",
    "cursor/firstBatch/0/latencyStats/reads/ops",
    "cursor/firstBatch/0/latencyStats/writes/ops",
    *(f"cursor/firstBatch/0/{name}" for name in ("t", "_id", "name", "type", "info", "options", "key")),
    "cursor/firstBatch/0/accesses",
    "cursor/firstBatch/0/accesses/ops",
    "cursor/firstBatch/0/accesses/since",
    "cursor/firstBatch/1/accesses/since",
    *("cursor", "databases", "errmsg", "codeName", "$err", "count", "n", "size", "indexSizes"),
    *("cursor/nextBatch", "cursor/firstBatch/0/errmsg", "cursor/firstBatch/0/storageStats/indexSizes"),
    *("localTime", "uptimeMillis", "opcounters", "connections", "totals"),
)


def _put(within: Any, path: list[str], value: Any) -> None:
    """Put a value where this path leads, if it leads anywhere."""
    *way, last = path
    for step in way:
        if isinstance(within, list):
            within = within[int(step)] if step.isdigit() and int(step) < len(within) else None
        else:
            within = within.get(step) if isinstance(within, dict) else None
    if isinstance(within, dict):
        within[last] = value
    elif isinstance(within, list) and last.isdigit() and int(last) < len(within):
        within[int(last)] = value


def _named(said: dict[str, Any], about: str) -> dict[str, Any]:
    """The answer with the name of what it is about in it, as servers put it."""
    cursor = said.get("cursor")
    if isinstance(cursor, dict):
        cursor["ns"] = about
    return said


def _document(
    command: str, stage: str, asked: dict[str, Any], collections: list[tuple[str, str]]
) -> dict[str, Any]:
    """What a plain server says."""
    if command == "listDatabases":
        return list_of([entry(name) for name in ("shop", "crm")], **of_set())
    if command == "dbStats":
        return {"db": asked["$db"], **stats(**of_set()), "ok": 1.0}
    if command == "listCollections":
        return _batch(*(_listed(name, kind) for name, kind in collections))
    if stage == "$collStats":
        return _batch(_part(asked["aggregate"]))
    if stage == "$indexStats":
        return _batch(_row("_id_", {"_id": 1}), _row("by_mail", {"mail": 1}))
    if command == "aggregate":
        return _batch({"t": NOW})
    if command == "find":
        return _batch({"_id": ObjectId("6745a1b2c3d4e5f607182930")})
    if command == "count":
        return {"n": 7, "ok": 1.0}
    if command == "collStats":
        return {**_part(asked[command])["storageStats"], "indexSizes": {"_id_": 4096}, "ok": 1.0}
    if command == "serverStatus":
        return {"localTime": NOW, "uptimeMillis": Int64(9_000_000), "opcounters": {"query": 4}, "ok": 1.0}
    return {"ok": 0.0, "code": 59, "errmsg": "no such command"}


def _batch(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"cursor": {"firstBatch": list(rows), "id": Int64(0), "ns": ""}, "ok": 1.0, **of_set()}


def _listed(name: str, kind: str) -> dict[str, Any]:
    info = {"readOnly": False, "uuid": Binary(name.encode().ljust(16, b"\1"), 4)}
    index = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    return {"name": name, "type": kind, "options": {}, "info": info, "idIndex": index}


def _part(name: str) -> dict[str, Any]:
    used = {"latency": Int64(5), "ops": Int64(3)}
    return {
        "ns": name,
        "host": "db-1.example:27017",
        "localTime": NOW,
        "latencyStats": {"reads": used, "writes": dict(used), "commands": dict(used)},
        "storageStats": {
            "size": 700,
            "count": len(name),
            "storageSize": Int64(4096),
            "totalIndexSize": 4096,
            "capped": False,
        },
        "count": len(name),
    }


def _row(name: str, key: dict[str, int]) -> dict[str, Any]:
    accesses = {"ops": Int64(9), "since": NOW}
    return {"name": name, "key": key, "host": "db-1.example:27017", "accesses": accesses}
