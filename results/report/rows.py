"""Observations as rows of text for people: what stands in a cell, in which order, and whom to call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from results.codes import sentence
from results.history import of_exposure
from results.text import address, human_bytes, human_count, visible
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.record import Exposure, LastWrite, Observation

_NAME = 60
_REASON = 200
_EVENTS = 3
_EVIDENCE = 3
_TOLD = frozenset({"verdict", "much-data", "written-lately"})
_DRIVER = {True: "agrees", False: "disagrees", None: "cannot speak"}
_GRAVE = frozenset({Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM})


class ReportRow(NamedTuple):
    """One server as text for people; every cell is already safe to print. `driver`: whether the official
    driver agrees; `disagrees`: how not."""

    severity: str
    address: str
    owner: str
    verdict: str
    version: str
    holds: str
    size: str
    newest: str
    ransom: str
    why: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    score: str = "-"
    driver: str = "-"
    disagrees: str = ""


class Call(NamedTuple):
    """One owner who has something to do: a row of the list of whom to call."""

    owner: str
    contact: str
    open: int
    gravest: Severity
    size: int | None  # bytes that lie open; None while no server gave a figure


def brief(observation: Observation) -> Observation:
    """The observation without what no row shows: the names in it may be ten thousand, and a run has many."""
    exposure = observation.exposure
    if exposure is not None:
        exposure = replace(
            exposure,
            databases=[],
            database_count=max(exposure.database_count, len(exposure.databases)),
            activity=[write for write in exposure.activity if write.operations is not None],
            past=exposure.past[:_EVENTS],
            hints=[],
            truncated=exposure.truncated[:1],
        )
    evidence = observation.evidence[:_EVIDENCE] if observation.verdict is Verdict.UNKNOWN else []
    return replace(observation, exposure=exposure, evidence=evidence)


def by_gravity(observations: Iterable[Observation]) -> list[Observation]:
    """Gravest first: by severity, what is open, the score, where extortionists were, the biggest, then by
    address."""

    def key(observation: Observation) -> tuple[object, ...]:
        exposure = observation.exposure
        return (
            observation.severity.rank,
            not observation.verdict.is_open,
            -(observation.score or 0),
            not (exposure and exposure.ransom.level == "likely"),
            -((exposure.total_size_bytes or 0) if exposure else 0),
            _numeric(observation.target.ip),
            observation.target.port,
        )

    return sorted(observations, key=key)


def row(observation: Observation) -> ReportRow:
    """One observation as cells. Names from servers and from files are escaped here, and only here."""
    target, server = observation.target, observation.server
    product = ""
    if server is not None:
        product = visible(server.version, _NAME)
        if server.product != "mongodb":
            product = f"{visible(server.product, _NAME)} {product}".strip()
    open_now = observation.exposure if observation.verdict.is_open else None
    return ReportRow(
        severity=observation.severity.value,
        address=address(target.ip, target.port),
        owner=_owner(observation) or "-",
        verdict=observation.verdict.value,
        version=product or "-",
        holds="status page" if server is not None and server.status_page is not None else _holds(open_now),
        size=human_bytes(open_now.total_size_bytes) if open_now else "-",
        newest=_when(open_now.last_write) if open_now else "-",
        ransom=_ransom(open_now),
        why=_why(observation),
        past=_past(observation),
        score="-" if observation.score is None else str(observation.score),
        driver=_DRIVER[observation.confirmation.agrees] if observation.confirmation is not None else "-",
        disagrees=_disagrees(observation),
    )


def whom_to_call(observations: Iterable[Observation]) -> list[Call]:
    """Owners of what is open, or gravely vulnerable: the gravest first, then who has most."""
    calls: dict[tuple[str, str], Call] = {}
    for observation in observations:
        is_open = observation.verdict.is_open
        if not is_open and observation.severity.rank > Severity.HIGH.rank:
            continue
        key = (_owner(observation), visible(observation.owner.contact, _NAME))
        known = calls.get(key, Call(*key, 0, observation.severity, None))
        size = observation.exposure.total_size_bytes if is_open and observation.exposure else None
        calls[key] = known._replace(
            open=known.open + is_open,
            gravest=min(known.gravest, observation.severity, key=lambda severity: severity.rank),
            size=known.size if size is None else (known.size or 0) + size,
        )
    return sorted(
        calls.values(), key=lambda call: (call.gravest.rank, -call.open, -(call.size or 0), call.owner)
    )


def _owner(observation: Observation) -> str:
    owner = observation.owner
    return " / ".join(visible(name, _NAME) for name in (owner.owner, owner.site) if name)


def _why(observation: Observation) -> tuple[str, ...]:
    """The reasons of a grave severity, without what only repeats the verdict or stands in another cell; of
    what is unknown the evidence, which is all that there is to go by."""
    if observation.verdict is Verdict.UNKNOWN:
        reasons = observation.evidence
    elif observation.severity in _GRAVE:
        reasons = [each for each in observation.severity_reasons if each.code not in _TOLD]
    else:
        return ()
    return tuple(visible(sentence(reason), _REASON) for reason in reasons)


def _disagrees(observation: Observation) -> str:
    """How the official driver's opinion differs from ours."""
    confirmation = observation.confirmation
    if confirmation is None or confirmation.agrees is not False:
        return ""
    return visible(confirmation.detail, _REASON)


def _past(observation: Observation) -> tuple[str, ...]:
    """What happened before, of an open server, and how much its counters say."""
    if observation.exposure is None or not observation.verdict.is_open:
        return ()
    return tuple(of_exposure(observation.exposure))


def _holds(exposure: Exposure | None) -> str:
    if exposure is None:
        return "-"
    count = max(exposure.database_count, len(exposure.databases))
    return f"{human_count(count)} / {human_count(exposure.documents)}"


def _when(write: LastWrite | None) -> str:
    return "?" if write is None else write.at.strftime("%Y-%m-%d %H:%M")


def _ransom(exposure: Exposure | None) -> str:
    if exposure is None or exposure.ransom.level == "none":
        return "-"
    names = ", ".join(visible(name, _NAME) for name in exposure.ransom.names[:5])
    more = len(exposure.ransom.names) - 5
    names += f" and {more} more" if more > 0 else ""
    return f"{exposure.ransom.level.replace('_', ' ')}: {names}" if names else exposure.ransom.level


def _numeric(ip: str) -> tuple[int | str, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", ip))
