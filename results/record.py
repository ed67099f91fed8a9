"""One observation, and how it becomes a JSONL line. The JSON Schema is generated from these types.

Only plain data and pure functions live here. Every name in a record came from a server and is hostile
text: it is kept as it came and escaped by the formatter that shows it.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from results import cut
from results.verdict import Severity, Verdict

SCHEMA = "mongosweep.observation/1"
MAX_LINE = 64 * 1024
"""Bytes of one line with its newline; many receivers of logs take no more."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=0)]
Instant = Annotated[datetime, Meta(tz=True)]


class Certificate(Struct, frozen=True, kw_only=True):
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


class Tls(Struct, frozen=True, kw_only=True):
    """The TLS session in which the server answered. `legacy`: only with TLS 1.0 or 1.1 allowed."""

    version: str = ""
    cipher: str = ""
    cipher_bits: int | None = None
    legacy: bool = False
    certificate_requested: bool = False
    certificate: Certificate | None = None
    error: str = ""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Which address was asked. `tls` is null when the conversation was in the clear.

    `hostnames`: those of the allow-list first, then those of a list of targets, then those that the server's
    certificate claims.
    """

    ip: str
    port: Port
    hostnames: list[str] = []
    tls: Tls | None = None


class Owner(Struct, frozen=True, kw_only=True):
    """Whose the address is, by the most specific entry of the allow-list."""

    owner: str = ""
    contact: str = ""
    site: str = ""
    allow: str = ""
    labels: dict[str, str] = {}


class Evidence(Struct, frozen=True, kw_only=True):
    """One reason for the verdict: the rule that matched and what on the wire made it match."""

    rule: str
    detail: str


class Vulnerability(Struct, frozen=True, kw_only=True):
    """An advisory whose version range holds this version. Never a proof that the server is vulnerable."""

    id: str
    summary: str
    certainty: Literal["version_in_range", "possible", "check_vendor"]
    condition: str = ""
    known_exploited: bool = False


class EndOfLife(Struct, frozen=True, kw_only=True):
    """Whether the vendor still supports the release series, by a table with a date of its own."""

    series: str
    ended: bool
    date: str = ""
    as_of: str = ""


class Build(Struct, frozen=True, kw_only=True):
    """What buildInfo says besides the version. Text is as the server gave it; null and "": not told."""

    git_version: str = ""
    allocator: str = ""
    javascript_engine: str = ""
    openssl: str = ""
    bits: Count | None = None
    debug: bool | None = None
    max_bson_object_size: Count | None = None
    storage_engines: list[str] = []


class Server(Struct, frozen=True, kw_only=True):
    """What answered. `product` is `mongodb` unless something gave another product away.

    `shard` is true for a member of a shard that says so, as 3.6 and 4.0 do, and null where nothing tells.

    `hosts`, `passives`, `arbiters`, `me` and `primary`: the members of its set as the server advertises them;
    nobody was asked there.
    """

    product: str = "mongodb"
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
    clock_skew_seconds: float | None = None
    honeypot_suspected: bool = False
    vulnerabilities: list[Vulnerability] = []
    end_of_life: EndOfLife | None = None


class LastWrite(Struct, frozen=True, kw_only=True):
    """A time, how it was found, and what it does and does not prove. Seconds resolution or better, UTC."""

    at: Instant
    method: str
    proves: str
    does_not_prove: str = ""
    where: str = ""


class Collection(Struct, frozen=True, kw_only=True):
    """One collection's counts. Sizes are bytes: `size_bytes` uncompressed, `storage_bytes` on disk.

    `validator` is null where nothing told of it; `shards` are names. No rule and no option is kept.
    """

    name: str
    type: str = "collection"
    documents: Count | None = None
    size_bytes: Count | None = None
    storage_bytes: Count | None = None
    index_bytes: Count | None = None
    capped: bool = False
    validator: bool | None = None
    shards: list[str] = []
    last_write: LastWrite | None = None
    note: str = ""


class Database(Struct, frozen=True, kw_only=True):
    """One database. `size_bytes` is the server's own figure (files on disk).

    `shards` is that figure by shard, where a router tells it; `gridfs` names the buckets of files.
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
    note: str = ""


class Ransom(Struct, frozen=True, kw_only=True):
    """Whether names look like an extortionist's note, and which. Nothing was opened."""

    level: Literal["none", "possible", "likely", "third_party_marker"] = "none"
    names: list[str] = []
    wiped: bool | None = None
    reasons: list[str] = []


class Hint(Struct, frozen=True, kw_only=True):
    """A name that hints at personal or secret data, and the listed word that it matched."""

    name: str
    word: str
    category: str
    language: str


class Exposure(Struct, frozen=True, kw_only=True):
    """What lies open, by metadata alone. `truncated` names everything that was not asked, told or kept.

    `access`: `full` where two independent questions that need a privilege were answered and none refused,
    `partial` where some were refused for want of a login, `not_told` where only one was answered or asked.
    """

    access: Literal["full", "partial", "not_told"] = "not_told"
    answered: list[str] = []
    refused: list[str] = []
    databases: list[Database] = []
    database_count: Count = 0
    total_size_bytes: Count | None = None
    documents: Count | None = None
    last_write: LastWrite | None = None
    activity: list[LastWrite] = []
    ransom: Ransom = field(default_factory=Ransom)
    hints: list[Hint] = []
    truncated: list[str] = []


class Confirmation(Struct, frozen=True, kw_only=True):
    """The second opinion: the same question asked by MongoDB's official driver.

    `agrees` is null where the driver has no opinion: it speaks to no server that old, or could not ask.
    """

    driver: str
    verdict: str
    agrees: bool | None
    detail: str = ""
    databases: list[str] = []


class Timing(Struct, frozen=True, kw_only=True):
    """What the question cost. Milliseconds on a monotonic clock; bytes inside TLS where there is TLS."""

    connect_ms: float | None = None
    total_ms: float = 0.0
    connections: Count = 0
    messages: Count = 0
    bytes_sent: Count = 0
    bytes_received: Count = 0


class Observation(Struct, frozen=True, kw_only=True):
    """One line of the journal: everything that a reader needs, with no other file."""

    schema: Literal["mongosweep.observation/1"] = "mongosweep.observation/1"
    event_id: str
    run_id: str
    observed_at: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    target: Endpoint
    owner: Owner
    verdict: Verdict
    evidence: list[Evidence] = []
    server: Server | None = None
    exposure: Exposure | None = None
    severity: Severity = Severity.INFO
    severity_reasons: list[str] = []
    confirmation: Confirmation | None = None
    timing: Timing = field(default_factory=Timing)
    truncated: list[str] = []


class RecordError(ValueError):
    """A line that is not an observation, or an observation that cannot become a line; says why."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Observation)


def to_json(observation: Observation, *, read_before: bool = False) -> bytes:
    """One line of at most `MAX_LINE` bytes of printable ASCII, ending in a newline; `from_json` reads it.

    What does not fit is cut in a fixed order and named in `truncated`; text that is not Unicode and numbers
    that are not countable are replaced, and named there too. Raises `RecordError` when our own code built
    something that is no observation at all. `read_before`: all that came from a server in it has been written
    and read in another record already.
    """
    try:
        line = _encoder.encode(observation)
        if len(line) < MAX_LINE and len(line := _ascii(line)) < MAX_LINE:
            # A line that no reader takes would make the whole journal unreadable, and the values come from
            # servers: so each line is read once before it is written.
            if not read_before:
                _decoder.decode(line)
            return line + b"\n"
    except (UnicodeEncodeError, msgspec.ValidationError):
        pass
    return _mended(observation)


def _mended(observation: Observation) -> bytes:
    document = msgspec.to_builtins(observation)
    line = cut.fit(document, lambda node: _ascii(_encoder.encode(node)), MAX_LINE - 1)
    try:
        _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise RecordError(f"this is no observation: {error}") from error
    return line + b"\n"


def _ascii(data: bytes) -> bytes:
    if not data.isascii():
        data = data.decode().encode("ascii", "mongosweep.json")
    # DEL is ASCII, and JSON lets it stand as it is; a terminal does not.
    return data.replace(b"\x7f", b"\\u007f") if b"\x7f" in data else data


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)), error.end


codecs.register_error("mongosweep.json", _escape)


def from_json(line: bytes) -> Observation:
    """Read one line; fields that this version does not know are passed over.

    Raises `RecordError` when it is no observation, or one of a newer schema.
    """
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        newer = re.search(rb'"schema":\s*"(mongosweep\.observation/[0-9]{1,6})"', line[:200])
        if newer and newer[1].decode() != SCHEMA:
            raise RecordError(f"written as {newer[1].decode()}, this version reads {SCHEMA}") from error
        raise RecordError(f"not an observation: {error}") from error
    except RecursionError as error:
        raise RecordError("not an observation: nested too deeply") from error


def event_id(run_id: str, ip: bytes, port: int) -> str:
    """The name of one target's line in one run: 32 hex digits, the same each time it is asked again.

    `ip` is 16 bytes (an IPv4 address in its mapped form, ::ffff:a.b.c.d). No clock and no chance goes in, so
    a target that is probed twice in a run gives a duplicate which every consumer can drop.
    """
    if len(ip) != 16:
        raise ValueError(f"an address is 16 bytes here, not {len(ip)}")
    return hashlib.sha256(_event_head(run_id) + ip + _PORT_LENGTH + port.to_bytes(2, "big")).hexdigest()[:32]


_PORT_LENGTH = b"\x00\x00\x00\x02"


@lru_cache(8)
def _event_head(run_id: str) -> bytes:
    """What is hashed of every event of a run before its address: each part behind its length in 4 bytes."""
    parts = (b"mongosweep.event/1", run_id.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts) + (16).to_bytes(4, "big")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one line. Fields that it does not name are allowed."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mongosweep:schema:observation:1",
        "title": SCHEMA,
        **msgspec.json.schema(Observation),
    }
