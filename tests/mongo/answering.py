"""A small server for tests of what its answers mean: honest documents, each of which a test may replace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.identity import identify
from scanner.mongo.judge import judge
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.severity import assess
from tests.mongo.talks import CLIENT
from tests.support.converse import converse
from tests.support.scripted import Script, Scripted

if TYPE_CHECKING:
    from results.record import Exposure, Reason, Server
    from results.verdict import Severity, Verdict

Doc = dict[str, Any]
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HELLO: Doc = {
    "ismaster": True,
    "helloOk": True,
    "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
    "localTime": NOW,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "ok": 1.0,
}
BUILD: Doc = {"version": "7.0.900", "gitVersion": "b6513ce0781db6818e24619e8a461eae90bc94fc", "ok": 1.0}
LISTED: Doc = {"databases": [{"name": "library", "sizeOnDisk": 81920, "empty": False}], "ok": 1.0}
STATS: Doc = {"collections": 1, "objects": 70, "storageSize": 40960, "indexSize": 40960, "ok": 1.0}
PART: Doc = {
    "count": 70,
    "storageStats": {"size": 7000, "count": 70, "storageSize": 40960, "totalIndexSize": 40960},
}


def cursor(*batch: Any, key: str = "firstBatch") -> Doc:
    """A reply with a batch."""
    return {"cursor": {"id": 0, "ns": "library.$cmd.listCollections", key: list(batch)}, "ok": 1.0}


def failure(code: int, text: str = "it failed") -> Doc:
    """An error's document."""
    return {"ok": 0.0, "code": code, "errmsg": text}


def honest(**changes: Script) -> dict[str, Script]:
    """Command -> answer, for a server of one database, one collection and no login."""
    script: dict[str, Script] = {
        "isMaster": HELLO,
        "buildInfo": BUILD,
        "listDatabases": LISTED,
        "dbStats": STATS,
        "listCollections": cursor({"name": "shelves", "type": "collection"}),
        "aggregate": lambda asked: cursor(*([PART] if "$collStats" in str(asked.documents) else [])),
        "collStats": {"count": 70, "size": 7000, "storageSize": 40960, "totalIndexSize": 40960, "ok": 1.0},
        "count": {"n": 70, "ok": 1.0},
        "find": cursor(),
        "serverStatus": {
            "localTime": NOW,
            "uptimeMillis": 86_400_000,
            "opcounters": {"insert": 7},
            "ok": 1.0,
        },
        "top": {"totals": {"note": "all times in microseconds"}, "ok": 1.0},
    }
    return script | changes


@dataclass
class Seen:
    """What came of asking."""

    peer: Scripted
    dialogue: Dialogue
    verdict: Verdict
    rule: str
    server: Server
    exposure: Exposure
    severity: Severity
    reasons: list[Reason]

    @property
    def database(self) -> Any:
        """The one database of the record."""
        (found,) = self.exposure.databases
        return found


def ask(script: dict[str, Script], *, loopback: bool = False, depth: Depth = Depth.COLLECTIONS) -> Seen:
    """Talk to such a server from the first byte to the record."""
    peer = Scripted(script)
    dialogue = Dialogue(
        client=CLIENT, depth=depth, limits=Limits(), loopback=loopback, plan_factory=MetadataPlan
    )
    dialogue.facts.observed_at = NOW
    converse(dialogue, peer)
    judgement = judge(dialogue.facts)
    plan = dialogue.plan or MetadataPlan(dialogue.facts, Limits(), Depth.VERDICT)
    server = identify(dialogue.facts, is_open=judgement.verdict.is_open)
    exposure = plan.exposure()
    level, reasons, _ = assess(judgement.verdict, server, exposure, now=NOW)
    return Seen(
        peer,
        dialogue,
        judgement.verdict,
        judgement.evidence[0].code,
        server,
        exposure,
        level,
        reasons,
    )
