"""Counts over a run: the accounting identity that `complete` rests on, and what was found where."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.record import Observation

_Count = Annotated[int, Meta(ge=0)]


class AccountingError(AssertionError):
    """Targets are missing or counted twice. A bug of ours: a run that raises it must not say `complete`."""


class Coverage(Struct, frozen=True, kw_only=True):
    """Targets of a run: each of those planned ends as an outcome, or excluded, or not reached."""

    planned: _Count
    outcomes: _Count
    excluded: _Count = 0
    not_reached: _Count = 0
    link_edges: _Count = 0  # of those excluded: network and broadcast addresses of the machine's own links

    def check(self) -> None:
        """Raise `AccountingError` unless planned = outcomes + excluded + not_reached, none negative."""
        parts = (self.outcomes, self.excluded, self.not_reached)
        if min(self.planned, *parts) < 0 or self.planned != sum(parts):
            raise AccountingError(
                f"{self.planned} planned, but {self.outcomes} outcomes + {self.excluded} excluded"
                f" + {self.not_reached} not reached = {sum(parts)}"
            )

    @property
    def is_whole(self) -> bool:
        """True when every target was asked or excluded: without this no run is complete."""
        return self.not_reached == 0 and self.planned == self.outcomes + self.excluded

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            planned=self.planned + other.planned,
            outcomes=self.outcomes + other.outcomes,
            excluded=self.excluded + other.excluded,
            not_reached=self.not_reached + other.not_reached,
            link_edges=self.link_edges + other.link_edges,
        )


class Loss(Struct, frozen=True, kw_only=True):
    """What a run may have missed although its coverage is whole, and what that is known from.

    `missed_at_most` servers did not answer for lost packets or a firewall that refused or shut us out: with
    99 % confidence, None when no bound can be given. A firewall that refuses every packet, all of the time,
    hides servers from this machine as from anybody else in its place; they are not counted.
    """

    missed_at_most: Annotated[int, Meta(ge=0)] | None
    answered: _Count = 0  # targets that accepted or refused a connection
    late: _Count = 0  # of these, only to a repeated SYN
    asked_again: _Count = 0  # askings of targets that had not accepted
    answered_again: _Count = 0  # targets that answered only then
    witnesses: _Count = 0  # askings of targets that had answered before
    witnesses_failed: _Count = 0  # of these, how many were not answered
    lines_left_out: _Count = 0  # accepted connections of masked prefixes without a line of their own


class Totals(Struct, kw_only=True):
    """Counts of lines. Bytes and documents are sums over what is open, where a server gave a figure."""

    targets: int = 0
    verdicts: dict[Verdict, int] = {}
    severities: dict[Severity, int] = {}
    open_bytes: int = 0
    open_documents: int = 0
    ransomed: int = 0
    truncated: int = 0

    @property
    def open(self) -> int:
        """How many servers answered without a password, with data or without."""
        return sum(count for verdict, count in self.verdicts.items() if verdict.is_open)


def totals_of(observations: Iterable[Observation]) -> Totals:
    """Count observations; those of one target in one run are counted once each, so give `unique` ones."""
    totals = Totals()
    verdicts: Counter[Verdict] = Counter()
    severities: Counter[Severity] = Counter()
    for observation in observations:
        verdicts[observation.verdict] += 1
        severities[observation.severity] += 1
        _add_exposure(totals, observation)
    totals.targets = verdicts.total()
    totals.verdicts = {verdict: verdicts[verdict] for verdict in Verdict if verdicts[verdict]}
    totals.severities = {severity: severities[severity] for severity in Severity if severities[severity]}
    return totals


def _add_exposure(totals: Totals, observation: Observation) -> None:
    exposure = observation.exposure
    totals.truncated += bool(observation.truncated or (exposure and exposure.truncated))
    if exposure is None or not observation.verdict.is_open:
        return
    totals.open_bytes += exposure.total_size_bytes or 0
    totals.open_documents += exposure.documents or 0
    totals.ransomed += exposure.ransom.level in ("possible", "likely")


def unique(observations: Iterable[Observation]) -> list[Observation]:
    """One observation for each `event_id`, in the order of first sight.

    A resumed run may ask a target twice. The later answer wins, except that nothing takes back an open one:
    a server that was open and then fell silent was open in this run.
    """
    kept: dict[str, Observation] = {}
    for observation in observations:
        known = kept.get(observation.event_id)
        if known is None or observation.verdict.is_open or not known.verdict.is_open:
            kept[observation.event_id] = observation
    return list(kept.values())
