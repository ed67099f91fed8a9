"""Which exposures are asked for, and in which order they are shown. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from results.text import address
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.ledger.tracked import TrackedExposure

_ID = "mx_"  # how an exposure's id begins


class Choice(Struct, frozen=True, kw_only=True):
    """What must hold of an exposure, all of it; what is empty holds of each.

    `states` and `owners`: any of them, an owner by a part of its name, in any case. `severity`: at least as
    grave. `older_than`: seconds for which it is known to have been open. `vantage`: from there it is open or
    may be, and of a closed one it was seen from there. `reaches`: any of these words, as of its last look
    that stood open.
    """

    states: frozenset[str] = frozenset()
    owners: tuple[str, ...] = ()
    severity: Severity | None = None
    older_than: int | None = None
    vantage: str | None = None
    reaches: frozenset[str] = frozenset()
    overdue: bool = False

    def takes(self, exposure: TrackedExposure) -> bool:
        """Whether it is one that is asked for."""
        return (
            (not self.states or exposure.state in self.states)
            and (not self.owners or self._is_theirs(exposure))
            and (self.severity is None or exposure.severity.rank <= self.severity.rank)
            and (self.older_than is None or (exposure.open_at_least_seconds or 0) >= self.older_than)
            and (self.vantage is None or is_seen_from(exposure, self.vantage))
            and (not self.reaches or exposure.reach in self.reaches)
            and (exposure.overdue or not self.overdue)
        )

    def _is_theirs(self, exposure: TrackedExposure) -> bool:
        owner = exposure.owner.owner.casefold()
        return any(wanted.casefold() in owner if wanted else not owner for wanted in self.owners)


def is_seen_from(exposure: TrackedExposure, vantage: str) -> bool:
    """Whether it is open from a vantage or may be; of a closed one, whether it was seen from there."""
    return any(
        each.vantage == vantage
        and each.state != "not_open"
        and (each.state != "closed" or not exposure.is_open)
        for each in exposure.vantages
    )


def by_gravity(exposures: Iterable[TrackedExposure]) -> list[TrackedExposure]:
    """What must be acted on first: not closed, the gravest, overdue, the highest score, the biggest."""

    def key(exposure: TrackedExposure) -> tuple[object, ...]:
        return (
            not exposure.is_open,
            exposure.state == "accepted",
            exposure.severity.rank,
            not exposure.overdue,
            -(exposure.score or 0),
            -(exposure.bytes or 0),
            exposure.first_seen_open,
            numeric(exposure.place.ip),
            exposure.place.port,
            exposure.exposure_id,
        )

    return sorted(exposures, key=key)


def numeric(ip: str) -> tuple[tuple[int, int | str], ...]:
    """An address so that 10.0.0.9 comes before 10.0.0.10."""
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", ip))


def named(name: str, exposures: Sequence[TrackedExposure]) -> list[TrackedExposure]:
    """Those that a person may mean by `name`: an id, a former id, the beginning of one, or a place."""
    exact = [each for each in exposures if name in (each.exposure_id, each.finding_id, *each.former_ids)]
    if exact:
        return exact
    return [
        each
        for each in exposures
        if name in (each.place.ip, address(each.place.ip, each.place.port))
        or (len(name) > len(_ID) and each.exposure_id.startswith(name))
    ]


def nearest(name: str, exposures: Iterable[TrackedExposure], runs: Iterable[str] = ()) -> list[str]:
    """Ids and places that look most like an unknown name, at most three."""
    from difflib import get_close_matches  # imported here: a list needs none

    exposures = list(exposures)
    ids = [each.exposure_id for each in exposures]
    if name.startswith(_ID):  # it can be nothing else, however unlike
        return get_close_matches(name, ids, n=3, cutoff=0.0)
    places = [address(each.place.ip, each.place.port) for each in exposures]
    return get_close_matches(name, dict.fromkeys([*ids, *places, *runs]), n=3, cutoff=0.35)
