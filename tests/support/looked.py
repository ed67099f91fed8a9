"""One server that was looked at nine times, in its own bytes, put to the plan that asks for metadata."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import bson

from scanner.mongo.commands import Command, Request
from scanner.mongo.facts import Depth, Document, Facts, Limits, Reply
from scanner.mongo.identity import identify
from scanner.mongo.metadata import MetadataPlan
from tests.support.recordings import load

if TYPE_CHECKING:
    from results.record import Collection, Exposure, Server

LOOKS = (
    *("1_loaded", "2_nothing_done", "3_written", "4_restarted", "5_wiped"),
    *("6_restored", "7_one_recreated", "8_renamed", "9_compacted"),
)
NOTE = "READ_ME_TO_RECOVER_YOUR_DATA"
FAILED: Document = {"ok": 0.0, "code": 4_999_999, "errmsg": "not in the recording"}


def at(seconds: float) -> datetime:
    """A moment of the minute in which the recording was made."""
    return datetime(2026, 11, 28, 17, 0, tzinfo=UTC) + timedelta(milliseconds=round(seconds * 1000))


class Looked:
    """A server as it answered in one of the looks, and what the plan makes of it.

    `older`: how much longer its process shall have run by then, with all that it says changed to that.
    """

    def __init__(self, look: str, older: timedelta = timedelta(0)) -> None:
        self._said: dict[str, Document] = {
            step.name: bson.decode(step.reply[21:], _AWARE)
            for step in load("8.0.0-alpha", "history")
            if step.node == look and not step.name.endswith("none")
        }
        hello = self._said["hello"]
        if older:
            hello.pop("topologyVersion")
            self._said["serverStatus_counters"]["uptimeMillis"] += older // timedelta(milliseconds=1)
        build = {"version": "8.0.0-alpha", "gitVersion": "abc", "ok": 1.0}
        self.facts = Facts(
            hello=Reply(command="hello", document=hello, by="OP_MSG"),
            build_info=Reply(command="buildInfo", document=build, by="OP_MSG"),
            list_databases=Reply(command="listDatabases", document=self._said["listDatabases"], by="OP_MSG"),
            max_wire_version=hello["maxWireVersion"],
            observed_at=hello["localTime"],
        )
        plan = MetadataPlan(self.facts, Limits(), Depth.COLLECTIONS)
        self.asked: list[Request] = []
        while requests := plan.next_requests(64):
            for request in requests:
                self.asked.append(request)
                answer = Reply(command=request.command, document=self._answer(request), by="OP_MSG")
                plan.answered(request, answer)
        self.exposure: Exposure = plan.exposure()
        self.server: Server = identify(self.facts, is_open=True)
        self.collections: dict[str, Collection] = {
            f"{database.name}.{found.name}": found
            for database in self.exposure.databases
            for found in database.collections
        }

    def _answer(self, request: Request) -> Document:
        names = {
            Command.LIST_COLLECTIONS: "listCollections",
            Command.DB_STATS: "dbStats",
            Command.COLL_STATS_STAGE: "collStats_readers",
            Command.INDEX_STATS: "indexStats_readers",
            Command.NEWEST_ID: "newest_id_readers",
            Command.SERVER_STATUS: "serverStatus_counters",
            Command.TOP: "top",
        }
        name = names.get(request.command, "")
        if request.database == NOTE and request.command is Command.LIST_COLLECTIONS:
            name = "listCollections_note"
        elif request.database not in ("admin", "lecteurs") or request.collection not in ("", "readers"):
            name = ""
        return self._said.get(name, FAILED)


_AWARE: Any = bson.CodecOptions(tz_aware=True)


@cache
def looked(look: str, days: int = 0) -> Looked:
    return Looked(look, timedelta(days=days))
