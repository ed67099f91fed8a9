"""Every kind of event once, and events made of chance and hostile text, for tests of formats."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from hypothesis import strategies as st
from msgspec.structs import replace

from results.durations import as_text
from results.events.event import ChangeEvent, Event, RunEnd, RunEvent, RunKind
from results.ledger.tracked import ChangeKind, Place, State, TrackedExposure
from results.record import (
    Build,
    Certificate,
    Database,
    Endpoint,
    Exposure,
    Hint,
    LastWrite,
    Observation,
    Owner,
    Ransom,
    Reason,
    Server,
    Tls,
)
from results.summary import Coverage, Loss
from results.verdict import Severity, Verdict
from tests.results.examples import magazine, observation
from tests.results.injections import INJECTIONS
from tests.support.exposures import closed, exposure
from tests.support.told import AT, change, run_event, seen_open

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = (*get_args(ChangeKind), "reminder")
RUN_KINDS, RUN_ENDS, STATES = get_args(RunKind), get_args(RunEnd), get_args(State)


def every_event() -> Iterator[Event]:
    """Each kind of change with each severity, each kind of run event with each end, an observation of each
    verdict, and an exposure in each state."""
    for kind in KINDS:
        for severity in Severity:
            yield change(
                kind=kind, state=state_after(kind), severity=severity, severity_number=severity.number
            )
    for run_kind in RUN_KINDS:
        for end in RUN_ENDS:
            yield run_event(kind=run_kind, state=end)
            yield bare_run(run_kind, end)
    for verdict in Verdict:
        yield observation("192.0.2.7", verdict=verdict, target=Endpoint(ip="2001:db8::7", port=27018))
        yield observation("192.0.2.7", verdict=verdict, server=None, owner=Owner())
    yield from (seen_open(), magazine())
    yield from (exposure(state=state) for state in STATES if state != "closed")
    yield closed()


def state_after(kind: str) -> State:
    """The state of an exposure after a change of that kind."""
    return {"opened": "new", "closed": "closed", "unreachable": "unreachable", "reopened": "reopened"}.get(  # type: ignore[return-value]
        kind, "changed"
    )


def bare_run(kind: Any, end: Any) -> RunEvent:
    """An event of a run of which nothing else is known."""
    return RunEvent(
        event_id="mr_1", kind=kind, at=AT, run_id="r1", state=end, severity=Severity.INFO, severity_number=1
    )


# By chance.

# Text as servers send it: any Unicode, what steers a terminal or a log, and halves of surrogate pairs, which
# no line of a journal can hold.
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from([text for text in INJECTIONS if len(text) < 100]),
    st.text(st.characters(categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Lo")), max_size=6),
)
_NAMES = st.lists(TEXTS, max_size=4)
_COUNTS = st.none() | st.integers(0, 2**63 - 1)
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(as_text)  # noqa: DTZ001
_OLD = st.just("") | _TIMES | TEXTS
_ADDRESSES = st.ip_addresses().map(str)
_PORTS = st.integers(1, 65535)
_SEVERITIES = st.sampled_from(list(Severity))
_OWNERS = st.builds(
    Owner,
    owner=TEXTS,
    contact=TEXTS | st.emails(),
    site=TEXTS,
    labels=st.dictionaries(TEXTS, TEXTS, max_size=3),
)
_HELD = {
    "hostnames": _NAMES,
    "product": TEXTS,
    "version": TEXTS,
    "topology": TEXTS | st.just("primary"),
    "database_count": _COUNTS,
    "collection_count": _COUNTS,
    "documents": _COUNTS,
    "bytes": _COUNTS,
    "databases": _NAMES,
    "hints": _NAMES,
    "ransom_names": _NAMES,
    "newest_write": _OLD,
    "newest_write_method": TEXTS,
    "first_seen_open": _OLD,
    "last_seen_open": _OLD,
    "closed_before": _OLD,
    "closed_how": TEXTS,
    "owner": _OWNERS,
    "place": st.builds(Place, ip=_ADDRESSES, port=_PORTS, site=TEXTS),
    "state": st.sampled_from(STATES),
}
_IDS = st.text(min_size=1, max_size=8)


def _graded(event: Any, severity: Severity) -> Any:
    return replace(event, severity=severity, severity_number=severity.number)


def _change(told: dict[str, Any]) -> ChangeEvent:
    return change(**told)


CHANGES = st.builds(
    _graded,
    st.fixed_dictionaries(
        {
            **_HELD,
            "kind": st.sampled_from(KINDS),
            "event_id": _IDS,
            "exposure_id": _IDS,
            "finding_id": _IDS,
            "run_id": TEXTS,
            "at": _TIMES,
            "after": _OLD,
            "dated": _OLD,
            "vantage": TEXTS,
            "names": _NAMES,
            "reasons": st.lists(st.builds(Reason, code=TEXTS, detail=TEXTS), max_size=3),
            "organisation": TEXTS,
        }
    ).map(_change),
    _SEVERITIES,
)


def _exposure(told: dict[str, Any]) -> TrackedExposure:
    return replace(exposure(), **told)


EXPOSURES = st.builds(
    _graded, st.fixed_dictionaries({**_HELD, "last_look": _TIMES, "due_at": _OLD}).map(_exposure), _SEVERITIES
)

_DATABASES = st.builds(
    Database,
    name=TEXTS,
    size_bytes=_COUNTS,
    documents=_COUNTS,
    system=st.booleans(),
    empty=st.none() | st.booleans(),
)
_BUILDS = st.builds(
    Build,
    git_version=TEXTS,
    allocator=TEXTS,
    bits=_COUNTS,
    max_bson_object_size=_COUNTS,
    storage_engines=_NAMES,
)
OBSERVATIONS = st.builds(
    _graded,
    st.builds(
        Observation,
        event_id=_IDS,
        finding_id=_IDS,
        run_id=_IDS,
        observed_at=_TIMES,
        vantage=TEXTS,
        verdict=st.sampled_from(list(Verdict)),
        severity=st.just(Severity.INFO),
        severity_number=st.just(1),
        severity_reasons=st.lists(st.builds(Reason, code=TEXTS), max_size=2),
        target=st.builds(
            Endpoint,
            ip=_ADDRESSES,
            port=_PORTS,
            hostnames=_NAMES,
            tls=st.none() | st.builds(Tls, certificate=st.none() | st.builds(Certificate, names=_NAMES)),
        ),
        owner=_OWNERS,
        server=st.none()
        | st.builds(
            Server,
            product=TEXTS,
            version=TEXTS,
            topology=TEXTS,
            build=st.none() | _BUILDS,
            max_wire_version=st.none() | st.integers(-(2**40), 2**40),
        ),
        exposure=st.none()
        | st.builds(
            Exposure,
            access=st.just("full"),
            database_count=st.integers(0, 9),
            databases=st.lists(_DATABASES, max_size=4),
            total_size_bytes=_COUNTS,
            hints=st.lists(
                st.builds(Hint, name=TEXTS, word=TEXTS, category=TEXTS, language=TEXTS), max_size=2
            ),
            ransom=st.builds(Ransom, names=_NAMES),
            last_write=st.none()
            | st.builds(LastWrite, at=st.datetimes(timezones=st.just(UTC)), method=TEXTS),
        ),
    ),
    _SEVERITIES,
)
_WORDS = st.dictionaries(TEXTS | st.sampled_from(["open", "refused"]), st.integers(0, 2**40), max_size=3)
RUNS = st.builds(
    _graded,
    st.builds(
        RunEvent,
        event_id=_IDS,
        kind=st.sampled_from(RUN_KINDS),
        at=_TIMES,
        run_id=TEXTS,
        state=st.sampled_from(RUN_ENDS),
        severity=st.just(Severity.INFO),
        severity_number=st.just(1),
        reasons=_NAMES,
        organisation=TEXTS,
        vantage=TEXTS,
        purpose=TEXTS,
        host=TEXTS,
        tool_version=TEXTS,
        scope=TEXTS,
        planned=st.integers(0, 2**40),
        started_at=_OLD,
        coverage=st.none()
        | st.builds(Coverage, planned=st.integers(0, 2**40), outcomes=st.integers(0, 2**40)),
        loss=st.none() | st.builds(Loss, missed_at_most=_COUNTS, answered=st.integers(0, 2**40)),
        outcomes=_WORDS,
        open=_COUNTS,
        changes=_WORDS,
        exposures_open=_COUNTS,
    ),
    _SEVERITIES,
)
ANY_EVENT = st.one_of(CHANGES, EXPOSURES, OBSERVATIONS, RUNS)
