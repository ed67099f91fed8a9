"""One observation, as it stands in a JSONL line. The JSON Schema is generated from these types.

Only plain data lives here. Every name in a record came from a server and is hostile text: it is kept as
it came and escaped by the formatter that shows it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from results.verdict import Severity, Verdict

SCHEMA = "mongosweep.observation/1"

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=0)]


class Certificate(Struct, frozen=True, kw_only=True):
    """What a TLS server showed of itself; nothing in it was verified."""

    subject: str = ""
    issuer: str = ""
    names: list[str] = []
    not_before: datetime | None = None
    not_after: datetime | None = None
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
    """Which address was asked. `tls` is null when the conversation was in the clear."""

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


class Server(Struct, frozen=True, kw_only=True):
    """What answered. `product` is `mongodb` unless something gave another product away."""

    product: str = "mongodb"
    product_evidence: list[str] = []
    version: str = ""
    version_source: str = ""
    topology: str = ""
    set_name: str = ""
    min_wire_version: int | None = None
    max_wire_version: int | None = None
    modules: list[str] = []
    storage_engine: str = ""
    started_at: datetime | None = None
    clock_skew_seconds: float | None = None
    honeypot_suspected: bool = False
    vulnerabilities: list[Vulnerability] = []
    end_of_life: EndOfLife | None = None


class LastWrite(Struct, frozen=True, kw_only=True):
    """A time, how it was found, and what it does and does not prove. Seconds resolution or better, UTC."""

    at: datetime
    method: str
    proves: str
    does_not_prove: str = ""
    where: str = ""


class Collection(Struct, frozen=True, kw_only=True):
    """One collection's counts. Sizes are bytes: `size_bytes` uncompressed, `storage_bytes` on disk."""

    name: str
    type: str = "collection"
    documents: Count | None = None
    size_bytes: Count | None = None
    storage_bytes: Count | None = None
    capped: bool = False
    last_write: LastWrite | None = None
    note: str = ""


class Database(Struct, frozen=True, kw_only=True):
    """One database. `size_bytes` is the server's own figure (files on disk)."""

    name: str
    name_hex: str = ""
    size_bytes: Count | None = None
    documents: Count | None = None
    system: bool = False
    empty: bool | None = None
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
    """What lies open, by metadata alone. `truncated` names everything that was not asked or not kept."""

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
    """The second opinion: the same question asked by MongoDB's official driver."""

    driver: str
    verdict: str
    agrees: bool
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
