"""One exposure put into words that faces show: from its stays, its course and its changes to a
`TrackedExposure`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from results.ledger.identity import is_system
from results.ledger.states import NOT_FOUND, REACHABLE
from results.ledger.tracked import Change, Liveness, Lost, Place, State, TrackedExposure
from results.record import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.states import Course
    from results.ledger.stays import Chain
    from results.ledger.visit import Look, RunFacts, Visit

DATABASES_TOLD = 20
_NOTABLE = frozenset({"wiped", "ransomed", "restored", "moved", "changed", "reach_changed"})


class Story(NamedTuple):
    """What is known of one exposure, in time order. `alive` compares each two open looks in a row."""

    exposure_id: str
    former_ids: list[str]
    chain: Chain
    looks: list[Look]
    course: Course
    changes: list[Change]
    alive: list[Liveness]
    runs: dict[str, RunFacts]


def exposure_of(story: Story, related: list[str]) -> TrackedExposure:
    """The exposure as it stands after its last look."""
    course, chain = story.course, story.chain
    spell = course.spells[-1]
    last = chain.last.visits[-1]
    gravest = _gravest(story)
    reach = course.reaching.reach
    counts = {kind: [change for change in story.changes if change.kind == kind] for kind in _NOTABLE}
    hits = sorted({change.at for kind in ("wiped", "ransomed") for change in counts[kind]})
    believed = [look for look in story.looks if look.visit is not None]
    return TrackedExposure(
        exposure_id=story.exposure_id,
        finding_id=last.finding_id,
        state=_state(story),
        severity=gravest.severity,
        severity_number=gravest.severity.number,
        severity_reasons=gravest.severity_reasons,
        score=gravest.score,
        place=_place(story, len(chain.stays) - 1),
        places=_places(story),
        vantages=course.vantages,
        reach=reach.word,
        reach_since=course.reaching.since,
        open_from=list(reach.open_from),
        not_open_from=list(reach.not_open_from),
        set_name=last.server.set_name if last.server else "",
        first_seen_open=spell.first_seen_open,
        last_seen_open=spell.last_seen_open,
        opened_after=spell.opened_after,
        opened_after_how=spell.opened_after_how,
        closed_before=spell.closed_before,
        closed_how=spell.closed_how,
        last_look=course.last_look,
        last_run_id=believed[-1].visit.run_id if believed and believed[-1].visit else last.run_id,
        last_event_id=believed[-1].visit.event_id if believed and believed[-1].visit else last.event_id,
        looks=len(story.looks),
        spells=course.spells,
        wiped_count=len(counts["wiped"]),
        ransomed_count=len(counts["ransomed"]),
        restored_count=len(counts["restored"]),
        reopened_count=len(course.spells) - 1,
        first_hit=hits[0] if hits else "",
        last_hit=hits[-1] if hits else "",
        lost=_all_lost([change.lost for change in counts["wiped"] if change.lost]),
        last_change=story.changes[-1].at if story.changes else "",
        last_change_kind=story.changes[-1].kind if story.changes else "",
        liveness=story.alive[-1] if story.alive else None,
        last_written=next((alive for alive in reversed(story.alive) if alive.written), None),
        related=related,
        former_ids=story.former_ids,
        cautions=_cautions(story),
        **told_of(last),
    )


def told_of(visit: Visit) -> dict[str, Any]:
    """What is told of an open look: fields of an exposure, and of its snapshot with a change."""
    newest, server = visit.last_write, visit.server
    held = visit.structure.databases if visit.structure is not None else {}
    return {
        "hostnames": visit.hostnames,
        "owner": visit.owner,
        "product": server.product if server else "",
        "version": server.version if server else "",
        "topology": server.topology if server else "",
        "database_count": visit.database_count,
        "collection_count": visit.collection_count,
        "documents": visit.documents,
        "bytes": visit.bytes,
        "databases": [name for name in held if not is_system(name)][:DATABASES_TOLD],
        "hints": visit.hints,
        "ransom_names": visit.ransom_names,
        "newest_write": _time(newest.at.isoformat(timespec="milliseconds")) if newest else "",
        "newest_write_method": newest.method if newest else "",
    }


def _state(story: Story) -> State:
    if story.course.standing != "open":
        return story.course.standing
    spell = story.course.spells[-1]
    seen = (look for look in story.looks if look.is_open and look.at >= spell.first_seen_open)
    if len({look.run.run_id if look.run else look.at for look in seen}) == 1:
        return "reopened" if len(story.course.spells) > 1 else "new"
    latest = (change for change in story.changes if change.at == spell.last_seen_open)
    return (
        "changed" if any(change.kind in _NOTABLE and not _is_return(change) for change in latest) else "open"
    )


def _is_return(change: Change) -> bool:
    """Whether it was only out of reach for a while: that is no change of the server."""
    return any(reason.code == REACHABLE for reason in change.reasons)


def _gravest(story: Story) -> Visit:
    """The last open visit of the vantage from which it is gravest; of its last look where none does. One that
    does not see it any more counts no longer while another one does."""
    visits = [visit for stay in story.chain.stays for visit in stay.visits]
    not_from = story.course.reaching.reach.not_open_from
    standing = [each.vantage for each in story.course.vantages if each.state in ("open", "unreachable")]
    return gravest_of(visits, [name for name in standing if name not in not_from] or standing)


def gravest_of(visits: list[Visit], vantages: Sequence[str]) -> Visit:
    """Of the last open visit of each of these vantages the gravest; of all the last where none is theirs.
    `visits` in time order, at least one."""
    last = visits[-1]
    latest = {visit.vantage: visit for visit in visits}
    found = [visit for name, visit in sorted(latest.items()) if name in vantages]
    return min(
        found, key=lambda visit: (visit.severity.rank, -(visit.score or 0), visit is not last), default=last
    )


def _place(story: Story, nth: int) -> Place:
    stays = story.chain.stays
    place = stays[nth].place
    here = [stay for stay in stays if stay.place == place]
    return Place(
        ip=place.ip, port=place.port, site=place.site, first_seen=here[0].first, last_seen=here[-1].last
    )


def _places(story: Story) -> list[Place]:
    firsts = {stay.place: nth for nth, stay in reversed(list(enumerate(story.chain.stays)))}
    return [_place(story, nth) for nth in sorted(firsts.values())]


def _time(text: str) -> str:
    return text.replace("+00:00", "Z")


def _all_lost(losses: list[Lost]) -> Lost | None:
    """What all wipes together took. Names are told once, counts are added: what came back was lost again."""
    if not losses:
        return None
    documents = [loss.documents for loss in losses if loss.documents is not None]
    sizes = [loss.bytes for loss in losses if loss.bytes is not None]
    return Lost(
        databases=sorted({name for loss in losses for name in loss.databases}),
        database_count=sum(loss.database_count for loss in losses),
        collection_count=sum(loss.collection_count for loss in losses),
        documents=sum(documents) if documents else None,
        bytes=sum(sizes) if sizes else None,
    )


def _cautions(story: Story) -> list[Reason]:
    found = []
    if any(visit.honeypot for stay in story.chain.stays for visit in stay.visits[-1:]):
        found.append(Reason(code="honeypot-suspected"))
    if any(spell.opened_after_how == NOT_FOUND for spell in story.course.spells[-1:]):
        found.append(Reason(code="bound-by-silence"))
    runs = sorted(
        {look.run.run_id: look.run for look in story.looks if look.run is not None}.values(),
        key=lambda run: (run.created_at, run.run_id),
    )
    if any(b.created_at < a.ended_at and b.vantage == a.vantage for a, b in pairwise(runs)):
        found.append(Reason(code="runs-overlap"))
    return found
