"""Events of every kind for tests of formats: ordinary ones, and ones that are made of one hostile text."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from results.events.event import ChangeEvent, Event, RunEvent, Snapshot
from results.formats.fields import Sender
from results.ledger.tracked import Place
from results.record import (
    Build,
    Database,
    Endpoint,
    Exposure,
    Hint,
    Observation,
    Owner,
    Ransom,
    Reason,
    Server,
)
from results.summary import Coverage, Loss
from results.verdict import Severity, Verdict
from tests.results.examples import observation
from tests.support.exposures import exposure

SENDER = Sender(version="1.0.0", host="scan-ams-1", organisation="Example Corp")
AT = "2026-11-24T09:15:02.123Z"


def change(**changes: Any) -> ChangeEvent:
    """The opening of the server of `docs/formats.md`, unless `changes` say otherwise; those named as a field
    of the snapshot go into it."""
    then = Snapshot(
        state="new",
        place=Place(ip="10.1.2.3", port=27017, site="ams"),
        organisation="Example Corp",
        owner=Owner(owner="team X", contact="team-x@example.com", site="ams", labels={"cost": "4711"}),
        hostnames=["db7.example.net"],
        verdict=Verdict.OPEN,
        product="mongodb",
        version="7.0.14",
        topology="standalone",
        database_count=3,
        collection_count=26,
        documents=693_000,
        bytes=60_000_425_984,
        databases=["crm", "billing"],
        hints=["crm.customers"],
        newest_write="2026-11-20T17:42:10.000Z",
        newest_write_method="newest_object_id",
        first_seen_open=AT,
        last_seen_open=AT,
    )
    told = ChangeEvent(
        event_id="mc_0123456789abcdef01234567",
        exposure_id="mx_e6c1e0b5d9f2",
        finding_id="mf_6c1e0b5d9f2a4c376c1e0b5d",
        kind="opened",
        at=AT,
        run_id="20261124T090000Z-a1b2",
        observation_id="0" * 32,
        vantage="internet",
        reasons=[Reason(code="seen-open")],
        severity=Severity.CRITICAL,
        severity_number=5,
        snapshot=then,
    )
    inner = {name: value for name, value in changes.items() if name in Snapshot.__struct_fields__}
    outer = {name: value for name, value in changes.items() if name not in inner}
    return replace(told, **outer, snapshot=replace(then, **inner))


def run_event(**changes: Any) -> RunEvent:
    """A sweep that was complete and saw nothing open, unless `changes` say otherwise."""
    told = RunEvent(
        event_id="mr_0123456789abcdef01234567",
        kind="ended",
        at=AT,
        run_id="20261124T090000Z-a1b2",
        state="complete",
        severity=Severity.INFO,
        severity_number=1,
        organisation="Example Corp",
        vantage="internet",
        host="scan-ams-1",
        tool_version="1.0.0",
        planned=256,
        started_at="2026-11-24T09:00:00.000Z",
        coverage=Coverage(planned=256, outcomes=250, excluded=6),
        loss=Loss(missed_at_most=0, answered=250),
        outcomes={"refused": 250},
        open=0,
        changes={"closed": 1},
        exposures_open=0,
    )
    return replace(told, **changes)


def seen_open(**changes: Any) -> Observation:
    """An observation of an open server with all that buildInfo tells."""
    build = Build(
        git_version="f2e3",
        allocator="tcmalloc",
        javascript_engine="mozjs",
        openssl="OpenSSL 3.0.2",
        bits=64,
        max_bson_object_size=16_777_216,
    )
    told = observation(
        "10.1.2.3",
        verdict=Verdict.OPEN,
        severity=Severity.HIGH,
        target=Endpoint(ip="10.1.2.3", port=27017, hostnames=["db7.example.net"]),
        server=Server(product="mongodb", version="7.0.14", build=build),
        exposure=Exposure(
            access="full",
            database_count=2,
            total_size_bytes=4096,
            databases=[Database(name="crm"), Database(name="local", system=True)],
        ),
    )
    return replace(told, **changes)


def ordinary() -> list[Event]:
    """One event of every kind."""
    return [change(), change(kind="closed", state="closed"), run_event(), seen_open(), exposure()]


def hostile(text: str) -> list[Event]:
    """An event of each type that is this text wherever it takes one from elsewhere: a server, the
    configuration, a file that somebody edited."""
    owner = Owner(owner=text, contact=text, site=text, labels={text: text})
    told = {
        "hostnames": [text, text],
        "databases": [text, "b", text],
        "hints": [text],
        "ransom_names": [text],
        "product": text,
        "version": text,
        "topology": text,
        "newest_write": text,
        "newest_write_method": text,
        "owner": owner,
        "first_seen_open": text,
        "closed_before": text,
        "closed_how": text,
    }
    place = Place(ip=text, port=27017, site=text)
    ids: dict[str, Any] = {"exposure_id": text, "finding_id": text}
    server = Server(product=text, version=text, topology=text, build=Build(git_version=text, allocator=text))
    lies_open = Exposure(
        access="full",
        database_count=1,
        databases=[Database(name=text)],
        hints=[Hint(name=text, word=text, category=text, language=text)],
        ransom=Ransom(names=[text]),
    )
    return [
        change(
            **told,
            **ids,
            event_id=text,
            run_id=text,
            vantage=text,
            names=[text],
            reasons=[Reason(code=text, detail=text)],
            place=place,
            organisation=text,
            after=text,
            dated=text,
        ),
        change(**told, **ids, event_id=text, at=text, last_seen_open=AT, place=place),
        run_event(
            event_id=text,
            at=text,
            run_id=text,
            reasons=[text],
            organisation=text,
            vantage=text,
            host=text,
            tool_version=text,
            scope=text,
            started_at=text,
            outcomes={text: 1},
            changes={text: 2},
        ),
        seen_open(
            event_id=text,
            vantage=text,
            owner=owner,
            target=Endpoint(ip=text, port=27017, hostnames=[text]),
            server=server,
            exposure=lies_open,
        ),
        replace(exposure(), **told, **ids, place=place, last_run_id=text, due_at=text),
    ]
