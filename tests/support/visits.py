"""Visits and runs as a test wants them, with everything else left at what an ordinary open server shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from results.ids import event_id, finding_id
from results.ledger.derive import Derived, derive
from results.ledger.visit import Figures, Names, PlaceKey, RunFacts, Server, Structure, Visit
from results.record import Owner
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure

EPOCH = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
SEEN = 1 / 48  # of a day: when in its run a place is seen


def at(day: float) -> str:
    """The time `day` days after the beginning of a story."""
    return (EPOCH + timedelta(days=day)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def uuid(name: str, generation: int = 0) -> str:
    """A UUID that is another one for each making of a collection."""
    import uuid as uuids

    return str(uuids.uuid5(uuids.NAMESPACE_URL, f"{name}/{generation}"))


def place(ip: str = "192.0.2.7", port: int = 27017, site: str = "") -> PlaceKey:
    """A place by its address."""
    return PlaceKey(site, ip, port)


def holding(
    generation: int = 0,
    documents: int = 1000,
    *,
    note: str = "",
    note_generation: int = 0,
    wiped: bool = False,
) -> dict[str, Any]:
    """What a server of readers and comments holds: arguments of `open_visit`."""
    databases: dict[str, list[Names]] = {"admin": [Names("system.version", uuid("version"))]}
    collections: dict[str, tuple[int | None, int | None, str, int | None]] = {}
    if not wiped:
        databases["magazine"] = [
            Names(name, uuid(name, generation)) for name in ("comments", "readers", "sessions")
        ]
        collections = {
            f"magazine.{name}": (documents, documents * 100, "", None)
            for name in ("comments", "readers", "sessions")
        }
    if note:
        databases[note] = [Names("README", uuid(note, note_generation), at(note_generation))]
        collections[f"{note}.README"] = (1, 200, "", None)
    total = sum(count[0] or 0 for name, count in collections.items() if not name.startswith(note or "\0"))
    return {
        "structure": Structure(databases, True, list(databases)),
        "figures": Figures(collections, {}),
        "documents": total + bool(note),
        "bytes": total * 100,
        "database_count": len(databases),
        "collection_count": len(collections),
        "ransom_level": "likely" if note else "none",
        "ransom_names": [note] if note else [],
        "ransom_wiped": wiped if note else None,
    }


@dataclass
class Diary:
    """A story told run by run: `run` begins one, the other methods say what it saw."""

    visits: list[Visit] = field(default_factory=list)
    runs: dict[str, RunFacts] = field(default_factory=dict)
    day: float = 0
    run_id: str = ""
    vantage: str = ""
    hours: float = 1

    def run(
        self,
        day: float,
        state: str = "complete",
        *,
        covered: bool | None = True,
        companions: int = 1,
        vantage: str = "",
        hours: float = 1,
        fleet: bool = False,
    ) -> Diary:
        """A run on a day, which took so many hours."""
        self.hours = hours
        self.day, self.run_id, self.vantage = day, f"run-{day:09.5f}", vantage
        self.runs[self.run_id] = RunFacts(
            run_id=self.run_id,
            created_at=at(day),
            ended_at=at(day + hours / 24),
            state=state,
            vantage=vantage,
            covers=lambda _: covered,
            companions=lambda _: companions,
            by_fleet=lambda: fleet,
        )
        return self

    def sees(self, verdict: Verdict, where: PlaceKey | None = None, **told: Any) -> Diary:
        """The run saw this at a place, half way between its beginning and its end."""
        where = where or place()
        address = bytes(10) + b"\xff\xff" + bytes(map(int, where.ip.split(".")))
        told = {
            "severity": Severity.HIGH if verdict.is_open else Severity.INFO,
            "owner": Owner(owner="web"),
            "evidence": [verdict.value],
            "server": None
            if verdict.is_connection_outcome
            else Server(product="mongodb", version="4.0.3", topology="standalone"),
            **told,
        }
        self.visits.append(
            Visit(
                event_id=event_id(self.run_id, address, where.port),
                finding_id=finding_id(where.site, address, where.port),
                run_id=self.run_id,
                at=at(self.day + self.hours / 48),
                place=where,
                vantage=self.vantage,
                verdict=verdict,
                **told,
            )
        )
        return self

    def open(self, where: PlaceKey | None = None, **told: Any) -> Diary:
        """The run saw an open server; by default the one of readers and comments."""
        return self.sees(Verdict.OPEN, where, **({} if "structure" in told else holding()), **told)

    def by_place(self) -> dict[PlaceKey, list[Visit]]:
        """What `derive` takes."""
        found: dict[PlaceKey, list[Visit]] = {}
        for visit in self.visits:
            found.setdefault(visit.place, []).append(visit)
        return found


def told(diary: Diary) -> Derived:
    """What follows from a story."""
    return derive(diary.by_place(), diary.runs)


def only(diary: Diary) -> TrackedExposure:
    """Its only exposure."""
    (exposure,) = told(diary).exposures
    return exposure
