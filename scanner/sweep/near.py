"""Neighbours: places near those that are asked, which are known to answer. While one answers, a refusal
beside it is the port's own, and not that of a network that is down."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Protocol

from results.verdict import Verdict
from targets.grammar import Span
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.ledger.tracked import Place
    from results.record import Observation
    from scanner.setup.blackout import Window
    from scanner.setup.settings import Settings
    from targets.scope import Scope, Target

NEIGHBOURS = 3  # asked for each prefix
_ENOUGH = 64  # places that are looked at for them


class Near(Protocol):
    """Who knows which places answered: the ledger."""

    def answering_near(self, place: Place, most: int) -> Sequence[tuple[str, int]]:
        """Other places near one (the same /24, /64, or 127/8, and the same site) that answered as a server
        does when they were last seen: not the open ones first, then the latest. At most `most`."""
        ...


def only(scope: Scope, targets: Iterable[Target]) -> Scope:
    """The part of a scope that holds these targets of it and no others."""
    return scope.restrict(
        [(Span(target.version, target.address, target.address), target.port) for target in targets]
    )


def covers(window: Window, target: Target) -> bool:
    span = window.span
    return span.version == target.version and span.first <= target.address <= span.last


def neighbours(
    places: Sequence[Place],
    scope: Scope,
    settings: Settings,
    known: Near,
    now: float,
    windows: Sequence[Window],
) -> list[Target]:
    """Up to `NEIGHBOURS` for each prefix, none of which is asked anyway; configured canaries come first."""
    taken = {(place.ip, place.port) for place in places}
    count: dict[tuple[str, str], int] = {}
    found: list[Target] = []
    looked_up: set[tuple[str, str]] = set()  # prefixes of which all that answered there was looked at
    for place in places:
        near = place.site, prefix_of(place.ip)
        if near in looked_up or count.get(near, 0) >= NEIGHBOURS:
            continue
        canaries = [
            (canary.address, canary.port)
            for canary in settings.canary
            if prefix_of(canary.address) == near[1] and not canary.expect.is_connection_outcome
        ]
        answering = known.answering_near(place, _ENOUGH)
        if len(answering) < _ENOUGH:
            looked_up.add(near)
        for ip, port in (*canaries, *answering):
            if count.get(near, 0) >= NEIGHBOURS:
                break
            if (ip, port) in taken:
                continue
            try:
                target = scope.target(ip, port, now)
            except OutOfScope:
                continue
            if scope.owner_of(target.address, target.version).site != place.site:
                continue
            taken.add((ip, port))
            if not any(covers(window, target) for window in windows):
                count[near] = count.get(near, 0) + 1
                found.append(target)
    return found


def prefix_of(ip: str) -> str:
    """The prefix within which another place is near: /24, /64, or all of loopback."""
    address = ipaddress.ip_address(ip)
    length = (8 if address.is_loopback else 24) if address.version == 4 else 64
    return str(ipaddress.ip_network((address, length), strict=False))


def is_near(ip: str, other: str) -> bool:
    """Whether two addresses are in one such prefix."""
    return prefix_of(ip) == prefix_of(other)


def answers_near(seen: Observation, place: Place) -> bool:
    """Whether it answered as a server does, near a place."""
    silent = seen.verdict.is_connection_outcome or seen.verdict is Verdict.UNKNOWN
    masked = any(reason.code == "masked-prefix" for reason in seen.evidence)
    here = seen.owner.site == place.site and is_near(seen.target.ip, place.ip)
    return here and not silent and not masked
