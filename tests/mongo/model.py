"""A server made of plain dictionaries that answers a plan's requests: any size, any oddity, no bytes.

It also keeps every request, so that a test can say what was never asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from scanner.mongo.commands import Command, Request, list_databases
from scanner.mongo.facts import Depth, Document, Facts, Limits, Reply
from scanner.mongo.metadata import MetadataPlan

if TYPE_CHECKING:
    from results.record import Exposure

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)
Answerer = Callable[[Request], Document]


def object_id(at: datetime) -> ObjectId:
    """An ObjectId of a given second."""
    return ObjectId(int(at.timestamp()).to_bytes(4, "big") + b"\xaa" * 8)


@dataclass
class Coll:
    """One collection of the model."""

    documents: int = 10
    type: str = "collection"
    newest: datetime | None = None
    oldest: datetime | None = None  # None: as the newest
    capped: bool = False
    shards: int = 1
    indexes: dict[str, int] | None = None
    total_index_size: int | None = 4096


@dataclass
class Model:
    """Databases by name, collections by name within, and what to answer in place of the ordinary reply."""

    databases: dict[str, dict[str, Coll]]
    wire: int = 21
    batch: int = 1000
    hello: Document = field(default_factory=dict)
    build: Document = field(default_factory=dict)
    instead: dict[Command, Answerer] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    cursors: dict[int, tuple[str, list[Document]]] = field(default_factory=dict)

    def facts(self) -> Facts:
        """What a dialogue would have learned before the plan begins."""
        hello = {"ismaster": True, "maxWireVersion": self.wire, "helloOk": True, "localTime": NOW, "ok": 1.0}
        names = Reply(command="listDatabases", document=self._list(sizes=self.wire < 3), by="OP_MSG")
        build: Document = {"gitVersion": "abc", "ok": 1.0} | self.build
        return Facts(
            hello=Reply(command="isMaster", document=hello | self.hello, by="OP_REPLY"),
            build_info=Reply(command="buildInfo", document=build, by="OP_MSG"),
            list_databases=names,
            max_wire_version=self.wire,
            observed_at=NOW,
        )

    def run(
        self, limits: Limits | None = None, depth: Depth = Depth.COLLECTIONS, window: int = 64
    ) -> Exposure:
        """Play a whole plan, and give back what it made of it."""
        plan = MetadataPlan(self.facts(), limits or Limits(), depth)
        self.play(plan, window)
        return plan.exposure()

    def play(self, plan: MetadataPlan, window: int = 64, most: int = 100_000) -> None:
        """Answer until the plan is through, or `most` requests."""
        while requests := plan.next_requests(window):
            assert len(requests) <= window
            for request in requests:
                plan.answered(request, self.reply(request))
            if len(self.asked) >= most:
                return

    def reply(self, request: Request) -> Reply:
        """The reply to one request."""
        self.asked.append(request)
        answer = self.instead.get(request.command) or self.ordinary
        return Reply(command=request.command, document=answer(request), by="OP_MSG")

    def ordinary(self, request: Request) -> Document:
        """What a healthy server says."""
        if request == list_databases(name_only=False):
            return self._list(sizes=True)
        if request.command is Command.SERVER_STATUS:
            return {"localTime": NOW, "uptimeMillis": 86_400_000, "opcounters": {"insert": 7}, "ok": 1.0}
        if request.command is Command.TOP:
            return {"totals": {"note": "all times in microseconds"}, "ok": 1.0}
        collections = self.databases[request.database]
        match request.command:
            case Command.DB_STATS:
                total = sum(found.documents for found in collections.values())
                return {"objects": total, "storageSize": 4096.0, "indexSize": 4096.0, "ok": 1.0}
            case Command.LIST_COLLECTIONS:
                every: list[Document] = [{"name": n, "type": c.type} for n, c in collections.items()]
                return self._cursor(request.database, every, "firstBatch")
            case Command.GET_MORE:
                database, rest = self.cursors.pop(request.arguments["cursor_id"])
                return self._cursor(database, rest, "nextBatch")
            case Command.LEGACY_NAMESPACES:
                return self._namespaces(request.database)
        found = collections[request.collection]
        if request.arguments.get("beyond"):
            return {"cursor": {"id": 0, "firstBatch": []}, "ok": 1.0}
        if request.command is Command.INDEX_STATS:
            return {"cursor": {"id": 0, "firstBatch": []}, "ok": 1.0}
        if request.command is Command.COUNT:
            return {"n": float(found.documents), "ok": 1.0}
        if request.command in (Command.COLL_STATS, Command.COLL_STATS_STAGE):
            return self._statistics(request, found)
        return self._newest(request, found)

    def _list(self, *, sizes: bool) -> Document:
        listed: list[Document] = [{"name": name} for name in self.databases]
        if sizes:
            for entry in listed:
                entry |= {"sizeOnDisk": 8192.0, "empty": not self.databases[entry["name"]]}
        return {"databases": listed, "ok": 1.0}

    def _cursor(self, database: str, entries: list[Document], key: str) -> Document:
        here, rest = entries[: self.batch], entries[self.batch :]
        number = len(self.cursors) + 1000 if rest else 0
        if rest:
            self.cursors[number] = (database, rest)
        return {"cursor": {"id": number, "ns": f"{database}.$cmd.listCollections", key: here}, "ok": 1.0}

    def _namespaces(self, database: str) -> Document:
        names = [f"{database}.system.indexes"]
        for name in self.databases[database]:
            names += [f"{database}.{name}", f"{database}.{name}.$_id_"]
        return {"cursor": {"id": 0, "firstBatch": [{"name": name} for name in names]}, "ok": 1.0}

    def _statistics(self, request: Request, found: Coll) -> Document:
        stats: Document = {"size": 100 * found.documents, "storageSize": 4096, "capped": found.capped}
        if found.indexes is not None:
            stats["indexSizes"] = found.indexes
        if found.total_index_size is not None:
            stats["totalIndexSize"] = found.total_index_size
        if request.command is Command.COLL_STATS:
            return stats | {"count": found.documents, "ok": 1.0}
        part = {"shard": "s", "count": found.documents, "storageStats": stats}
        return {"cursor": {"id": 0, "firstBatch": [part] * found.shards}, "ok": 1.0}

    def _newest(self, request: Request, found: Coll) -> Document:
        batch: list[dict[str, Any]] = []
        end = found.oldest if "oldest" in request.command and found.oldest is not None else found.newest
        if end is not None:
            dated = request.command in (Command.NEWEST_DATE, Command.OLDEST_DATE)
            batch = [{"t": end} if dated else {"_id": object_id(end)}]
        return {"cursor": {"id": 0, "firstBatch": batch}, "ok": 1.0}


def error(code: int, words: str = "refused") -> Answerer:
    """An answerer that always fails."""
    return lambda _: {"ok": 0.0, "code": code, "errmsg": words}


def magazine(**changes: object) -> Model:
    """The magazine: many readers, a note of a day later, a view."""
    model = Model(
        {
            "admin": {"system.version": Coll()},
            "lecteurs": {
                "abonnes": Coll(693_000, newest=YESTERDAY),
                "logs": Coll(5),
                "v": Coll(0, type="view"),
            },
            "READ__ME_TO_RECOVER_YOUR_DATA": {"README": Coll(1, newest=NOW)},
        }
    )
    for name, value in changes.items():
        setattr(model, name, value)
    return model
