"""What was seen, as types. The JSON Schema is generated from these types.

Plain data that cannot hold itself (`gc=False`); `results/lines.py` makes lines of it. Every name in a
record came from a server and is hostile text: kept as it came, escaped by the formatter that shows it.

What is not known, is none, or is no, is left out of a line: every field with a default. What reads the same
for each server is a `code` (or `method`, or the id of an advisory), whose prose `mongosweep explain` tells.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from results.past import Count, Counters, Index, Instant, Past
from results.verdict import Severity, Verdict

OBSERVATION, DATABASE = "mongosweep.observation/1", "mongosweep.database/1"

STATUS_PAGE = "status_page"  # the `topology` of what only shows one

Port = Annotated[int, Meta(ge=1, le=65535)]
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
SeverityNumber = Annotated[int, Meta(ge=1, le=5)]
Score = Annotated[int, Meta(ge=0, le=100)]


class Certificate(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a TLS server showed of itself; nothing in it was verified."""

    subject: str = ""
    issuer: str = ""
    names: list[str] = []
    not_before: Instant | None = None
    not_after: Instant | None = None
    expired: bool = False
    self_signed: bool = False
    key_type: str = ""
    key_bits: int | None = None
    signature_hash: str = ""
    sha256: str = ""


class Tls(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The TLS session in which the server answered. `legacy`: only with TLS 1.0 or 1.1 allowed."""

    version: str = ""
    cipher: str = ""
    cipher_bits: int | None = None
    legacy: bool = False
    certificate_requested: bool = False
    certificate: Certificate | None = None
    error: str = ""


class Endpoint(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Which address was asked. `tls` is null when the conversation was in the clear.

    `hostnames`: those of the allow-list first, then those of a list of targets, then those that the server's
    certificate claims.
    """

    ip: str
    port: Port
    hostnames: list[str] = []
    tls: Tls | None = None


class Owner(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whose the address is, by the most specific entry of the allow-list."""

    owner: str = ""
    contact: str = ""
    site: str = ""
    allow: str = ""
    labels: dict[str, str] = {}


class Reason(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A code whose prose is the same for each server, and what is this one's. `points`: of a score."""

    code: str
    detail: str = ""
    points: int = 0


class Vulnerabilities(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Ids of advisories whose version range holds this version. Never a proof that the server is vulnerable.

    `version_in_range`: the record names the version; `possible`: it may, or the version is not known to the
    patch level; `check_vendor`: a vendor's build, who may have mended it. `known_exploited` are those of all
    three that are known to be exploited.
    """

    known_exploited: list[str] = []
    version_in_range: list[str] = []
    possible: list[str] = []
    check_vendor: list[str] = []


class EndOfLife(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whether the vendor still supports the release series, by a table with a date of its own (`mongosweep
    data` tells it)."""

    series: str
    ended: bool = False
    date: str = ""


class Build(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What buildInfo says besides the version. Text is as the server gave it; null and "": not told."""

    git_version: str = ""
    allocator: str = ""
    javascript_engine: str = ""
    openssl: str = ""
    bits: Count | None = None
    debug: bool = False
    max_bson_object_size: Count | None = None
    storage_engines: list[str] = []


class StatusPage(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The page that servers up to 3.4 have by HTTP: whether it was shown, or wanted a login; and the host
    that its title names."""

    shown: bool
    host: str = ""


class Server(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What answered. `product` is `mongodb` unless something gave another product away. `status_page`: only
    that was asked, at a port that has nothing else.

    `shard` is true for a member of a shard that says so, as 3.6 and 4.0 do, and null where nothing tells.
    `started_at` is the time of the method `process_start` (ms where `counters` were told, else seconds).

    `hosts`, `passives`, `arbiters`, `me` and `primary`: the members of its set as the server advertises them;
    nobody was asked there.
    """

    product: str
    product_evidence: list[str] = []
    version: str = ""
    version_source: str = ""
    topology: str = ""
    set_name: str = ""
    hosts: list[str] = []
    passives: list[str] = []
    arbiters: list[str] = []
    me: str = ""
    primary: str = ""
    shard: bool | None = None
    compressors: list[str] = []
    build: Build | None = None
    min_wire_version: int | None = None
    max_wire_version: int | None = None
    modules: list[str] = []
    storage_engine: str = ""
    started_at: Instant | None = None
    counters: Counters | None = None
    clock_skew_seconds: float | None = None
    honeypot_suspected: bool = False
    vulnerabilities: Vulnerabilities | None = None
    end_of_life: EndOfLife | None = None
    status_page: StatusPage | None = None


class LastWrite(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A time (seconds resolution or better, UTC) and the method that found it, which says what it proves.

    `where`: a collection's namespace, or nothing for the server as a whole. `cautions` are codes of what
    speaks against the time. `operations` were counted from `at` until the look, by a method that counts.
    """

    at: Instant
    method: str
    where: str = ""
    operations: Count | None = None
    cautions: list[str] = []


class Collection(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One collection's counts. Sizes are bytes: `size_bytes` uncompressed, `storage_bytes` on disk.

    `name_hex` are the bytes of a name that was cut or is no UTF-8. `validator` is null where nothing told of
    it; `shards` are names. No rule and no option is kept.

    `uuid` in its canonical form of 36 characters. `counted_since` (ms, the server's clock): since when the
    server counts what follows; it is `made_at` only where it lies more than a minute after the start of the
    process, which makes it the time when the collection was made. `write_operations` and `read_operations`
    are operations, of many documents each; questions of this look are taken off.
    """

    name: str
    name_hex: str = ""
    type: str = "collection"
    uuid: str = ""
    documents: Count | None = None
    size_bytes: Count | None = None
    storage_bytes: Count | None = None
    index_bytes: Count | None = None
    capped: bool = False
    validator: bool | None = None
    shards: list[str] = []
    last_write: LastWrite | None = None
    made_at: Instant | None = None
    counted_since: Instant | None = None
    write_operations: Count | None = None
    read_operations: Count | None = None
    indexes: list[Index] = []
    notes: list[Reason] = []


class Database(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One database. `size_bytes` is the server's own figure (files on disk).

    `shards` is that figure by shard, where a router tells it; `gridfs` names the buckets of files.
    `collections` stand in lines of their own; `collections_known` says that all of them were named.
    """

    name: str
    name_hex: str = ""
    size_bytes: Count | None = None
    documents: Count | None = None
    index_bytes: Count | None = None
    system: bool = False
    empty: bool | None = None
    shards: dict[str, Count] = {}
    gridfs: list[str] = []
    collections: list[Collection] = []
    collections_known: bool = False
    notes: list[Reason] = []


class Ransom(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whether names look like an extortionist's note, and which. Nothing was opened."""

    level: Literal["none", "possible", "likely", "third_party_marker"] = "none"
    names: list[str] = []
    wiped: bool | None = None
    reasons: list[Reason] = []


NO_RANSOM = Ransom()
"""The one to use where nothing was found: a line leaves it out."""


class Hint(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A name that hints at personal or secret data, and the listed word that it matched.

    `field`: it is that of an indexed field, and `name` that of its collection.
    """

    name: str
    field: str = ""
    word: str
    category: str
    language: str


class Exposure(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What lies open, by metadata alone. `truncated` names everything that was not asked, told or kept.

    `access`: `full` where two independent questions that need a privilege were answered and none refused,
    `partial` where some were refused for want of a login, `not_told` where only one was answered or asked.

    `databases` are all that are known, or in a line of the journal the gravest: then `database_lines` lines
    follow with all of them. Totals leave the server's own databases out; `database_count` is what it listed.
    """

    access: Literal["full", "partial", "not_told"]
    answered: list[str] = []
    refused: list[str] = []
    database_count: Count
    collection_count: Count | None = None
    documents: Count | None = None
    total_size_bytes: Count | None = None
    index_bytes: Count | None = None
    hint_count: Count | None = None
    last_write: LastWrite | None = None
    activity: list[LastWrite] = []
    past: list[Past] = []
    ransom: Ransom = NO_RANSOM
    databases: list[Database] = []
    database_lines: Count | None = None
    hints: list[Hint] = []
    truncated: list[str] = []


class Confirmation(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The second opinion: the same question asked by MongoDB's official driver.

    `agrees` is null where the driver has no opinion: it speaks to no server that old, or could not ask.
    `databases` are its names where it disagrees.
    """

    driver: str
    verdict: str
    agrees: bool | None
    detail: str = ""
    databases: list[str] = []


class Exchange(Struct, frozen=True, kw_only=True, gc=False):
    """A request that was answered: the command's name, and the SHA-256 of all bytes of both messages."""

    command: str
    request_sha256: Digest
    reply_sha256: Digest


class Timing(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the question cost. Milliseconds on a monotonic clock; bytes inside TLS where there is TLS."""

    connect_ms: float | None = None
    total_ms: float
    connections: Count = 0
    messages: Count = 0
    bytes_sent: Count = 0
    bytes_received: Count = 0


NO_TIMING = Timing(total_ms=0.0)
"""Of a target that accepted no connection: a line leaves it out."""


class Observation(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=OBSERVATION):
    """One target of one run: everything that a reader needs, with no other file. `vantage`: where the run
    looked from. `severity_number`: 5 critical, 4 high, 3 medium, 2 low, 1 info, as OCSF's `severity_id`.
    `score`: the points of its reasons, up to 100, on which it rests; null where none was computed.
    `transcript`: the first exchanges of the conversation, where they are kept; `transcript_count` of them
    were answered in all, and `transcript_sha256` is the head of the hash chain over all (docs/record.md)."""

    event_id: str
    finding_id: str
    run_id: str
    observed_at: Time
    vantage: str = ""
    verdict: Verdict
    severity: Severity
    severity_number: SeverityNumber
    severity_reasons: list[Reason] = []
    score: Score | None = None
    target: Endpoint
    owner: Owner
    evidence: list[Reason] = []
    server: Server | None = None
    exposure: Exposure | None = None
    confirmation: Confirmation | None = None
    transcript: list[Exchange] = []
    transcript_count: Count | None = None
    transcript_sha256: str = ""
    timing: Timing = NO_TIMING
    truncated: list[str] = []


class Address(Struct, frozen=True, kw_only=True, gc=False):
    """Where a database lies."""

    ip: str
    port: Port


class DatabaseLine(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=DATABASE):
    """One database of an observation, with its collections; or a part of one that is too long for a line.

    `line` counts from 1 to `lines` over all databases of the observation, `number` from 1 over its databases:
    lines of the same number are parts of one, in their order. Parts after the first repeat its figures, and
    go on with its lists.
    """

    event_id: str
    finding_id: str
    run_id: str
    observed_at: Time
    target: Address
    line: Annotated[int, Meta(ge=1)]
    lines: Annotated[int, Meta(ge=1)]
    number: Annotated[int, Meta(ge=1)]
    database: Database
    hints: list[Hint] = []
    truncated: list[str] = []


Line = Observation | DatabaseLine
"""What one line of the journal holds."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one line. Fields that it does not name are allowed."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mongosweep:schema:line:1",
        "title": f"{OBSERVATION} or {DATABASE}",
        **msgspec.json.schema(Line),
    }
