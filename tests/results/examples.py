"""Observations and manifests that the tests of this folder start from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from results.ids import event_id, finding_id
from results.manifest import Authorisation, Manifest, Planned, ScopeInUse, Start, Who
from results.record import (
    Collection,
    Database,
    Endpoint,
    Exposure,
    LastWrite,
    Observation,
    Owner,
    Ransom,
    Reason,
    Server,
    Timing,
    Vulnerabilities,
)
from results.verdict import Severity, Verdict

WHO = Who(uid=1000, user="auditor", host="probe-1")
START = Start(at="2026-03-01T09:00:00.000Z", who=WHO, tool_version="1.0")


def packed(ip: str) -> bytes:
    """An IPv4 address as 16 bytes."""
    return b"\0" * 10 + b"\xff\xff" + bytes(int(part) for part in ip.split("."))


def observation(ip: str = "127.0.0.1", run_id: str = "run-1", **changes: Any) -> Observation:
    """A server that asks for a login, unless `changes` say otherwise."""
    if "severity" in changes:
        changes.setdefault("severity_number", changes["severity"].number)
    base = Observation(
        event_id=event_id(run_id, packed(ip), 27017),
        finding_id=finding_id("paris", packed(ip), 27017),
        run_id=run_id,
        observed_at="2026-03-01T08:30:00.250Z",
        target=Endpoint(ip=ip, port=27017),
        owner=Owner(owner="web platform", contact="web@example.com", site="paris", allow="127.0.0.0/8"),
        verdict=Verdict.AUTH_REQUIRED,
        evidence=[Reason(code="auth-required", detail="listDatabases: code 13")],
        severity=Severity.INFO,
        severity_number=1,
        server=Server(product="mongodb", version="7.0.5", version_source="buildInfo"),
        timing=Timing(connect_ms=0.4, total_ms=2.5, connections=1, messages=4),
    )
    return msgspec.structs.replace(base, **changes)


def last_write(day: int = 28) -> LastWrite:
    """A write in February 2026."""
    at = datetime(2026, 2, day, 21, 5, 9, tzinfo=UTC)
    return LastWrite(at=at, method="newest_object_id", where="shop.orders")


def database(name: str, documents: int = 100, size: int = 4096, collections: int = 2) -> Database:
    """A database whose documents are spread over its collections."""
    return Database(
        name=name,
        size_bytes=size,
        documents=documents,
        collections=[
            Collection(name=f"c{n}", documents=documents // collections, size_bytes=size // collections)
            for n in range(collections)
        ],
        collections_known=True,
    )


def exposure(*databases: Database, **changes: Any) -> Exposure:
    """What lies open: these databases, summed."""
    base = Exposure(
        access="not_told",
        databases=list(databases),
        database_count=len(databases),
        total_size_bytes=sum(item.size_bytes or 0 for item in databases),
        documents=sum(item.documents or 0 for item in databases),
        last_write=last_write(),
    )
    return msgspec.structs.replace(base, **changes)


def open_server(ip: str = "127.0.0.1", *databases: Database, **changes: Any) -> Observation:
    """A server that lists its databases to anyone."""
    held = databases or (database("shop"),)
    changes.setdefault("exposure", exposure(*held))
    return observation(ip, **{"verdict": Verdict.OPEN, "severity": Severity.HIGH, **changes})


def magazine(ip: str = "127.0.0.9") -> Observation:
    """60 GB, 693,000 readers, and an extortionist's note."""
    readers = Database(name="readers", size_bytes=60_000_000_000, documents=693_000)
    note = Database(name="READ__ME_TO_RECOVER_YOUR_DATA", size_bytes=8192, documents=1)
    held = exposure(
        readers,
        note,
        ransom=Ransom(
            level="likely", names=[note.name], reasons=[Reason(code="known-note-name", detail=note.name)]
        ),
    )
    server = Server(
        product="mongodb",
        version="4.4.1",
        vulnerabilities=Vulnerabilities(possible=["CVE-0000-1"]),
    )
    return open_server(ip, exposure=held, severity=Severity.CRITICAL, server=server)


def manifest(run_id: str = "run-1", **changes: Any) -> Manifest:
    """A run over four addresses that has just begun."""
    base = Manifest(
        run_id=run_id,
        created_at="2026-03-01T08:00:00.000Z",
        tool_version="1.0",
        who=WHO,
        authorisations=[Authorisation(entry="127.0.0.0/30", owner="web platform", authorised_by="CHG-1")],
        scope=ScopeInUse(digest="d" * 64, entries=["allow 127.0.0.0/30"], text="127.0.0.0/30\n"),
        configuration={"ports": [27017], "depth": "collections"},
        seed=7,
        planned=Planned(targets=4, addresses=4, ports=[27017]),
        starts=[START],
    )
    return msgspec.structs.replace(base, **changes)
