"""The simulated MongoDB against recordings of real ones: the same question must get the same kind of answer.

For every recorded exchange that a simulated server can be asked, opcode, response flags, error code and
wording, field names in their order, and field types are compared. Values that a machine makes (times, ids,
sizes, host names) are not.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import bson
import pytest

from scanner.lab.data import DataSet, StoredCollection, StoredDatabase, data_set, note, object_id
from scanner.lab.mongod import Mongod, Session
from scanner.lab.profile import Access, Profile, Role
from scanner.lab.versions import V4_0, V7_1, Release
from tests.support.recordings import load
from tests.support.thinned import thinned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.recordings import Step

# The questions for newest ids in the recordings are bounded by a day after they were made. So the simulated
# servers stand at a moment before all of these, whatever day the tests run on.
MOMENT = datetime(2026, 11, 20, tzinfo=UTC)

V2_6_RC = Release(text="2.6.0-rc1", wire=2)
VERSIONS = {"2.6.0-rc1": V2_6_RC, "4.0.3": V4_0, "7.1.0": V7_1}

# Questions that no client of ours asks, or whose answers describe a machine: not simulated.
NOT_SIMULATED = (
    "explain",
    "hostInfo",
    "getCmdLineOpts",
    "serverStatus",
    "getParameter",
    "getLog",
    "currentOp",
    "usersInfo",
    "listCommands",
    "getnonce",
    "sys_inprog",
    "system_indexes",
    "op_command",
    "connectionStatus",
    "unprojected",
    "odd_db",
    "find_users",
    "isdbgrid",
    "replSetGetStatus",
    "listIndexes",
    "mixed",
    "get_more_bad_cursor",
    "strings",
    "pipeline",
    "probe_nmap",
    "tls_client_hello",
    "query_exhaust",
    "msg_",
    "numberToReturn",
)
# Parts of an answer that depend on the build or on the sharding that the recorded machine had.
LOOSE = frozenset(
    {"wiredTiger", "buildEnvironment", "raw", "indexSizes", "indexDetails", "openssl", "nameOnly", "totals"}
)
OPTIONAL = frozenset(
    {
        "passives",
        "passive",
        "storageEngines",
        "nindexes",
        "scaleFactor",
        "numOrphanDocs",
        "freeStorageSize",
        "totalSize",
        "indexDetails",
        "indexBuilds",
        "ns",
        "fileSize",
        "nsSizeMB",
        "dataFileVersion",
        "extentFreeList",
        "configsvr",
        "idIndex",
        "max",
        "sleepCount",
        "sleepMS",
        "key",
        "views",
        "sharded",
        "primary",
    }
)
SCENARIOS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("2.6.0-rc1", "open_data", "", {}),
    ("4.0.3", "open_data", "", {}),
    ("7.1.0", "open_data", "", {}),
    ("2.6.0-rc1", "auth_user", "", {"access": Access.LOCKED}),
    ("4.0.3", "auth_user", "", {"access": Access.LOCKED}),
    ("7.1.0", "auth_user", "", {"access": Access.LOCKED}),
    ("4.0.3", "auth_no_user", "from_127.0.0.1", {"access": Access.EXCEPTION}),
    ("4.0.3", "rs_members", "primary", {"role": Role.PRIMARY}),
    ("7.1.0", "rs_members", "primary", {"role": Role.PRIMARY}),
    ("4.0.3", "rs_members", "secondary", {"role": Role.SECONDARY}),
    ("7.1.0", "rs_members", "secondary", {"role": Role.SECONDARY}),
    ("4.0.3", "rs_members", "arbiter", {"role": Role.ARBITER}),
    ("7.1.0", "rs_members", "arbiter", {"role": Role.ARBITER}),
    ("4.0.3", "rs_members", "recovering", {"role": Role.RECOVERING}),
    ("7.1.0", "rs_members", "recovering", {"role": Role.RECOVERING}),
    ("4.0.3", "rs_uninitiated", "", {"role": Role.UNINITIATED}),
    ("4.0.3", "mongos_open", "router", {"role": Role.MONGOS}),
    ("7.1.0", "mongos_open", "router", {"role": Role.MONGOS}),
    ("7.1.0", "mongos_auth", "router", {"role": Role.MONGOS, "access": Access.LOCKED}),
]


def recorded_data() -> DataSet:
    """The data of the recordings, as far as their answers show it."""
    ids = (object_id(MOMENT),)
    library = StoredDatabase(
        name="lecteurs",
        collections=(
            StoredCollection(name="readers", count=2000, size=187_780, top_ids=ids),
            StoredCollection(name="comments", count=50, size=4_000, top_ids=ids),
            StoredCollection(name="sessions", count=10, size=700, top_ids=("s1",)),
            StoredCollection(name="empty"),
            StoredCollection(name="log", count=20, size=680, capped=True),
            StoredCollection(name="v_readers", type="view", top_ids=ids, storage=0, index_size=0),
            StoredCollection(name="system.views", count=1, size=90),
        ),
    )
    return data_set(
        library, StoredDatabase(name="shop-eu"), note("READ_ME_TO_RECOVER_YOUR_DATA", "README", MOMENT)
    )


def cases() -> Iterator[Any]:
    for version, scenario, node, profile in SCENARIOS:
        for step in load(version, scenario):
            if step.node != node or step.family not in ("query", "msg", "pref", "legacy", "query_flags0"):
                continue
            if any(part in step.name for part in NOT_SIMULATED) or step.end not in (
                "reply",
                "timeout",
                "closed",
            ):
                continue
            if "collStats" in step.name and node == "router" and "aggregate" not in step.name:
                continue  # a router sums up its shards; the sweep asks it for $collStats
            if len(step.reply) >= 65_536:
                continue  # kept in part only
            name = f"{version}/{scenario}/{node}/{step.family}/{step.name}"
            yield pytest.param(version, profile, step, id=name)


@pytest.mark.parametrize(("version", "profile", "step"), thinned(cases(), 5))
async def test_shape(version: str, profile: dict[str, Any], step: Step) -> None:
    server = Mongod(Profile(version=VERSIONS[version], data=recorded_data(), now=lambda: MOMENT, **profile))
    answered = await server.respond(step.request, Session(1, "127.0.0.1:1"))
    if step.end == "closed":
        assert answered is None
        return
    assert answered is not None
    if step.end == "timeout":
        assert answered == b""
        return
    mine, theirs = Parts(answered), Parts(step.reply)
    assert (mine.opcode, mine.flags) == (theirs.opcode, theirs.flags)
    assert bool(mine.documents) == bool(theirs.documents)
    if theirs.documents:
        assert_alike(mine.documents[0], theirs.documents[0])


class Parts:
    """A reply taken apart."""

    def __init__(self, raw: bytes) -> None:
        length, _, self.response_to, self.opcode = struct.unpack_from("<iiii", raw)
        assert length == len(raw)
        self.flags = struct.unpack_from("<I", raw, 16)[0]
        self.documents: list[dict[str, Any]] = []
        position = 36 if self.opcode == 1 else 21
        while position < len(raw):
            size = struct.unpack_from("<i", raw, position)[0]
            self.documents.append(bson.decode(raw[position : position + size]))
            position += size


def assert_alike(mine: dict[str, Any], theirs: dict[str, Any], path: str = "") -> None:
    """The same fields in the same order, of the same types; errors word for word."""
    mine_keys = [key for key in mine if key not in OPTIONAL]
    assert mine_keys == [key for key in theirs if key not in OPTIONAL], path
    for key in mine_keys:
        if key in (
            "errmsg",
            "code",
            "codeName",
            "$err",
            "note",
            "msg",
            "info",
            "bad cmd",
            "ok",
            "type",
        ) and not isinstance(theirs[key], dict):
            assert mine[key] == theirs[key], f"{path}.{key}"
        if key not in LOOSE:
            assert_same_kind(mine[key], theirs[key], f"{path}.{key}")


def assert_same_kind(mine: Any, theirs: Any, path: str) -> None:
    """The same BSON type; inside lists the first entries are compared."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        assert_alike(mine, theirs, path)
    elif isinstance(theirs, list) and isinstance(mine, list):
        if theirs and mine:
            assert_same_kind(mine[0], theirs[0], path)
        assert bool(mine) == bool(theirs), path
    else:
        assert isinstance(mine, bool) == isinstance(theirs, bool), path
        assert number_or(mine) == number_or(theirs), path


def number_or(value: Any) -> str:
    """Whole numbers of 32 and 64 bit are one kind: the driver encodes by value."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "whole"
    return type(value).__name__
