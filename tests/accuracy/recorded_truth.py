"""What a recording itself says that its server holds, read with the driver's own BSON library."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bson

from tests.support.recordings import load
from tests.support.replay import parse

if TYPE_CHECKING:
    from tests.support.recordings import Step


@dataclass
class RecordedTruth:
    """Values that may differ between two steps of one recording are sets of all that were seen.

    `listed`: the names in each list of databases, which on 2.6 grows by a question about a missing one.
    Sizes in bytes by database; names by database; documents by (database, collection); objects by database.
    """

    listed: list[set[str]] = field(default_factory=list)
    databases: dict[str, set[int]] = field(default_factory=dict)
    collections: dict[str, list[set[str]]] = field(default_factory=lambda: defaultdict(list))
    documents: dict[tuple[str, str], int] = field(default_factory=dict)
    objects: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def truth_of(version: str, scenario: str, node: str) -> RecordedTruth:
    """Everything that the successful answers of one node tell."""
    truth = RecordedTruth()
    for step in load(version, scenario):
        if step.node != node or step.family not in ("query", "msg", "pref"):
            continue
        asked, reply = parse(step.request), _document(step)
        if asked is None or reply is None or reply.get("ok") != 1 or "explain" in step.name:
            continue
        if "missing" not in step.name:
            _read(truth, asked.namespace.partition(".")[0], asked.documents[0], reply)
    return truth


def _document(step: Step) -> dict[str, Any] | None:
    start = 36 if step.request[12:16] == (2004).to_bytes(4, "little") else 21
    try:
        return bson.decode(step.reply[start:])
    except bson.errors.InvalidBSON:
        return None


def _read(truth: RecordedTruth, database: str, asked: dict[str, Any], reply: dict[str, Any]) -> None:
    match next(iter(asked)):
        case "listDatabases" if "filter" not in asked:
            truth.listed.append({entry["name"] for entry in reply["databases"]})
            for entry in reply["databases"]:
                sizes = truth.databases.setdefault(entry["name"], set())
                if "sizeOnDisk" in entry:
                    empty_file = entry.get("empty") and entry["sizeOnDisk"] == 1  # MMAPv1 without files
                    sizes.add(0 if empty_file else int(entry["sizeOnDisk"]))
        case "listCollections" if not reply["cursor"]["id"]:
            truth.collections[database].append({entry["name"] for entry in reply["cursor"]["firstBatch"]})
        case "count" if "query" not in asked:
            truth.documents[database, asked["count"]] = reply["n"]
        case "dbStats":
            truth.objects[database].add(reply["objects"])
        case _:
            pass
