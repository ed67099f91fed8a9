"""From visits to exposures: a pure function, so that a ledger which is made again says the same, in whatever
order, however often and in how many parts the visits came.

It is asked for a group of places that share evidence of identity; a place that shares none is a group of its
own.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from results.ledger.compare import Holding
from results.ledger.exposed import Story, exposure_of, gravest_of
from results.ledger.incidents import Incidents
from results.ledger.liveness import liveness
from results.ledger.reach import ANOTHER_SERVER
from results.ledger.states import REACHABLE, Transition, course_of
from results.ledger.stays import Chain, chains_of, in_order
from results.ledger.tracked import Change, ChangeKind, Place, TrackedExposure
from results.ledger.visit import Look
from results.record import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.ledger.incidents import Incident
    from results.ledger.reach import Reaching, Turn
    from results.ledger.stays import Stay
    from results.ledger.tracked import Liveness
    from results.ledger.visit import PlaceKey, RunFacts, Visit

_OPEN_AFTER: dict[str | None, ChangeKind] = {None: "opened", "closed": "reopened", "unreachable": "changed"}
OWN_ID = 12  # hex digits of an exposure's id


class Derived(NamedTuple):
    """What follows from the visits to one group of places: `looks` are (exposure_id, event_id) of what
    belongs to each exposure, its own place before it was seen open left out."""

    exposures: list[TrackedExposure]
    changes: list[Change]
    looks: list[tuple[str, str]]


def exposure_id(finding_id: str, ordinal: int) -> str:
    """The short name of an exposure: `mx_` and 12 hex digits, of the place where it was first seen open and
    which server it was there, counted from 0."""
    text = f"mongosweep.exposure/1\0{finding_id}\0{ordinal}".encode()
    return "mx_" + hashlib.sha256(text).hexdigest()[:OWN_ID]


def derive(visits_by_place: dict[PlaceKey, list[Visit]], runs: dict[str, RunFacts]) -> Derived:
    """Everything that the ledger says of a group of places. `runs`: all that it knows, not only those with
    visits."""
    ordered = {place: in_order(visits) for place, visits in visits_by_place.items()}
    chains = chains_of(ordered, runs)
    exposures, changes, looks = [], [], []
    for chain in chains:
        story = _story(chain, ordered, runs)
        exposures.append(exposure_of(story, sorted(_related(chain, chains))))
        changes += story.changes
        looks += [(story.exposure_id, look.visit.event_id) for look in story.looks if look.visit is not None]
    return Derived(exposures, sorted(changes, key=_order), looks)


def rank_of(change: Change) -> int:
    """The place of a change among those of one moment: a server is wiped before its note is left."""
    return _ORDER_OF_KINDS.index(change.kind)


def _order(change: Change) -> tuple[str, int, str]:
    return change.at, rank_of(change), change.event_id


def _own_id(stay: Stay) -> str:
    return exposure_id(stay.visits[0].finding_id, stay.ordinal)


def _related(chain: Chain, chains: list[Chain]) -> set[str]:
    """Ids of other exposures that showed the same data, or name themselves members of the same set."""
    own = _own_id(chain.stays[0])
    return {
        _own_id(other.stays[0])
        for other in chains
        if other is not chain
        and (chain.identity.uuids & other.identity.uuids or chain.identity.members & other.identity.members)
    } - {own}


def _story(chain: Chain, visits: dict[PlaceKey, list[Visit]], runs: dict[str, RunFacts]) -> Story:
    """One exposure followed from its first look to its last."""
    looks = list(_looks(chain, visits, runs))
    course = course_of(looks)
    ids = list(dict.fromkeys(_own_id(stay) for stay in chain.stays))
    changes: list[Change] = []
    incidents = Incidents()
    alive: list[Liveness] = []
    previous: Visit | None = None
    told: Visit | None = None  # the last that told counts
    moves = set()
    for stay in chain.stays:
        if previous is not None and stay.place != previous.place:
            changes.append(_moved(ids[0], stay, previous))
            moves.add(stay.visits[0].event_id)
        for visit in stay.visits:
            before = incidents.before
            found = incidents.since(Holding.of(visit))
            changes += [_change(ids[0], visit, before, incident) for incident in found]
            if previous is not None and (told is None or visit.figures is not None):
                alive.append(liveness(told or previous, visit))
            previous, told = visit, visit if visit.figures is not None else told
    changes += [
        _turned(ids[0], chain, turn)
        for turn in course.transitions
        if not (turn.was == "unreachable" and turn.look.visit and turn.look.visit.event_id in moves)
    ]
    changes += [_reach_changed(ids[0], chain, turn) for turn in course.reaching.turns]
    changes = sorted((_with_reach(change, course.reaching) for change in changes), key=_order)
    return Story(ids[0], ids[1:], chain, looks, course, changes, alive, runs)


_ORDER_OF_KINDS: tuple[ChangeKind, ...] = (
    "opened",
    "reopened",
    "moved",
    "wiped",
    "ransomed",
    "restored",
    "changed",
    "reach_changed",
    "unreachable",
    "closed",
)


def _looks(chain: Chain, visits: dict[PlaceKey, list[Visit]], runs: dict[str, RunFacts]) -> Iterator[Look]:
    """Every look that belongs to the exposure, in time order: at each of its places from when it was there
    until it was seen elsewhere, and at the first of them from the beginning."""
    found: list[Look] = []
    starts = [
        stay for nth, stay in enumerate(chain.stays) if nth == 0 or chain.stays[nth - 1].place != stay.place
    ]
    for nth, stay in enumerate(starts):
        begin = "" if nth == 0 else stay.first
        following = starts[nth + 1] if nth + 1 < len(starts) else None
        end = following.first if following else None
        next_run = following.visits[0].run_id if following else ""
        own = {visit.event_id for s in chain.stays if s.place == stay.place for visit in s.visits}
        at_place = visits[stay.place]
        for visit in at_place:
            if visit.at < begin or (end is not None and (visit.at >= end or visit.run_id == next_run)):
                continue
            other = visit.verdict.is_open and visit.event_id not in own
            run = runs.get(visit.run_id)
            found.append(Look(visit.at, run, visit.vantage, visit, other, stay.place))
        found += _silences(stay.place, at_place, runs, begin, end, next_run)
    found.sort(key=lambda look: (look.at, look.run.run_id if look.run else "", look.visit is None))
    return iter(found)


def _silences(
    place: PlaceKey,
    visits: list[Visit],
    runs: dict[str, RunFacts],
    begin: str,
    end: str | None,
    next_run: str,
) -> Iterator[Look]:
    """Complete runs that covered a place and wrote no line of it, without the one that found the server at
    its next place: its silence here says only that it moved.

    When it was asked is not known: a run's beginning is the time that claims least.
    """
    lines = {next_run, *(visit.run_id for visit in visits)}
    for run in runs.values():
        if run.state != "complete" or run.run_id in lines or not run.ended_at:
            continue
        if run.created_at < begin or (end is not None and run.created_at >= end) or not run.covers(place):
            continue
        yield Look(run.created_at, run, run.vantage, place=place)


def change_id(kind: str, *parts: str) -> str:
    """The name of a change: `mc_` and 24 hex digits, of its kind and what it follows from."""
    text = "\0".join(("mongosweep.change/1", kind, *parts)).encode()
    return "mc_" + hashlib.sha256(text).hexdigest()[:24]


def _change(own: str, visit: Visit, before: Holding | None, incident: Incident) -> Change:
    """`before`: the look with which this one was compared."""
    return Change(
        event_id=change_id(incident.kind, visit.event_id),
        exposure_id=own,
        finding_id=visit.finding_id,
        kind=incident.kind,
        at=visit.at,
        after=before.visit.at if before and incident.bounded else "",
        dated=incident.dated,
        dated_how=incident.dated_how,
        run_id=visit.run_id,
        observation_id=visit.event_id,
        vantage=visit.vantage,
        reasons=incident.reasons,
        names=incident.names,
        lost=incident.lost,
        grown=incident.grown,
        severity=visit.severity,
        severity_number=visit.severity.number,
        score=visit.score,
    )


def _moved(own: str, stay: Stay, previous: Visit | None) -> Change:
    visit = stay.visits[0]
    assert previous is not None
    return Change(
        event_id=change_id("moved", visit.event_id),
        exposure_id=own,
        finding_id=visit.finding_id,
        kind="moved",
        at=visit.at,
        after=previous.at,
        run_id=visit.run_id,
        observation_id=visit.event_id,
        vantage=visit.vantage,
        reasons=[Reason(code=stay.evidence)],
        place=Place(ip=previous.place.ip, port=previous.place.port, site=previous.place.site),
        severity=visit.severity,
        severity_number=visit.severity.number,
        score=visit.score,
    )


def _turned(own: str, chain: Chain, turn: Transition) -> Change:
    """A change of standing. One that was only unreachable is not opened anew: it is reachable again."""
    visit, look = turn.look.visit, turn.look
    seen = [v for stay in chain.stays for v in stay.visits if v.at <= look.at] or chain.stays[0].visits[:1]
    last = seen[-1]
    here = [stay for stay in chain.stays if stay.first <= look.at] or chain.stays[:1]
    kind: ChangeKind = turn.standing if turn.standing != "open" else _OPEN_AFTER[turn.was]
    seen_as = ANOTHER_SERVER if look.is_other else visit.verdict.value if visit else "no-line"
    code = turn.how or seen_as
    if kind == "changed":
        code = REACHABLE
    run_id = visit.run_id if visit else (look.run.run_id if look.run else "")
    event = visit.event_id if visit else ""
    return Change(
        # One look may close two servers of a place, and show that one is back and has grown.
        event_id=change_id(code if code == REACHABLE else kind, event or run_id, _own_id(here[-1])),
        exposure_id=own,
        finding_id=visit.finding_id if visit else last.finding_id,
        kind=kind,
        at=look.at,
        after=turn.after,
        run_id=run_id,
        observation_id=event,
        vantage=look.vantage,
        reasons=[Reason(code=code)],
        severity=last.severity,
        severity_number=last.severity.number,
        score=last.score,
    )


def _reach_changed(own: str, chain: Chain, turn: Turn) -> Change:
    """It is seen from elsewhere than before. Its severity is the gravest of those that see it open now."""
    visit, look = turn.look.visit, turn.look
    seen = [v for stay in chain.stays for v in stay.visits if v.at <= look.at]
    gravest = gravest_of(seen, turn.reach.open_from)
    here = [stay for stay in chain.stays if stay.first <= look.at]
    run_id = visit.run_id if visit else (look.run.run_id if look.run else "")
    event = visit.event_id if visit else ""
    return Change(
        event_id=change_id("reach_changed", event or run_id, _own_id(here[-1])),
        exposure_id=own,
        finding_id=visit.finding_id if visit else seen[-1].finding_id,
        kind="reach_changed",
        at=look.at,
        after=turn.after,
        run_id=run_id,
        observation_id=event,
        vantage=look.vantage,
        reasons=[Reason(code=code, detail=vantage) for code, vantage in turn.reasons],
        severity=gravest.severity,
        severity_number=gravest.severity.number,
        score=gravest.score,
    )


def _with_reach(change: Change, reaching: Reaching) -> Change:
    """The same with the reach of the exposure as it stood then."""
    reach = reaching.at(change.at)
    return replace(
        change,
        reach=reach.word,
        open_from=list(reach.open_from),
        not_open_from=list(reach.not_open_from),
    )
