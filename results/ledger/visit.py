"""What the ledger keeps of one observation, and what it knows of a run: the only input of everything derived.

A visit is one observation of one place in one run. Of what an open server told, two parts are kept apart,
because one of them seldom changes: its structure (names, UUIDs, indexes) and its figures (counts, sizes,
newest ids).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from results.past import Count
from results.record import LastWrite, Owner, Reason, Score
from results.verdict import Severity, Verdict


class PlaceKey(NamedTuple):
    """An address and port within a site: `ip` in canonical text, `site` "" where the allow-list has none."""

    site: str
    ip: str
    port: int


class Names(Struct, frozen=True, array_like=True, gc=False):
    """One collection of an open server: what stays the same from look to look. `uuid` "" where not told."""

    name: str
    uuid: str = ""
    made_at: str = ""
    indexes: list[str] = []


class Structure(Struct, frozen=True, array_like=True):
    """Databases by name, each with its collections; the server's own (`admin`, `local`, `config`) among them.

    `whole`: these are all databases that the server listed; without it a missing one proves nothing. `named`:
    the databases whose collections are all here; in the others a missing one proves nothing.
    """

    databases: dict[str, list[Names]] = {}
    whole: bool = True
    named: list[str] = []


class Figures(Struct, frozen=True, array_like=True):
    """What differs from look to look. `collections` holds (documents, bytes, newest id, write operations) by
    namespace, users' alone, null where not told; `databases` bytes on disk by name. `counted`: each database
    of users told its documents, so that the record's total is all of them."""

    collections: dict[str, tuple[int | None, int | None, str, int | None]] = {}
    databases: dict[str, int | None] = {}
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    counted: bool = True


class Server(Struct, frozen=True, array_like=True):
    """Who answered, as far as it tells one server from another."""

    product: str = ""
    version: str = ""
    topology: str = ""
    set_name: str = ""
    hosts: list[str] = []
    me: str = ""
    certificate: str = ""
    started_at: str = ""


class Visit(Struct, frozen=True, kw_only=True):
    """One observation. `at` is RFC 3339 in UTC with milliseconds. `structure` and `figures` are null unless
    it was open and told of itself. The totals are the record's own (without the server's databases)."""

    event_id: str
    finding_id: str
    run_id: str
    at: str
    place: PlaceKey
    vantage: str
    verdict: Verdict
    evidence: list[str]
    severity: Severity
    severity_reasons: list[Reason] = []
    score: Score | None = None
    owner: Owner
    hostnames: list[str] = []
    server: Server | None = None
    honeypot: bool = False
    database_count: Count | None = None
    collection_count: Count | None = None
    documents: Count | None = None
    bytes: Count | None = None
    hints: list[str] = []
    ransom_level: str = "none"
    ransom_names: list[str] = []
    ransom_wiped: bool | None = None
    last_write: LastWrite | None = None
    structure: Structure | None = None
    figures: Figures | None = None
    segment: int = 0
    offset: int = 0
    line_sha256: str = ""


class RunFacts(Struct, frozen=True, kw_only=True):
    """One run, as far as it says what its lines and its silence prove.

    `state` is as in `results.runs.RunState`: only a `complete` run's silence says anything, and only a
    complete run closes. `covers` tells whether a place was among those that it asked for certain; None where
    that is unknown. `companions` counts the *other* places near one (the same /24, /64, or any of 127/8; the
    same host's other ports) that answered in this run as a server does. `by_fleet`: whether workers of a
    fleet asked, elsewhere than where the run directory is.
    """

    run_id: str
    created_at: str
    ended_at: str = ""
    state: str
    vantage: str = ""
    purpose: str = ""
    covers: Callable[[PlaceKey], bool | None] = lambda _: None
    companions: Callable[[PlaceKey], int] = lambda _: 0
    by_fleet: Callable[[], bool] = lambda: False


class Look(NamedTuple):
    """One look at the place of an exposure: a visit that it belongs to, or the silence of a run without a
    line.

    `is_other`: something open was there, and it was another server. `place` is where it looked.
    """

    at: str
    run: RunFacts | None
    vantage: str
    visit: Visit | None = None
    is_other: bool = False
    place: PlaceKey | None = None

    @property
    def is_open(self) -> bool:
        """Whether this server was seen open."""
        return self.visit is not None and self.visit.verdict.is_open and not self.is_other
