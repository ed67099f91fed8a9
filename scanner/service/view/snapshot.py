"""Everything that the page and the API show of an output directory, at one moment."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from results.ids import packed
from results.ledger.overlay import ids_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from results.ledger.actions import ActionRecord
    from results.ledger.store import LedgerRun
    from results.ledger.tracked import TrackedExposure


class Snapshot:
    """All of it at one moment; never changed. `at` is that moment, `version` a text that is another one
    whenever anything is, for ETags."""

    def __init__(
        self,
        at: str,
        version: str,
        exposures: list[TrackedExposure],
        runs: list[LedgerRun],
        actions: list[ActionRecord],
        *,
        unproven: int = 0,
        doubt: str = "",
        places: Mapping[str, Sequence[int]] | None = None,
        words: Mapping[str, str] | None = None,
    ) -> None:
        self.at = at
        self.version = version
        self.exposures = exposures
        """Gravest first."""
        self.runs = runs
        """Oldest first."""
        self.actions = actions
        """In the order in which they were written down."""
        self.unproven = unproven
        """So many of the actions, the last ones, prove nothing, because the chain is broken before them."""
        self.doubt = doubt
        """Where the chain of actions is broken and why, "" where it is whole."""
        self._places = places or {}
        self._words = words or {}

    @cached_property
    def by_id(self) -> dict[str, TrackedExposure]:
        """Every exposure by its id and its former ids."""
        found = {former: each for each in self.exposures for former in each.former_ids}
        return found | {each.exposure_id: each for each in self.exposures}

    @cached_property
    def open(self) -> list[TrackedExposure]:
        """Everything without proof of closure, gravest first."""
        return [each for each in self.exposures if each.is_open]

    def actions_of(self, exposure: TrackedExposure) -> list[ActionRecord]:
        """What people did about one, and what was to be sent, as it was written down; the unproven too."""
        ids = ids_of(exposure)
        places = {place for each in ids for place in self._places.get(each, ())}
        unproven = self.actions[len(self.actions) - self.unproven :]
        rest = [record for record in unproven if not set(ids).isdisjoint(record.exposure_ids)]
        return [*(self.actions[place] for place in sorted(places)), *rest]

    def words(self, exposure: TrackedExposure) -> str:
        """What a search for text looks through."""
        return self._words.get(exposure.exposure_id) or words_of(exposure)


def words_of(exposure: TrackedExposure) -> str:
    """The names and places of an exposure in small letters, one a line."""
    where = {f"{place.ip}:{place.port}" for place in (exposure.place, *exposure.places)}
    owner = exposure.owner
    held = (exposure.product, exposure.version, exposure.set_name, *exposure.databases)
    who = (owner.owner, owner.site, owner.contact, *owner.labels.values())
    return "\n".join((exposure.exposure_id, *sorted(where), *exposure.hostnames, *who, *held)).casefold()


def gravity(exposure: TrackedExposure) -> tuple[int | str, ...]:
    """What must be acted on first comes first: not closed, not accepted, the gravest, overdue, the biggest,
    the oldest."""
    return (
        int(not exposure.is_open),
        int(exposure.state == "accepted"),
        exposure.severity.rank,
        int(not exposure.overdue),
        -(exposure.bytes or 0),
        exposure.first_seen_open,
        place_key(exposure),
        exposure.exposure_id,
    )


def place_key(exposure: TrackedExposure) -> str:
    """Where it is, as text in the order of addresses, IPv4 first."""
    return f"{packed(exposure.place.ip).hex()}{exposure.place.port:05}"
