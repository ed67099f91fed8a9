"""Replies to listDatabases of every kind, and what each of them means."""

from __future__ import annotations

from typing import Any

from bson import ObjectId, Timestamp

from results.verdict import Verdict

Doc = dict[str, Any]


STANDALONE: Doc = {"ismaster": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1}


ARBITER: Doc = {
    "ismaster": False,
    "secondary": False,
    "arbiterOnly": True,
    "setName": "r",
    "maxWireVersion": 8,
    "ok": 1.0,
}


OPEN, NO_DATA, AUTH, UNKNOWN = Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED, Verdict.UNKNOWN


def error(code: int | None, text: str, name: str | None = None, **more: Any) -> Doc:
    made: Doc = {"ok": 0.0, "errmsg": text}
    if code is not None:
        made["code"] = code
    if name:
        made["codeName"] = name
    return made | more


CLUSTER_TIME = {"clusterTime": Timestamp(1_700_000_000, 1), "signature": {"hash": b"\x00" * 20, "keyId": 0}}


G16 = {
    "databases": [{"name": n, "sizeOnDisk": 8192, "empty": False} for n in ("admin", "config", "local")],
    "totalSize": 28672,
    "totalSizeMb": 0,
    "ok": 1,
}


G17 = {
    "databases": [
        {"name": "httpstorage", "sizeOnDisk": 83886080.0, "empty": False},
        {"name": "admin", "sizeOnDisk": 1.0, "empty": True},
    ],
    "totalSize": 167772160.0,
    "ok": 1.0,
}


UNAUTHORIZED = "Unauthorized"


LOGIN = error(13, "command listDatabases requires authentication", UNAUTHORIZED)


G25 = error(
    13436,
    "node is not in primary or recovering state",
    "NotPrimaryOrSecondary",
    topologyVersion={"processId": ObjectId("647edaca021ba0c72e879407"), "counter": 1},
)


REFUSED_QUERY = "Unsupported OP_QUERY command: listDatabases. The client driver may require an upgrade."


API = "The apiVersion parameter is required, please configure your MongoClient's API version"


LIST_CASES: list[tuple[str, Doc, Doc, Verdict, str]] = [
    ("G8 dionaea", STANDALONE | {"maxWriteBatchSize": 1000}, STANDALONE, UNKNOWN, "honeypot-suspected"),
    ("G16 open 5.0", G16, STANDALONE, OPEN, "databases-listed"),
    ("G17 MMAPv1", G17, STANDALONE, OPEN, "databases-listed"),
    (
        "G18 names",
        {"databases": [{"name": "admin"}, {"name": "local"}], "ok": 1},
        STANDALONE,
        OPEN,
        "databases-listed",
    ),
    ("G19 up to 2.3.1", {"errmsg": "need to login", "ok": 0.0}, STANDALONE, AUTH, "auth-required"),
    (
        "G20 2.6 to 3.6",
        error(13, "not authorized on admin to execute command { listDatabases: 1.0 }"),
        STANDALONE,
        AUTH,
        "auth-required",
    ),
    ("G21 4.0", LOGIN, STANDALONE, AUTH, "auth-required"),
    (
        "G22 member",
        {"operationTime": Timestamp(1_700_000_000, 1)} | LOGIN | {"$clusterTime": CLUSTER_TIME},
        STANDALONE,
        AUTH,
        "auth-required",
    ),
    (
        "G24 secondary",
        error(13435, "not master and slaveOk=false", "NotMasterNoSlaveOk"),
        STANDALONE,
        OPEN,
        "not-primary",
    ),
    ("G24 newer", error(13435, "not primary and secondaryOk=false"), STANDALONE, OPEN, "not-primary"),
    ("G24 legacy", {"$err": "not master and slaveOk=false", "code": 13435}, STANDALONE, OPEN, "not-primary"),
    ("G25 arbiter", G25, ARBITER, NO_DATA, "not-readable-state"),
    ("G25 arbiter of 4.0", {"databases": [{"name": "local"}], "ok": 1.0}, ARBITER, NO_DATA, "no-data-member"),
    (
        "G26 recovering",
        {"note": "from execCommand", "ok": 0.0, "errmsg": "node is recovering"},
        STANDALONE,
        NO_DATA,
        "not-readable-state",
    ),
    (
        "G26 not master",
        {"note": "from execCommand", "ok": 0.0, "errmsg": "not master"},
        STANDALONE,
        OPEN,
        "not-primary",
    ),
    ("G26 2.4 locked", {"ok": 0.0, "errmsg": "unauthorized"}, STANDALONE, AUTH, "auth-required"),
    (
        "G27 352",
        error(352, REFUSED_QUERY, "UnsupportedOpQueryCommand"),
        STANDALONE,
        UNKNOWN,
        "op-query-refused",
    ),
    ("G28 API", error(498870, API, "Location498870"), STANDALONE, UNKNOWN, "api-version-required"),
    (
        "G29 no such cmd",
        {"errmsg": "no such cmd: listDatabases", "bad cmd": {"listDatabases": 1}, "ok": 0},
        STANDALONE,
        UNKNOWN,
        "unknown-command",
    ),
    (
        "G30 FerretDB",
        error(13, "Command listDatabases requires authentication", UNAUTHORIZED),
        STANDALONE,
        AUTH,
        "auth-required",
    ),
    (
        "G37 trap",
        error(13, "listDatabases may only be run against the admin database.", UNAUTHORIZED),
        STANDALONE,
        UNKNOWN,
        "wrong-database",
    ),
    ("G37 2.x", error(None, "access denied; use admin db"), STANDALONE, UNKNOWN, "wrong-database"),
    (
        "G38 trap",
        error(13, "shutdown must run from localhost when running db without auth", UNAUTHORIZED),
        STANDALONE,
        OPEN,
        "access-control-off",
    ),
    (
        "G38 2.4",
        error(None, "unauthorized: this command must run from localhost when running db without auth"),
        STANDALONE,
        OPEN,
        "access-control-off",
    ),
    (
        "Cosmos 115 to listDatabases",
        error(115, "Command listDatabases not supported prior to authentication", "CommandNotSupported"),
        STANDALONE,
        AUTH,
        "auth-required",
    ),
    ("115 alone", error(115, "not supported"), STANDALONE, UNKNOWN, "unknown-command"),
    (
        "G40 DocumentDB",
        error(13, "Command listdatabases not supported prior to authentication.", UNAUTHORIZED),
        STANDALONE,
        AUTH,
        "auth-required",
    ),
    ("18", error(18, "Authentication failed.", "AuthenticationFailed"), STANDALONE, AUTH, "auth-required"),
    ("391", error(391, "again", "ReauthenticationRequired"), STANDALONE, AUTH, "auth-required"),
    ("Atlas", error(8000, "(AtlasError) no", "AtlasError"), STANDALONE, AUTH, "auth-required"),
    ("name without code", error(None, "whatever", UNAUTHORIZED), STANDALONE, AUTH, "auth-required"),
    ("unknown name without code", error(None, "unauthorized", "Novel"), STANDALONE, UNKNOWN, "other-error"),
    ("10107", error(10107, "not master"), STANDALONE, OPEN, "not-primary"),
    ("50", error(50, "operation exceeded time limit", "MaxTimeMSExpired"), STANDALONE, OPEN, "too-slow"),
    ("91", error(91, "shutdown in progress"), STANDALONE, UNKNOWN, "in-transition"),
    ("11600", error(11600, "not authorized any more"), STANDALONE, UNKNOWN, "in-transition"),
    (
        "code beats text",
        error(1, "not authorized, requires authentication"),
        STANDALONE,
        UNKNOWN,
        "other-error",
    ),
    ("without words", {"ok": 0}, STANDALONE, UNKNOWN, "other-error"),
    ("ok alone", {"ok": 1.0}, STANDALONE, UNKNOWN, "answer-without-list"),
    ("list of no documents", {"databases": ["admin"], "ok": 1.0}, STANDALONE, UNKNOWN, "answer-without-list"),
    (
        "names that are none",
        {"databases": [{"name": 5}], "ok": 1.0},
        STANDALONE,
        UNKNOWN,
        "answer-without-list",
    ),
    ("no list", {"databases": {"name": "x"}, "ok": 1.0}, STANDALONE, UNKNOWN, "answer-without-list"),
    ("ok 0 with a list", G16 | {"ok": 0}, STANDALONE, UNKNOWN, "contradiction"),
    ("$err with a list", G16 | {"$err": "x"}, STANDALONE, UNKNOWN, "contradiction"),
    ("ok as text with a list", G16 | {"ok": "1"}, STANDALONE, UNKNOWN, "contradiction"),
    ("ok as text", {"ok": "1"}, STANDALONE, UNKNOWN, "untrusted-ok"),
    ("ok 2", {"ok": 2}, STANDALONE, UNKNOWN, "untrusted-ok"),
    ("ok NaN", {"ok": float("nan")}, STANDALONE, UNKNOWN, "untrusted-ok"),
    ("ok document", {"ok": {}}, STANDALONE, UNKNOWN, "untrusted-ok"),
    ("nothing", {}, STANDALONE, UNKNOWN, "untrusted-ok"),
    ("ok true", G16 | {"ok": True}, STANDALONE, OPEN, "databases-listed"),
    ("empty", {"databases": [], "ok": 1.0}, STANDALONE, UNKNOWN, "empty-list"),
    ("uninitiated", G16, STANDALONE | {"isreplicaset": True}, NO_DATA, "no-data-member"),
]
