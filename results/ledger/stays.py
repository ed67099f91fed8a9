"""Which visits belong to one exposure: stretches of being open at one place, chained where a server moved.

A stay is a stretch of visits to one place that found one server open, with nothing else seen there in
between. Stays are chained in the order of their beginning: to the same server at the same place, unless it
was seen elsewhere meanwhile; else to a server that was elsewhere, is gone from there, and shows the same
evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from results.ledger.identity import STRENGTH, UUIDS, Identity
from results.verdict import Verdict

if TYPE_CHECKING:
    from results.ledger.visit import PlaceKey, RunFacts, Visit


@dataclass(slots=True)
class Stay:
    """Open visits in time order, without interruption. `server` counts the different servers of the place,
    from 0; `ordinal` does, too, and is another one where what looks like the same server is two."""

    place: PlaceKey
    server: int
    visits: list[Visit]
    ordinal: int = 0
    evidence: str = ""  # by which it was chained to a stay at another place

    @property
    def first(self) -> str:
        """When it was seen first."""
        return self.visits[0].at

    @property
    def last(self) -> str:
        """When it was seen last."""
        return self.visits[-1].at


@dataclass(slots=True)
class Chain:
    """The stays of one server, in time order, and what it has shown of itself."""

    stays: list[Stay]
    identity: Identity = field(default_factory=Identity)

    @property
    def last(self) -> Stay:
        """The latest stay."""
        return self.stays[-1]

    def add(self, stay: Stay) -> None:
        """Chain one more stay."""
        self.stays.append(stay)
        for visit in stay.visits:
            self.identity.learn(visit)


def in_order(visits: list[Visit]) -> list[Visit]:
    """By time; where two are equal, by ids, so that the order never depends on how they came."""
    return sorted(visits, key=lambda visit: (visit.at, visit.run_id, visit.event_id))


def stays_at(place: PlaceKey, visits: list[Visit]) -> list[Stay]:
    """The stays at one place. `visits` in order."""
    stays: list[Stay] = []
    servers: list[Identity] = []
    server, interrupted = -1, True
    for visit in visits:
        if not visit.verdict.is_open:
            interrupted = True
            continue
        if server < 0 or servers[server].contradicts(visit):
            interrupted = True
            server = next((nth for nth, each in enumerate(servers) if each.evidence_for(visit)), len(servers))
            if server == len(servers):
                servers.append(Identity())
        servers[server].learn(visit)
        if interrupted:
            stays.append(Stay(place, server, []))
            interrupted = False
        stays[-1].visits.append(visit)
    return stays


def chains_of(visits_by_place: dict[PlaceKey, list[Visit]], runs: dict[str, RunFacts]) -> list[Chain]:
    """Every server with its stays, in the order of first sight. `visits_by_place`: each in order."""
    stays_by_place = {place: stays_at(place, visits) for place, visits in visits_by_place.items()}
    stays = [stay for at_place in stays_by_place.values() for stay in at_place]
    stays.sort(key=lambda stay: (stay.first, stay.place))
    chains: list[Chain] = []
    at_home: dict[tuple[PlaceKey, int], Chain] = {}
    taken: set[tuple[PlaceKey, int]] = set()
    for stay in stays:
        chain = at_home.get((stay.place, stay.server))
        if chain is None or chain.last.place != stay.place:
            chain = _moved_here(stay, chains, stays_by_place, visits_by_place, runs)
            if chain is None:
                chain = Chain([])
                chains.append(chain)
        at_home[stay.place, stay.server] = chain
        stay.ordinal = _ordinal(chain, stay, taken)
        taken.add((stay.place, stay.ordinal))
        chain.add(stay)
    return chains


def _ordinal(chain: Chain, stay: Stay, taken: set[tuple[PlaceKey, int]]) -> int:
    """That of the chain at this place, or else one that no other chain has there."""
    for earlier in chain.stays:
        if earlier.place == stay.place:
            return earlier.ordinal
    ordinal = stay.server
    while (stay.place, ordinal) in taken:
        ordinal += 1
    return ordinal


def _moved_here(
    stay: Stay,
    chains: list[Chain],
    stays_by_place: dict[PlaceKey, list[Stay]],
    visits_by_place: dict[PlaceKey, list[Visit]],
    runs: dict[str, RunFacts],
) -> Chain | None:
    """The server that was elsewhere before and shows the same evidence; None where there is none, or two.

    What a server shows that is still at another place, too, tells none from another; but for UUIDs, which all
    members of a set share.
    """
    best: list[tuple[int, str, Chain]] = []
    shared = set[str]()
    for chain in chains:
        before = chain.last
        if before.place == stay.place:
            continue
        evidence = chain.identity.evidence_for(stay.visits[0])
        if not evidence or chain.identity.is_other_member(stay.visits[0]):
            continue
        at_old_place = visits_by_place[before.place]
        if (
            before.last >= stay.first
            or _is_still_there(before, stay, stays_by_place[before.place])
            or _asks_for_a_login(chain, stay, at_old_place)
        ):
            shared.add(evidence)
        elif _was_looked_for(before, stay, at_old_place, runs):
            best.append((STRENGTH[evidence], evidence, chain))
    best = [found for found in best if found[1] == UUIDS or found[1] not in shared]
    if not best:
        return None
    strongest, stay.evidence, chain = max(best, key=lambda found: found[0])
    return chain if sum(strength == strongest for strength, _, _ in best) == 1 else None


def _is_still_there(before: Stay, stay: Stay, at_old_place: list[Stay]) -> bool:
    """Whether the same server was seen at the old place while it is said to be at the new one."""
    return any(
        other.server == before.server and stay.first <= other.first <= stay.last for other in at_old_place
    )


def _asks_for_a_login(chain: Chain, stay: Stay, visits: list[Visit]) -> bool:
    """Whether the old place has a server meanwhile that may be the same one, with access control now."""
    return any(
        visit.verdict in (Verdict.AUTH_REQUIRED, Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED)
        and visit.at <= stay.last
        and (visit.at >= stay.first or visit.run_id == stay.visits[0].run_id)
        and not chain.identity.contradicts(visit)
        for visit in visits
    )


def _was_looked_for(before: Stay, stay: Stay, visits: list[Visit], runs: dict[str, RunFacts]) -> bool:
    """Whether the old place was looked at since by a complete run, from where it had been seen, and did not
    show it: in a line, or by silence about a place that the run covered. The run that found the new place
    counts, whichever of the two it asked first."""
    new_run = stay.visits[0].run_id
    if before.place[1:] == stay.place[1:]:  # the same address, of a site that was renamed
        return True
    vantages = {visit.vantage for visit in before.visits}
    told = {run_id for run_id, run in runs.items() if run.state == "complete" and run.vantage in vantages}
    if any(
        visit.run_id in told
        and visit.at > before.last
        and (visit.at >= stay.first or visit.run_id == new_run)
        for visit in visits
    ):
        return True
    for run_id in told - {visit.run_id for visit in visits}:
        run = runs[run_id]
        if (run.created_at >= stay.first or run_id == new_run) and run.covers(before.place):
            return True
    return False
