"""What one round of asking exposures again asks: those that the scope allows now, and some neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from results.ledger.proof import seen_by_fleet
from scanner.errors import RefusedError
from scanner.setup.blackout import Calendar
from scanner.sweep.near import Near, covers, neighbours, only
from targets.grammar import GrammarError, parse_address, parse_endpoint
from targets.learned import Learned
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from results.ledger.tracked import Look, Place, TrackedExposure
    from scanner.setup.settings import Settings
    from targets.scope import Scope, Target


OF_A_FLEET = (
    "a fleet's workers saw it open, and what answers this machine proves nothing of their site; sweep by the"
    " fleet again, or verify with a --vantage that names where this machine looks from"
)


class Known(Near, Protocol):
    """Who knows the exposures, and which places answered: the ledger."""

    def exposure(self, exposure_id: str) -> TrackedExposure:
        """One by its id, also by a former one; an error that names the nearest."""
        ...

    def looks(self, exposure_id: str) -> Sequence[Look]:
        """The visits that belong to one, in time order."""
        ...

    def by_fleet(self, run_id: str) -> bool:
        """Whether workers of a fleet did a run."""
        ...


@dataclass(slots=True)
class Asking:
    """One round. `kept_out` has a clause for each exposure that may not be asked, by its id; `waiting` those
    that a blackout window covers, with when it ends (seconds since 1970)."""

    scope: Scope | None = None
    learned: Learned | None = None  # the places themselves: a port that was found open is known to the scope
    asked: dict[str, Target] = field(default_factory=dict)
    neighbours: list[Target] = field(default_factory=list)
    kept_out: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, float] = field(default_factory=dict)

    @property
    def watched(self) -> frozenset[tuple[str, int]]:
        """Every place of the round: a line of each is wanted."""
        return frozenset((target.ip, target.port) for target in (*self.asked.values(), *self.neighbours))


def named(name: str, every: Iterable[TrackedExposure], known: Known) -> list[TrackedExposure]:
    """The exposures of a name: an id or the beginning of one, the id of a finding, or a place (an address, a
    range, address:port). Of a place those that are not closed, or else the one that was there last. Raises
    `RefusedError`, and what `known` raises."""
    if name.startswith("mx_"):
        begins = [each for each in every if name != "mx_" and each.exposure_id.startswith(name)]
        return begins if len(begins) == 1 else [known.exposure(name)]
    if name.startswith("mf_"):
        found = [each for each in every if each.finding_id == name]
    else:
        try:
            span, port = parse_endpoint(name)
        except GrammarError as error:
            raise RefusedError(f"EXPOSURE {name!r} is neither an id nor a place: {error}") from None
        found = [
            each
            for each in every
            if port in (None, each.place.port)
            and (at := parse_address(each.place.ip))[0] == span.version
            and span.first <= at[1] <= span.last
        ]
    if not found:
        raise RefusedError(f"no exposure is known at {name}; `mongosweep exposures` lists them")
    last: dict[tuple[str, str, int], TrackedExposure] = {}
    for each in sorted(found, key=lambda each: each.last_seen_open):
        last[each.place.site, each.place.ip, each.place.port] = each
    return [each for each in found if each.state != "closed"] or list(last.values())


def plan_round(
    exposures: Sequence[TrackedExposure],
    scope: Scope,
    settings: Settings,
    known: Known,
    now: float,
    *,
    wait_for_windows: bool,
) -> Asking:
    """Sort the exposures into what is asked and what is not; `now` is wall time in seconds.

    An exposure is asked on its own port, also where the scope learned of that by a list which is not at hand
    now; not where an entry has `ports` of its own without it. One that a fleet's workers saw open last, from
    the same vantage, is theirs to ask: a firewall may let them pass and refuse us, which would look closed.

    With `wait_for_windows` what a blackout window covers is part of the round all the same, and waits there.
    """
    learned = Learned.of(_known_ports(exposures))
    found, scope = Asking(learned=learned), scope.with_learned(learned)
    windows = [] if wait_for_windows else Calendar(settings.blackout).active(now)
    for exposure in exposures:
        target = _target(exposure.place, scope, now)
        if isinstance(target, str):
            found.kept_out[exposure.exposure_id] = target
        elif seen_by_fleet(known.looks(exposure.exposure_id), settings.sweep.vantage, known.by_fleet):
            found.kept_out[exposure.exposure_id] = OF_A_FLEET
        elif ends := [window.end for window in windows if covers(window, target)]:
            found.waiting[exposure.exposure_id] = max(ends)
        else:
            found.asked[exposure.exposure_id] = target
    places = [each.place for each in exposures if each.exposure_id in found.asked]
    found.neighbours = neighbours(places, scope, settings, known, now, windows)
    wanted = {*found.asked.values(), *found.neighbours}
    if wanted:
        found.scope = only(scope, wanted)
    return found


def _known_ports(exposures: Iterable[TrackedExposure]) -> Iterator[tuple[int, int, int]]:
    for exposure in exposures:
        version, address, _ = parse_address(exposure.place.ip)
        yield version, address, exposure.place.port


def _target(place: Place, scope: Scope, now: float) -> Target | str:
    """The place as a target, or a clause that says why it is none."""
    try:
        target = scope.target(place.ip, place.port, now)
    except OutOfScope as error:
        return f"outside the scope: {error.reason}"
    site = scope.owner_of(target.address, target.version).site
    if site != place.site:  # private addresses exist at every site
        return f"it is of site {place.site or '(none)'}, and the scope has site {site or '(none)'} there"
    return target
