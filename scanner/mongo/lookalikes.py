"""Which product answers: the tells of everything that speaks MongoDB's protocol without being MongoDB.

A strong tell decides. Two weak ones make the server an unknown look-alike; one alone is only noted. The
tells of FerretDB 1.24 and SecantusDB 0.7 were seen on running servers, MongoDB's own on recordings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from scanner.mongo import advisories
from scanner.mongo.answers import databases, succeeded
from scanner.mongo.builds import ByBuild
from scanner.mongo.tables import derived
from scanner.mongo.values import moment, number, sub, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from scanner.mongo.facts import Document, Facts

MONGODB = "mongodb"
PERCONA = "percona"
UNKNOWN = "unknown"
DIONAEA = "dionaea"
GENUINE = frozenset({MONGODB, PERCONA})  # MongoDB's own source, built by MongoDB or by a vendor

_OF_STATISTICS = frozenset(
    {"ns", "shard", "host", "localTime", "count", "storageStats", "latencyStats", "queryExecStats", "raw"}
)
_BATCH_BEFORE_3_6 = 1000
_GIT_VERSION = re.compile(r"[0-9a-f]+|nogitversion|unknown|none|not a git repository", re.IGNORECASE)
_HONEYPOT_MESSAGE_BYTES = 64 * 1024 * 1024
_OP_QUERY_REFUSED_SINCE = 14  # maxWireVersion of 5.1
_HELLO_OK_SINCE = (5, 0)
_WIRE_3_6 = 6
_MINDSDB = frozenset({"ismaster", "minWireVersion", "maxWireVersion", "ok"})
_ONLY_OTHERS = frozenset({"iscryptd", "internal", "_t", "version"})  # fields that no hello of MongoDB has
_OF_SETS = frozenset({"setName", "hosts", "me", "primary"})
_SETS_OF_OTHERS = ("secantus", "globaldb")
_FIRST_DERIVED_WIRE = 26


@dataclass(frozen=True, slots=True)
class Signs:
    """What the handshake and buildInfo say, as far as they are documents at all."""

    hello: Document
    build: Document
    listing: Document
    listed_by: str
    certificate: bytes
    wire: int | None
    remote: bool
    inventions: frozenset[str]
    out_of_kind: bool
    by_hello: bool


@dataclass(slots=True)
class Product:
    """The product and why. `honeypot`: it answers as only a trap does."""

    name: str = MONGODB
    evidence: list[str] = field(default_factory=list)
    honeypot: bool = False


def recognise(facts: Facts) -> Product:
    """The product by its tells, with the evidence for each; `mongodb` when nothing speaks against it."""
    return _ORDINARY if _is_ordinary(facts) else recognise_by_rules(facts)


def _is_ordinary(facts: Facts) -> bool:
    """True where a glance shows that no rule below has anything to say, as of nearly all servers.

    It looks at whatever a rule looks at, and leaves to the rules what is not as usual.
    """
    if facts.inventions or facts.answers_out_of_kind or not succeeded(facts.hello):
        return False
    if len(facts.attempts) != 1 or facts.attempts[0].tls is not None:
        return False
    listing = facts.list_databases
    wire = facts.max_wire_version or 0
    if succeeded(listing) and (
        not databases(listing)
        or (listing is not None and listing.by == "OP_REPLY" and wire >= _OP_QUERY_REFUSED_SINCE)
    ):
        return False
    build = _BUILD_TELLS(facts.build_info)
    if build.odd or _disagree(build.version, facts.max_wire_version):
        return False
    assert facts.hello is not None
    hello = facts.hello.document or {}
    return (
        _ONLY_OTHERS.isdisjoint(hello)
        and len(hello) != len(_MINDSDB)
        and (hello.get("helloOk") is True or facts.hello.command == "hello" or not build.offered_hello)
        and (_OF_SETS.isdisjoint(hello) or _is_ordinary_set(hello))
        and ("localTime" not in hello or moment(hello["localTime"]) is not None)
        and hello.get("maxMessageSizeBytes") != _HONEYPOT_MESSAGE_BYTES
        and (wire < _WIRE_3_6 or hello.get("maxWriteBatchSize") != _BATCH_BEFORE_3_6)
    )


def _is_ordinary_set(hello: Document) -> bool:
    if hello.get("setName") in _SETS_OF_OTHERS:
        return False
    if isinstance(hello.get("ok"), int) and "$clusterTime" not in hello:
        return False
    hosts = hello.get("hosts")
    named = [*(hosts if isinstance(hosts, list) else ()), hello.get("me"), hello.get("primary")]
    return not any(isinstance(host, str) and (".azure." in host or ".amazonaws." in host) for host in named)


class _BuildTells(NamedTuple):
    """What buildInfo alone says. `odd`: some rule has something to say of it."""

    odd: bool
    version: advisories.Version | None
    offered_hello: bool  # of this version, hello says helloOk


def _tells_of(build: Document) -> _BuildTells:
    signs = Signs(
        {}, build, {}, "", b"", None, remote=True, inventions=frozenset(), out_of_kind=False, by_hello=False
    )
    version = advisories.parse(text(build.get("version")))
    return _BuildTells(
        any(rule(signs) is not None for rule in _STRONG) or any(_weak(signs)),
        version,
        version is not None and version.key[:2] >= _HELLO_OK_SINCE,
    )


def recognise_by_rules(facts: Facts) -> Product:
    """What `recognise` gives, by every rule."""
    signs = _signs(facts)
    for rule in _STRONG:
        found = rule(signs)
        if found is not None:
            name, evidence, honeypot = found
            return Product(name, [evidence], honeypot)
    strange = list(_contradictions(signs))
    if strange:
        trap = any(_TRAP in sign for sign in strange)
        return Product(UNKNOWN, [*strange, *_weak(signs)], trap)
    weak = list(_weak(signs))
    return Product(UNKNOWN if len(weak) >= 2 else MONGODB, weak)


Found = tuple[str, str, bool] | None


def _signs(facts: Facts) -> Signs:
    def document(reply: object) -> Document:
        found = getattr(reply, "document", None)
        return found if isinstance(found, dict) else {}

    certificates = [attempt.tls.certificate_der for attempt in facts.attempts if attempt.tls is not None]
    return Signs(
        hello=document(facts.hello) if succeeded(facts.hello) else {},
        build=document(facts.build_info) if succeeded(facts.build_info) else {},
        listing=document(facts.list_databases) if succeeded(facts.list_databases) else {},
        listed_by=facts.list_databases.by if facts.list_databases is not None else "",
        certificate=b"".join(certificates),
        wire=facts.max_wire_version,
        remote=not facts.loopback,
        inventions=frozenset(facts.inventions),
        out_of_kind=facts.answers_out_of_kind,
        by_hello=facts.hello is not None and facts.hello.command == "hello",
    )


def _cryptd(signs: Signs) -> Found:
    return ("mongocryptd", "hello says iscryptd", False) if signs.hello.get("iscryptd") is True else None


def _ferretdb(signs: Signs) -> Found:
    version = text(signs.build.get("ferretdbVersion")) or text(sub(signs.build, "ferretdb", "version"))
    if version or any(key in signs.build for key in ("ferretdb", "ferretdbVersion", "ferretdbFeatures")):
        return "ferretdb", f"buildInfo names FerretDB {version}".rstrip(), False
    return None


def _secantusdb(signs: Signs) -> Found:
    version = text(signs.build.get("secantusVersion"))
    if version:
        return "secantusdb", f"buildInfo.secantusVersion is {version}", False
    if signs.hello.get("setName") == "secantus":
        return "secantusdb", "setName is secantus", False
    return None


def _percona(signs: Signs) -> Found:
    version = text(signs.build.get("psmdbVersion"))
    if version or "proFeatures" in signs.build:
        return (
            PERCONA,
            f"buildInfo.psmdbVersion is {version}" if version else "buildInfo has proFeatures",
            False,
        )
    suffix = text(signs.build.get("version")).partition("-")[2]
    if suffix.isascii() and suffix.isdigit():
        return PERCONA, f"version ends in -{suffix}, as Percona's builds do", False
    return None


def _tokumx(signs: Signs) -> Found:
    version = text(signs.build.get("tokumxVersion"))
    return ("tokumx", f"buildInfo.tokumxVersion is {version}", False) if version else None


def _documentdb(signs: Signs) -> Found:
    internal = signs.hello.get("internal")
    if not isinstance(internal, dict):
        return None
    if internal.get("kind") == "azuredocumentdb" or "cosmos_versions" in internal:
        return "cosmosdb", "hello.internal is that of Azure Cosmos DB vCore", False
    if "documentdb_versions" in internal:
        return "documentdb", "hello.internal.documentdb_versions", False
    return None


def _cosmosdb(signs: Signs) -> Found:
    if signs.hello.get("setName") == "globaldb":
        kind = "vCore" if signs.hello.get("msg") == "isdbgrid" else "RU"
        return "cosmosdb", f"setName is globaldb: Azure Cosmos DB ({kind})", False
    if text(signs.hello.get("_t")).endswith("Response"):
        return "cosmosdb", "hello carries _t, as Azure Cosmos DB does", False
    host = _host(signs, ".documents.azure.com", ".cosmos.azure.com")
    return ("cosmosdb", f"the set's host is {host}", False) if host else None


def _amazon(signs: Signs) -> Found:
    host = _host(signs, ".docdb.amazonaws.com", ".docdb-elastic.amazonaws.com")
    if host:
        return "amazon-documentdb", f"the set's host is {host}", False
    if b".docdb.amazonaws.com" in signs.certificate:
        return "amazon-documentdb", "the certificate names docdb.amazonaws.com", False
    return None


def _mindsdb(signs: Signs) -> Found:
    if signs.hello.keys() == _MINDSDB:
        return "mindsdb", "isMaster has four fields and no limits", False
    return None


def _java_server(signs: Signs) -> Found:
    fields = {"version", "versionArray", "maxBsonObjectSize", "ok"}
    if signs.build and set(signs.build) == fields and "readOnly" not in signs.hello:
        return "mongo-java-server", "buildInfo has four fields, isMaster no readOnly", False
    return None


def _dionaea(signs: Signs) -> Found:
    answers_all_alike = "ismaster" in signs.listing and "databases" not in signs.listing
    if answers_all_alike and signs.listing.get("maxWireVersion") == 5:
        return DIONAEA, "listDatabases is answered by the handshake's document", True
    return None


_STRONG: tuple[Callable[[Signs], Found], ...] = (
    _cryptd,
    _ferretdb,
    _secantusdb,
    _percona,
    _tokumx,
    _documentdb,
    _cosmosdb,
    _amazon,
    _mindsdb,
    _java_server,
    _dionaea,
)
_TRAP = "as only a trap does"


def _contradictions(signs: Signs) -> Iterator[str]:
    """Things that no MongoDB does. Each alone makes a look-alike."""
    if signs.out_of_kind:
        yield f"a question by OP_QUERY is answered by OP_MSG, {_TRAP}"
    yield from sorted(signs.inventions)
    if "databases" not in signs.listing and any(
        key in signs.listing for key in ("ismaster", "maxBsonObjectSize")
    ):
        yield f"listDatabases is answered by the handshake's document, {_TRAP}"
    elif signs.listing and not isinstance(signs.listing.get("databases"), list):
        yield f"listDatabases says ok without a list, {_TRAP}"
    if signs.hello and _disagree(advisories.parse(text(signs.build.get("version"))), signs.wire):
        yield f"version {text(signs.build.get('version'), 40)} does not go with maxWireVersion {signs.wire}"
    wire = signs.wire or 0
    if wire >= _OP_QUERY_REFUSED_SINCE and signs.listing and signs.listed_by == "OP_REPLY":
        yield "listDatabases is answered over OP_QUERY, which MongoDB refuses since 5.1"
    if wire >= _WIRE_3_6 and number(signs.hello.get("maxWriteBatchSize")) == _BATCH_BEFORE_3_6:
        yield "maxWriteBatchSize is 1000, as before 3.6, with a newer wire version"


def _weak(signs: Signs) -> Iterator[str]:
    """Things that are odd for MongoDB. One alone proves nothing."""
    version = advisories.parse(text(signs.build.get("version")))
    offered = signs.hello and not signs.by_hello and signs.hello.get("helloOk") is not True
    if offered and version is not None and version.key[:2] >= _HELLO_OK_SINCE:
        yield "helloOk was offered and not returned"
    if (
        "setName" in signs.hello
        and isinstance(signs.hello.get("ok"), int)
        and "$clusterTime" not in signs.hello
    ):
        yield "a member of a set that says ok as a whole number and has no cluster time"
    if signs.build and "gitVersion" not in signs.build:
        yield "buildInfo without gitVersion"
    elif signs.build and not _GIT_VERSION.fullmatch(text(signs.build.get("gitVersion"))):
        yield f"gitVersion is no version of git: {text(signs.build.get('gitVersion'), 40)}".rstrip(": ")
    if version is not None and _numbers(signs.build) not in (None, version.key[:3]):
        yield "versionArray is not that of the version"
    if "localTime" in signs.hello and moment(signs.hello["localTime"]) is None:
        yield "localTime is no date"
    if "version" in signs.hello:
        yield "hello names a version"
    if number(signs.hello.get("maxMessageSizeBytes")) == _HONEYPOT_MESSAGE_BYTES:
        yield "maxMessageSizeBytes is 64 MiB, which no MongoDB says"
    if signs.listing.get("databases") == [] and signs.remote:
        yield "an empty list of databases, where MongoDB always has its own"


def _numbers(build: Document) -> tuple[int, ...] | None:
    """The first three numbers of versionArray; None where there are none to compare."""
    listed = build.get("versionArray")
    if not isinstance(listed, list) or len(listed) < 3 or not all(isinstance(n, int) for n in listed[:3]):
        return None
    return tuple(listed[:3])


def invented(answers: Iterable[Document]) -> set[str]:
    """What answers to `$collStats` give away: fields of documents, of which nobody asked for any, come from
    what has not looked at the question. An answer to a find may hold them where projections are not known."""
    others = {key for answer in answers if "errmsg" not in answer for key in answer} - _OF_STATISTICS
    if others - {"_id"}:
        return {f"an answer holds fields that were not asked for, {_TRAP}"}
    return set()


@derived
@lru_cache(advisories.REMEMBERED)
def _disagree(version: advisories.Version | None, wire: int | None) -> bool:
    """True when version and wire version cannot come from one server. Development builds may be one off."""
    row = advisories.of_wire(wire)
    if version is None or row is None:
        return False
    if row.open_below:
        return version.key[:2] >= (2, 6)
    if row.series == version.series:
        return False
    told = wire or 0
    near = version.prerelease or version.derived or _development(version) or told >= _FIRST_DERIVED_WIRE
    neighbours = {advisories.of_wire(wire) for wire in (told - 1, told + 1)}
    around = {other.series for other in neighbours if other is not None} | {row.series}
    return not (near and (version.series in around or _development(version)))


def _development(version: advisories.Version) -> bool:
    major, minor = version.key[:2]
    return major < 5 and minor % 2 == 1


def _host(signs: Signs, *endings: str) -> str:
    named = signs.hello.get("hosts")
    hosts = [*(named if isinstance(named, list) else []), signs.hello.get("me"), signs.hello.get("primary")]
    for host in hosts:
        name = text(host).rpartition(":")[0] or text(host)
        if name.endswith(endings):
            return name
    return ""


_ORDINARY = Product()
_BUILD_TELLS = derived(ByBuild(_tells_of))
