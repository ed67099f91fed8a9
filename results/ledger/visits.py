"""From the lines of a journal to visits: which lines belong together, and what the ledger keeps of them.
Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from results.durations import as_text
from results.ledger.visit import Figures, Names, PlaceKey, Server, Structure, Visit
from results.lines import put_together
from results.record import DatabaseLine
from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from results.record import Collection, Exposure, Line, Observation
    from results.record import Server as ServerSeen

_HINTS = 20
_BY_ID = "newest_object_id"
_ANSWERS = frozenset(
    (
        Verdict.OPEN,
        Verdict.OPEN_NO_DATA,
        Verdict.AUTH_REQUIRED,
        Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
        Verdict.NOT_MONGODB,
    )
)
_MASKED = "masked-prefix"


class Group(NamedTuple):
    """An observation's line with where it stands, and the lines of its databases."""

    segment: int
    offset: int
    line: bytes
    observation: Observation
    databases: list[DatabaseLine]

    @property
    def whole(self) -> bool:
        """Whether all lines of its databases are there."""
        exposure = self.observation.exposure
        return exposure is None or len(self.databases) >= (exposure.database_lines or 0)


class Grouping:
    """Lines in the order of writing, put together to groups; what is not whole yet stays until it is, or
    until the next observation shows that it will never be."""

    def __init__(self) -> None:
        self.begun: Group | None = None

    def add(self, segment: int, offset: int, line: bytes, read: Line) -> Iterator[Group]:
        """Take one line; give out the groups that are known to be over. A line that lacks its observation is
        passed over."""
        begun = self.begun
        if isinstance(read, DatabaseLine):
            if begun is None or begun.observation.event_id != read.event_id:
                return
            begun.databases.append(read)
        else:
            if begun is not None:
                yield begun
            self.begun = begun = Group(segment, offset, line, read, [])
        if begun.whole:
            self.begun = None
            yield begun

    def end(self) -> Iterator[Group]:
        """Nothing more comes: give out what is left."""
        if self.begun is not None:
            yield self.begun
            self.begun = None


def answers_as_a_server(visit: Visit) -> bool:
    """Whether this place answered in this run as a server does, so that the network before it can be
    believed."""
    return visit.verdict in _ANSWERS and _MASKED not in visit.evidence


def is_better(new: tuple[bool, int, int], old: tuple[bool, int, int]) -> bool:
    """Which of two lines of one event counts, each as (open, segment, offset): an open one, or else the
    later; as `results.summary.unique`, whatever the order in which they come."""
    return new > old


def visit_of(group: Group, vantage: str = "") -> Visit:
    """What is kept of a group. `vantage`: the run's."""
    observation = group.observation
    if group.databases or not group.whole:
        (observation,) = put_together([observation, *group.databases])
    exposure, server, tls = observation.exposure, observation.server, observation.target.tls
    certificate = tls.certificate.sha256 if tls is not None and tls.certificate is not None else ""
    told = exposure is not None and observation.verdict.is_open
    visit = Visit(
        event_id=observation.event_id,
        finding_id=observation.finding_id,
        run_id=observation.run_id,
        at=observation.observed_at,
        place=PlaceKey(observation.owner.site, observation.target.ip, observation.target.port),
        vantage=vantage,
        verdict=observation.verdict,
        evidence=[reason.code for reason in observation.evidence],
        severity=observation.severity,
        severity_reasons=observation.severity_reasons,
        score=observation.score,
        owner=observation.owner,
        hostnames=observation.target.hostnames,
        server=_server(server, certificate),
        honeypot=server is not None and server.honeypot_suspected,
        segment=group.segment,
        offset=group.offset,
        line_sha256=hashlib.sha256(group.line).hexdigest(),
    )
    if not told or exposure is None:
        return visit
    return _with_exposure(visit, exposure, observation, whole=group.whole)


def _with_exposure(visit: Visit, exposure: Exposure, observation: Observation, *, whole: bool) -> Visit:
    return replace(
        visit,
        database_count=exposure.database_count,
        collection_count=exposure.collection_count,
        documents=exposure.documents,
        bytes=exposure.total_size_bytes,
        hints=list(dict.fromkeys(hint.word for hint in exposure.hints))[:_HINTS],
        ransom_level=exposure.ransom.level,
        ransom_names=exposure.ransom.names,
        ransom_wiped=exposure.ransom.wiped,
        last_write=exposure.last_write,
        structure=_structure(exposure, whole=whole),
        figures=_figures(exposure, observation.server, whole=whole),
    )


def _server(seen: ServerSeen | None, certificate: str) -> Server | None:
    if seen is None:
        return Server(certificate=certificate) if certificate else None
    return Server(
        product=seen.product,
        version=seen.version,
        topology=seen.topology,
        set_name=seen.set_name,
        hosts=sorted({*seen.hosts, *seen.passives, *seen.arbiters}),
        me=seen.me,
        certificate=certificate,
        started_at=_text(seen.started_at),
    )


def _structure(exposure: Exposure, *, whole: bool) -> Structure:
    """`whole`: all lines of its databases are there. Else any of its lists may lack something."""
    databases = {
        database.name: [_names(item) for item in database.collections if item.type != "view"]
        for database in exposure.databases
    }
    return Structure(
        databases=databases,
        whole=whole and "listDatabases" in exposure.answered and len(databases) >= exposure.database_count,
        named=[database.name for database in exposure.databases if whole and database.collections_known],
    )


def _names(collection: Collection) -> Names:
    return Names(
        name=collection.name,
        uuid=collection.uuid,
        made_at=_text(collection.made_at),
        indexes=[index.name for index in collection.indexes],
    )


def _figures(exposure: Exposure, server: ServerSeen | None, *, whole: bool) -> Figures:
    counters = server.counters if server is not None else None
    inserted = updated = deleted = None
    if counters is not None:
        inserted = counters.documents_inserted
        if inserted is None:
            inserted = counters.insert_operations  # of documents, too
        updated, deleted = counters.documents_updated, counters.documents_deleted
    return Figures(
        collections={
            f"{database.name}.{collection.name}": _counts(collection)
            for database in exposure.databases
            if not database.system
            for collection in database.collections
        },
        databases={database.name: database.size_bytes for database in exposure.databases},
        inserted=inserted,
        updated=updated,
        deleted=deleted,
        counted=whole
        and len(exposure.databases) >= exposure.database_count
        and all(database.documents is not None for database in exposure.databases if not database.system),
    )


def _counts(collection: Collection) -> tuple[int | None, int | None, str, int | None]:
    write = collection.last_write
    newest = _text(write.at) if write is not None and write.method == _BY_ID else ""
    return collection.documents, collection.size_bytes, newest, collection.write_operations


def _text(at: datetime | None) -> str:
    """A moment of the record; "" for none."""
    return as_text(at) if at is not None else ""
