"""Exposures as the ledger tells of them, made up, for tests of what shows them."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from results.ledger.tracked import AtVantage, Change, ChangeKind, Place, Spell, TrackedExposure
from results.record import Owner, Reason
from results.verdict import Severity

FIRST_SEEN = "2026-03-01T08:30:00.250Z"
LAST_SEEN = "2026-03-08T08:30:00.250Z"
NOW = "2026-03-08T12:00:00.000Z"
WEB = Owner(owner="web platform", contact="web-oncall@example.com", site="paris", allow="10.20.0.0/16")
SHOP = Owner(owner="shop", contact="shop@example.com", site="lyon", allow="10.30.0.0/16")


def later(at: str, **spans: float) -> str:
    """A time, that much later: `later(FIRST_SEEN, days=3)`."""
    moment = datetime.fromisoformat(at) + timedelta(**spans)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def exposure_id(ip: str = "10.20.1.17", port: int = 27017) -> str:
    """The id that `exposure` gives a server at this place."""
    return "e" + hashlib.sha256(f"{ip} {port}".encode()).hexdigest()[:11]


def exposure(ip: str = "10.20.1.17", port: int = 27017, **changes: Any) -> TrackedExposure:
    """A MongoDB 4.0 with three databases, seen open twice, a week apart, unless `changes` say otherwise.

    `severity` brings its number along; the dates of the present spell make up `spells`.
    """
    if "severity" in changes:
        changes.setdefault("severity_number", changes["severity"].number)
    base = TrackedExposure(
        exposure_id=exposure_id(ip, port),
        finding_id=hashlib.sha256(f"{ip} {port}".encode()).hexdigest()[:32],
        state="open",
        severity=Severity.CRITICAL,
        severity_number=Severity.CRITICAL.number,
        severity_reasons=[Reason(code="telling-names", detail="readers: email")],
        place=Place(ip=ip, port=port, site="paris", first_seen=FIRST_SEEN, last_seen=LAST_SEEN),
        hostnames=["db1.example.com"],
        owner=WEB,
        product="mongodb",
        version="4.0.3",
        topology="standalone",
        database_count=3,
        collection_count=7,
        documents=693_000,
        bytes=64_424_509_440,
        databases=["lecteurs", "shop", "stats"],
        hints=["email", "name"],
        newest_write="2026-03-08T08:11:02.000Z",
        newest_write_method="newest_object_id",
        first_seen_open=FIRST_SEEN,
        last_seen_open=LAST_SEEN,
        opened_after="2026-02-22T08:30:00.250Z",
        opened_after_how="not-found",
        last_look=LAST_SEEN,
        last_run_id="20260308T083000Z-0001",
        last_event_id="0" * 32,
        looks=2,
    )
    made = replace(base, **changes)
    if "places" not in changes:
        made = replace(made, places=[made.place])
    if "vantages" not in changes:
        state = made.state if made.state in ("closed", "unreachable") else "open"
        seen = AtVantage(state=state, last_seen_open=made.last_seen_open, last_look=made.last_look)
        made = replace(made, vantages=[seen])
    if "spells" not in changes:
        made = replace(made, spells=[spell_of(made)])
    return made


def spell_of(made: TrackedExposure) -> Spell:
    """The present spell of an exposure, from the fields that repeat it."""
    return Spell(
        first_seen_open=made.first_seen_open,
        last_seen_open=made.last_seen_open,
        opened_after=made.opened_after,
        opened_after_how=made.opened_after_how,
        closed_before=made.closed_before,
        closed_how=made.closed_how,
    )


def closed(ip: str = "10.20.1.17", port: int = 27017, **changes: Any) -> TrackedExposure:
    """The same server after it was proved closed, on 15 March."""
    proof: dict[str, Any] = {
        "state": "closed",
        "closed_before": "2026-03-15T08:30:00.250Z",
        "closed_how": "asks-for-a-login",
        "last_look": "2026-03-15T08:30:00.250Z",
    }
    return exposure(ip, port, **(proof | changes))


def change(kind: ChangeKind, **told: Any) -> Change:
    """Something that happened between the two looks of `exposure`, unless `told` says otherwise."""
    base: dict[str, Any] = {
        "event_id": "c1",
        "exposure_id": "e1",
        "finding_id": "mf_1",
        "kind": kind,
        "at": LAST_SEEN,
        "after": FIRST_SEEN,
        "run_id": "run-2",
        "severity": Severity.HIGH,
        "severity_number": 4,
    }
    return Change(**(base | told))
