"""An ordinary server's facts, and what may be odd of one, each with the sign that it gives."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import strategies as st

from scanner.contact import TlsSession
from scanner.mongo.facts import Attempt, Facts, Layer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HELLO = {
    "helloOk": True,
    "ismaster": True,
    "setName": "rs0",
    "hosts": ["db-1.example:27017"],
    "me": "db-1.example:27017",
    "primary": "db-1.example:27017",
    "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
    "localTime": NOW,
    "lastWrite": {"lastWriteDate": NOW},
    "topologyVersion": {"processId": ObjectId("665000000000000000000000"), "counter": Int64(6)},
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "ok": 1.0,
    "$clusterTime": {},
}
BUILD = {
    "version": "7.0.5",
    "gitVersion": "a" * 40,
    "modules": [],
    "bits": 64,
    "debug": False,
    "versionArray": [7, 0, 5, 0],
    "storageEngines": ["devnull", "wiredTiger"],
    "ok": 1.0,
    "$clusterTime": {},
}
LISTING = {
    "databases": [
        {"name": "admin", "sizeOnDisk": Int64(40960), "empty": False},
        {"name": "users", "sizeOnDisk": Int64(1 << 33), "empty": False},
        {"name": "shop_17", "sizeOnDisk": 8192.0, "empty": False},
    ],
    "totalSize": Int64(1 << 34),
    "ok": 1.0,
}
ABSENT = object()

# What may be odd of a server, each with the sign that it gives: what stands in evidence, or "" for none.
ODD_FIELDS: tuple[tuple[str, str, object, str], ...] = (
    ("hello", "iscryptd", True, "iscryptd"),
    ("hello", "setName", "secantus", "secantus"),
    ("hello", "setName", "globaldb", "globaldb"),
    ("hello", "setName", ABSENT, ""),
    ("hello", "internal", {"kind": "azuredocumentdb"}, "vCore"),
    ("hello", "internal", {"documentdb_versions": ["0.1"]}, "documentdb_versions"),
    ("hello", "_t", "IsMasterResponse", "_t"),
    ("hello", "hosts", ["x.documents.azure.com:10255"], "documents.azure.com"),
    ("hello", "me", "x.cosmos.azure.com:10255", "cosmos.azure.com"),
    ("hello", "primary", "x.docdb.amazonaws.com:27017", "docdb.amazonaws.com"),
    ("hello", "hosts", ["x.docdb-elastic.amazonaws.com"], "docdb-elastic"),
    ("hello", "hosts", [1, None], ""),
    ("hello", "helloOk", ABSENT, "helloOk"),
    ("hello", "ok", 1, ""),
    ("hello", "$clusterTime", ABSENT, ""),
    ("hello", "localTime", "now", "localTime"),
    ("hello", "localTime", DatetimeMS(2**62), "localTime"),
    ("hello", "localTime", ABSENT, ""),
    ("hello", "version", "7.0.5", "names a version"),
    ("hello", "maxMessageSizeBytes", 64 * 1024 * 1024, "64 MiB"),
    ("hello", "maxWriteBatchSize", 1000, "maxWriteBatchSize"),
    ("hello", "arbiterOnly", True, ""),
    ("hello", "isreplicaset", True, ""),
    ("hello", "ok", 0.0, ""),
    ("build_info", "ferretdbVersion", "v1.24", "FerretDB"),
    ("build_info", "secantusVersion", "0.7", "secantusVersion"),
    ("build_info", "psmdbVersion", "7.0.5-3", "psmdbVersion"),
    ("build_info", "version", "7.0.5-3", "Percona"),
    ("build_info", "version", "4.0.5", "does not go with"),
    ("build_info", "version", 7, ""),
    ("build_info", "tokumxVersion", "2.0", "tokumxVersion"),
    ("build_info", "gitVersion", ABSENT, "without gitVersion"),
    ("build_info", "gitVersion", "v1 of mine", "no version of git"),
    ("build_info", "versionArray", [6, 0, 5, 0], "versionArray"),
    ("build_info", "versionArray", [7.0, 0, 5, 0], ""),
    ("build_info", "debug", 1, ""),
    ("build_info", "bits", Int64(64), ""),
    ("build_info", "ok", 0.0, ""),
    ("list_databases", "databases", [], "empty list"),
    ("list_databases", "databases", "many", "without a list"),
    ("list_databases", "databases", [{"name": 1}], ""),
    ("list_databases", "databases", ABSENT, "without a list"),
    ("list_databases", "ok", 0.0, ""),
    ("list_databases", "ok", "1", ""),
)


def a(reply: str, key: str, value: object) -> Callable[[Facts], None]:
    def change(facts: Facts) -> None:
        document = getattr(facts, reply).document
        if value is ABSENT:
            document.pop(key, None)
        else:
            document[key] = value

    return change


def _four_fields(facts: Facts) -> None:
    assert facts.hello is not None
    facts.hello.document = {"ismaster": True, "minWireVersion": 0, "maxWireVersion": 21, "ok": 1.0}


def _whole_number(facts: Facts) -> None:
    a("hello", "ok", 1)(facts)
    a("hello", "$clusterTime", ABSENT)(facts)


def _build_of_four(facts: Facts) -> None:
    assert facts.build_info is not None
    facts.build_info.document = {
        "version": "7.0.5",
        "versionArray": [7, 0, 5, 0],
        "maxBsonObjectSize": 1,
        "ok": 1.0,
    }
    a("hello", "readOnly", ABSENT)(facts)


def _all_alike(facts: Facts) -> None:
    assert facts.list_databases is not None
    facts.list_databases.document = {"ismaster": True, "maxWireVersion": 5, "ok": 1.0}


def _by_query(facts: Facts) -> None:
    assert facts.list_databases is not None
    facts.list_databases.by = "OP_REPLY"


def _inside_tls(facts: Facts) -> None:
    session = TlsSession(established=True, certificate_der=b"..x.docdb.amazonaws.com..")
    facts.attempts.append(Attempt(layer=Layer.TLS, replies=3, tls=session))


def _truncated(facts: Facts) -> None:
    assert facts.list_databases is not None
    facts.list_databases.truncated_list = True


def _is(name: str, value: object) -> Callable[[Facts], None]:
    return lambda facts: setattr(facts, name, value)


ODD: tuple[tuple[Callable[[Facts], None], str], ...] = (
    *((a(reply, key, value), sign) for reply, key, value, sign in ODD_FIELDS),
    (_four_fields, "four fields and no limits"),
    (_whole_number, "whole number"),
    (_build_of_four, "no readOnly"),
    (_all_alike, "handshake's document"),
    (_by_query, "over OP_QUERY"),
    (_inside_tls, "the certificate names"),
    (_truncated, ""),
    (_is("inventions", {"an answer that nobody gives"}), "an answer that nobody gives"),
    (_is("answers_out_of_kind", True), "answered by OP_MSG"),
    (_is("max_wire_version", 9), "does not go with"),
    (_is("max_wire_version", 2), "does not go with"),
    (_is("max_wire_version", None), "does not go with"),
    (_is("loopback", True), ""),
    (_is("refused", {"dbStats"}), ""),
    (_is("answered", {"dbStats", "listCollections"}), ""),
    (_is("api_version_required", True), ""),
    (_is("hello", None), ""),
    (_is("build_info", None), ""),
    (_is("list_databases", None), ""),
    (_is("confirm_list", Reply(command="listDatabases", document={"ok": 0.0, "code": 13})), ""),
    (_is("confirm_privilege", Reply(command="listCollections", document={"ok": 0.0, "code": 13})), ""),
    (_is("attempts", []), ""),
    (_is("observed_at", None), ""),
)


def ordinary() -> Facts:
    return Facts(
        attempts=[Attempt(layer=Layer.PLAIN, replies=3, bytes_received=900)],
        hello=Reply(command="isMaster", document=deepcopy(HELLO), by="OP_REPLY"),
        build_info=Reply(command="buildInfo", document=deepcopy(BUILD), by="OP_MSG"),
        list_databases=Reply(command="listDatabases", document=deepcopy(LISTING), by="OP_MSG"),
        max_wire_version=21,
        min_wire_version=0,
        observed_at=NOW,
    )


def changed(changes: list[Callable[[Facts], None]]) -> Facts:
    """An ordinary server with these changes, as far as the replies that they are of are still there."""
    facts = ordinary()
    for change in changes:
        try:
            change(facts)
        except (AttributeError, AssertionError):
            continue
    return facts


odd_servers = st.lists(st.sampled_from([change for change, _ in ODD]), max_size=4).map(changed)
