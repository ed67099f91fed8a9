"""The metadata plan against servers that answer anything: no exception, bounded questions, a record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from results.record import Exposure
from results.verdict import Verdict
from scanner.mongo.facts import Depth, Limits, Reply
from scanner.mongo.identity import identify
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.severity import assess
from tests.mongo.model import Coll, Model

LIMITS = Limits(
    databases_kept=20, databases_asked=10, collections_kept=40, collections_asked=15, cursor_rounds=5
)
KEYS = [
    "ok", "code", "errmsg", "databases", "name", "type", "sizeOnDisk", "empty", "cursor", "id", "ns",
    "firstBatch", "nextBatch", "count", "n", "size", "storageSize", "storageStats", "indexSizes",
    "objects", "t", "_id", "capped", "fileSize", "nsSizeMB", "numExtents", "totalIndexSize", "$err",
    "version", "setName", "lastWrite", "lastWriteDate", "topologyVersion", "processId", "localTime",
    "hosts", "modules", "storageEngines", "internal",
]  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=True)
    | st.text(max_size=12)
    | st.sampled_from(
        ["db", "a.b", "users", "db.$cmd.listCollections", "collection", "view", "\ufffd", "_id_"]
    )
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | st.datetimes()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
OK = DOCUMENTS.map(lambda document: document | {"ok": 1.0})
BATCH = st.lists(DOCUMENTS, max_size=5)
CURSORS = st.builds(
    lambda batch, number, ns: {
        "ok": 1.0,
        "cursor": {"id": number, "ns": ns, "firstBatch": batch, "nextBatch": batch},
    },
    BATCH,
    st.integers(-5, 2**70),
    st.sampled_from(["db.$cmd.listCollections", "x"]),
)
REPLIES = st.one_of(
    DOCUMENTS,
    OK,
    CURSORS,
    st.sampled_from([50, 13, 59, 166, 26, 2]).map(lambda code: {"ok": 0.0, "code": code, "errmsg": "no"}),
)


any_server = given(
    listing=st.lists(DOCUMENTS, max_size=6),
    hello=DOCUMENTS,
    build=DOCUMENTS,
    wire=st.sampled_from([0, 2, 3, 5, 6, 8, 21, 2**31 - 1]),
    replies=st.lists(REPLIES, min_size=1, max_size=12),
    window=st.integers(1, 70),
)


@settings(max_examples=25, deadline=None)
@any_server
def test_any_reply_leads_to_a_bounded_record(**server: Any) -> None:
    leads_to_a_bounded_record(**server)


@pytest.mark.exhaustive
@settings(max_examples=80, deadline=None)
@any_server
def test_any_reply_of_many_leads_to_a_bounded_record(**server: Any) -> None:
    leads_to_a_bounded_record(**server)


def leads_to_a_bounded_record(
    listing: list[Any],
    hello: dict[str, Any],
    build: dict[str, Any],
    wire: int,
    replies: list[dict[str, Any]],
    window: int,
) -> None:
    facts = Model({"db": {"c": Coll()}, "b": {}}).facts()
    assert facts.list_databases is not None
    assert facts.list_databases.document is not None
    facts.list_databases.document["databases"] += [row for row in listing if isinstance(row.get("name"), str)]
    facts.hello = Reply(command="isMaster", document=hello | {"ok": 1.0})
    facts.build_info = Reply(command="buildInfo", document=build | {"ok": 1.0})
    facts.max_wire_version = wire
    plan = MetadataPlan(facts, LIMITS, Depth.COLLECTIONS)
    asked = 0
    while requests := plan.next_requests(window):
        assert len(requests) <= window
        for request in requests:
            plan.answered(request, Reply(command=request.command, document=replies[asked % len(replies)]))
            asked += 1
        assert asked < 200
    exposure = plan.exposure()
    assert len(exposure.databases) <= LIMITS.databases_kept
    assert sum(len(database.collections) for database in exposure.databases) <= LIMITS.collections_kept
    server = identify(facts, is_open=True)
    level, reasons, _ = assess(Verdict.OPEN, server, exposure)
    assert reasons
    encoded = msgspec.json.encode(exposure)
    assert msgspec.json.decode(encoded, type=Exposure) == exposure
    msgspec.json.encode(server)
    msgspec.json.encode(level)
