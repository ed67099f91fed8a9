"""A ledger that nobody kept: exposures of three years, made up by a seed, to test and measure pages on."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from results.ledger.tracked import Breach, Change, Grown, Liveness, Look, Lost, Place, Spell, TrackedExposure
from results.record import Owner, Reason
from results.report.content import Asked, Content, ReportedRun
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
WEEKS = 156
_OWNERS = (
    "web",
    "data",
    "research",
    "shop",
    "print",
    "archive",
    "lab",
    "sales",
    "mobile",
    "search",
    "mail",
    "media",
)
_WORDS = (
    "readers",
    "orders",
    "lecteurs",
    "stats",
    "customers",
    "sessions",
    "catalogue",
    "events",
    "invoices",
    "papers",
)
_NOTES = ("READ__ME_TO_RECOVER_YOUR_DATA", "READ_ME", "WARNING")


class Invented(NamedTuple):
    """What a ledger would give."""

    exposures: list[TrackedExposure]
    changes: dict[str, list[Change]]
    runs: list[ReportedRun]
    asked: Asked


def text(moment: datetime) -> str:
    """A time as the ledger writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def content(count: int, seed: int = 1, **more: object) -> Content:
    """A whole report of `count` exposures."""
    found = invented(count, seed)
    return Content(
        now=text(NOW),
        organisation="Example Press",
        exposures=found.exposures,
        changes=found.changes,
        runs=found.runs,
        asked=found.asked,
        **more,  # type: ignore[arg-type]
    )


def invented(count: int, seed: int = 1) -> Invented:
    """`count` exposures over 156 weekly runs; the same for the same seed."""
    draw = random.Random(seed)
    starts = [NOW - timedelta(weeks=WEEKS - week, hours=7) for week in range(WEEKS)]
    runs = [
        ReportedRun(
            run_id=f"{start:%Y%m%dT%H%M%SZ}-{index:04x}",
            began=text(start),
            ended=text(start + timedelta(hours=2)),
            state="degraded" if index % 29 == 7 else "complete",
            vantage="internet" if index % 2 else "office",
            planned=164_000,
            head=hashlib.sha256(str(index).encode()).hexdigest(),
        )
        for index, start in enumerate(starts)
    ]
    ranges = _ranges(draw)
    exposures, changes = [], {}
    for number in range(count):
        one, happened = _one(draw, number, starts, runs, ranges)
        exposures.append(one)
        changes[one.exposure_id] = happened
    exposures.sort(
        key=lambda each: (not each.is_open, each.severity.rank, -(each.bytes or 0), each.exposure_id)
    )
    v6 = int(IPv6Address("2001:db8:40::"))
    asked = Asked(
        lately=sorted(ranges[:-9]),
        earlier=sorted(ranges[-9:]),
        lately6=[(v6, v6 + 255)],
        earlier6=[(v6 + 4096, v6 + 4096 + 15)],
        runs=[run.run_id for run in runs[-2:]],
    )
    return Invented(exposures, changes, runs, asked)


def _ranges(draw: random.Random) -> list[tuple[int, int]]:
    """A /18, some /20 to /24, and many small ones, far apart."""
    found: list[tuple[int, int]] = []
    for bits, many in ((18, 1), (20, 3), (22, 6), (24, 40), (26, 30), (28, 30), (32, 12)):
        for _ in range(many):
            size = 1 << (32 - bits)
            while True:
                first = (
                    draw.randrange(int(IPv4Address("10.0.0.0")), int(IPv4Address("10.255.0.0")))
                    // size
                    * size
                )
                if all(last < first or first + size <= begin for begin, last in found):
                    break
            found.append((first, first + size - 1))
    return found


def _one(
    draw: random.Random,
    number: int,
    starts: Sequence[datetime],
    runs: Sequence[ReportedRun],
    ranges: Sequence[tuple[int, int]],
) -> tuple[TrackedExposure, list[Change]]:
    identity = hashlib.sha256(f"exposure {number}".encode()).hexdigest()
    exposure_id = "e" + identity[:11]
    first, last = ranges[int(draw.random() ** 2 * len(ranges))]
    ip = str(IPv4Address(draw.randint(first, last)))
    if number % 40 == 39:
        ip = str(IPv6Address(int(IPv6Address("2001:db8:40::")) + draw.randrange(256)))
    owner = _OWNERS[int(draw.random() ** 1.6 * len(_OWNERS))]
    severity = draw.choices(list(Severity), (12, 30, 30, 20, 8))[0]
    week = min(WEEKS - 1, int(draw.random() ** 0.6 * WEEKS))
    spells, reopened = [], 0
    happened: list[Change] = []

    def change(kind: str, at: int, **more: object) -> None:
        happened.append(
            Change(
                event_id=hashlib.sha256(f"{number} {kind} {at}".encode()).hexdigest()[:32],
                exposure_id=exposure_id,
                finding_id=identity[:32],
                kind=kind,  # type: ignore[arg-type]
                at=text(starts[at] + timedelta(minutes=number % 60)),
                after=text(starts[at - 1]) if at else "",
                run_id=runs[at].run_id,
                severity=severity,
                severity_number=severity.number,
                **more,  # type: ignore[arg-type]
            )
        )

    wiped = 0
    while True:
        length = min(int(draw.expovariate(1 / 14)) + 1, WEEKS - 1 - week)
        end = week + length
        still = end >= WEEKS - 1
        spells.append(
            Spell(
                first_seen_open=text(starts[week] + timedelta(minutes=number % 60)),
                last_seen_open=text(
                    starts[min(end, WEEKS - 1) - (0 if still else 1)] + timedelta(minutes=number % 60)
                ),
                opened_after=text(starts[week - 1]) if week else "",
                opened_after_how="not-found" if week else "",
                closed_before="" if still else text(starts[end] + timedelta(minutes=number % 60)),
                closed_how="" if still else "auth-required",
            )
        )
        change("reopened" if reopened else "opened", week)
        hits = int(draw.expovariate(1.2)) if severity in (Severity.CRITICAL, Severity.HIGH) else 0
        for _ in range(min(hits, length // 2)):
            at = draw.randint(week + 1, end) if end > week else week
            if at < WEEKS:
                lost = Lost(
                    databases=[draw.choice(_WORDS)],
                    database_count=2,
                    collection_count=7,
                    documents=draw.randrange(10**6),
                    bytes=draw.randrange(10**9),
                )
                change("wiped", at, lost=lost)
                change("ransomed", at, names=[draw.choice(_NOTES)], reasons=[Reason(code="ransom-note")])
                if at + 1 < min(end, WEEKS):
                    change("restored", at + 1, grown=Grown(documents=draw.randrange(10**6), collections=7))
                wiped += 1
        if still:
            break
        change("closed", end)
        if draw.random() > 0.15:
            break
        week = end + 1 + int(draw.expovariate(1 / 5))
        if week >= WEEKS - 1:
            break
        reopened += 1
    happened.sort(key=lambda each: each.at)
    spell = spells[-1]
    closed = bool(spell.closed_before)
    state = (
        "closed"
        if closed
        else draw.choices(("open", "changed", "unreachable", "new", "accepted"), (50, 15, 10, 10, 5))[0]
    )
    size = None if draw.random() < 0.06 else int(10 ** draw.uniform(4, 10.5))
    names = draw.sample(_WORDS, draw.randint(1, 5))
    since = datetime.fromisoformat(spell.first_seen_open)
    least = int((datetime.fromisoformat(spell.last_seen_open) - since).total_seconds())
    began = datetime.fromisoformat(spell.opened_after) if spell.opened_after else None
    until = datetime.fromisoformat(spell.closed_before) if closed else NOW
    return (
        TrackedExposure(
            exposure_id=exposure_id,
            finding_id=identity[:32],
            state=state,  # type: ignore[arg-type]
            severity=severity,
            severity_number=severity.number,
            severity_reasons=[Reason(code="telling-names", detail=f"{names[0]}: email")],
            place=Place(
                ip=ip,
                port=27017,
                site="paris",
                first_seen=spells[0].first_seen_open,
                last_seen=spell.last_seen_open,
            ),
            hostnames=[f"db{number % 97}.{owner}.example.com"] if number % 3 else [],
            owner=Owner(owner=owner, contact=f"{owner}-oncall@example.com", site="paris"),
            product="mongodb",
            version=draw.choice(("3.6.8", "4.0.28", "4.4.29", "6.0.14", "7.0.12", "8.0.4")),
            topology="standalone",
            database_count=len(names),
            collection_count=7,
            documents=draw.randrange(10**7),
            bytes=size,
            databases=names,
            hints=["email"],
            first_seen_open=spell.first_seen_open,
            last_seen_open=spell.last_seen_open,
            opened_after=spell.opened_after,
            opened_after_how=spell.opened_after_how,
            closed_before=spell.closed_before,
            closed_how=spell.closed_how,
            last_look=spell.closed_before or spell.last_seen_open,
            last_run_id=runs[-1].run_id,
            last_event_id=identity[32:],
            looks=12,
            spells=spells,
            wiped_count=wiped,
            ransomed_count=wiped,
            restored_count=sum(each.kind == "restored" for each in happened),
            reopened_count=reopened,
            first_hit=next((each.at for each in happened if each.kind == "wiped"), ""),
            last_hit=next((each.at for each in reversed(happened) if each.kind == "wiped"), ""),
            last_change=happened[-1].at,
            last_change_kind=happened[-1].kind,
            liveness=Liveness(
                after=spell.first_seen_open,
                until=spell.last_seen_open,
                written=True,
                methods=["newest_object_id"],
            ),
            open_at_least_seconds=least,
            open_at_most_seconds=int((until - began).total_seconds()) if began else None,
            due_at=text(since + timedelta(days=7)),
            overdue=not closed and state != "accepted" and NOW - since > timedelta(days=7),
            breach=Breach(
                began=spell.first_seen_open,
                ends=text(since + timedelta(hours=72)),
                why="first-seen-open",
                hints=["email"],
            ),
        ),
        happened,
    )


def looks(exposure: TrackedExposure, count: int = 12) -> list[Look]:
    """Looks of a dossier: the last of them is the exposure's last."""
    begin, end = datetime.fromisoformat(exposure.first_seen_open), datetime.fromisoformat(exposure.last_look)
    found = []
    for index in range(count):
        at = begin + (end - begin) * index / max(count - 1, 1)
        shut = index == count - 1 and not exposure.is_open
        found.append(
            Look(
                at=text(at),
                run_id=f"{at:%Y%m%dT%H%M%SZ}-{index:04x}",
                run_state="complete",
                event_id=hashlib.sha256(f"{exposure.exposure_id} {index}".encode()).hexdigest()[:32],
                verdict=Verdict.AUTH_REQUIRED if shut else Verdict.OPEN,
                evidence=["auth-required" if shut else "databases-listed"],
                documents=None if shut else 1000 * index,
                bytes=None if shut else 10**6 * index,
                ip=exposure.place.ip,
                port=exposure.place.port,
                segment=1,
                offset=4096 * index,
                line_sha256=hashlib.sha256(str(index).encode()).hexdigest(),
            )
        )
    return found
