"""What a report is made of: plain data, gathered once from the ledger, of which every format is a view."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from results.durations import plus
from results.ledger.tracked import Action, Change, Look, TrackedExposure

Interval = tuple[int, int]
"""Addresses as numbers, the first and the last."""

LATELY = timedelta(days=7)
"""Runs that began within this time before the last one count as the last look: shards, or views from
elsewhere."""


class ReportedRun(Struct, frozen=True, kw_only=True):
    """One run, for the list of runs and the hash chain. `head` is the last hash of its chain, `folder` its
    directory; both "" where they are not known any more."""

    run_id: str
    began: str = ""
    ended: str = ""
    state: str = ""
    vantage: str = ""
    planned: int = 0
    head: str = ""
    folder: str = ""


class Asked(Struct, frozen=True, kw_only=True):
    """Which addresses runs set out to ask, merged and in order: by the last look, and by earlier runs.

    `uncertain`: ids of runs of the last look that did not ask all of it, or did not say; `untold`: runs whose
    coverage nobody knows.
    """

    lately: list[Interval] = []
    earlier: list[Interval] = []
    lately6: list[Interval] = []
    earlier6: list[Interval] = []
    runs: list[str] = []
    uncertain: list[str] = []
    untold: list[str] = []


class Content(Struct, frozen=True, kw_only=True):
    """A whole report. `now` is the time for which it holds, RFC 3339 in UTC; exposures stand gravest first.

    `left_out`: exposures that closed longer ago than the retention of `retained_seconds`. `redacted` is "",
    `names` or `all`. `warnings` are sentences that go before everything else.
    """

    now: str
    organisation: str = ""
    exposures: list[TrackedExposure]
    changes: dict[str, list[Change]] = {}
    runs: list[ReportedRun] = []
    asked: Asked = Asked()
    left_out: int = 0
    retained_seconds: int | None = None
    redacted: str = ""
    warnings: list[str] = []

    @property
    def open(self) -> list[TrackedExposure]:
        """Everything without proof of closure."""
        return [each for each in self.exposures if each.is_open]


class Dossier(Struct, frozen=True, kw_only=True):
    """One exposure with all that is known of it; `runs` are those of its looks, by id."""

    now: str
    organisation: str = ""
    exposure: TrackedExposure
    changes: list[Change] = []
    looks: list[Look] = []
    actions: list[Action] = []
    runs: dict[str, ReportedRun] = {}
    redacted: str = ""
    warnings: list[str] = []


def retained(
    exposures: list[TrackedExposure], now: str, seconds: int | None
) -> tuple[list[TrackedExposure], int]:
    """The exposures without those that were proved closed more than `seconds` ago, and how many those
    were."""
    if seconds is None:
        return exposures, 0
    limit = plus(now, -seconds)
    kept = [each for each in exposures if each.is_open or each.closed_before >= limit]
    return kept, len(exposures) - len(kept)
