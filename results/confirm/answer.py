"""What a row of an outside report is answered, as types: plain data that is shown, written and replied."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, get_args

from msgspec import Struct

from results.ledger.tracked import State
from results.past import Count
from results.record import Owner, Port, Reason
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

ROW, REPORT = "mongosweep.confirmed/1", "mongosweep.confirmation/1"

Answer = Literal[
    "confirmed-open",
    "open-no-data",
    "unknown",
    "not-reachable",
    "not-asked",
    "asks-for-a-login",
    "another-service",
    "closed-now",
    "not-ours",
]
"""What is true now of what a row names, the most pressing first; `mongosweep explain` tells each."""

ANSWERS: Final[tuple[Answer, ...]] = get_args(Answer)
OPEN: Final = frozenset[Answer]({"confirmed-open", "open-no-data"})
UNSETTLED: Final = frozenset[Answer]({"unknown", "not-reachable", "not-asked"})
"""Of what is ours, and of which nothing is known now."""


class Known(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the ledger has of the exposure at a place, after this look: names of fields as in an exposure.

    `reported_ahead_seconds`: how long before our first sight of that spell the reporter saw it; null where
    they did not, or do not say when. `looked_between`: the look of ours after theirs that did not find it
    open, and `looked_between_how` its code. `needs` and `not_before` as of `mongosweep verify`.
    """

    exposure_id: str
    state: State
    severity: Severity
    first_seen_open: str
    last_seen_open: str
    opened_after: str = ""
    opened_after_how: str = ""
    closed_before: str = ""
    closed_how: str = ""
    warned_at: str = ""
    acknowledged_at: str = ""
    acknowledged_by: str = ""
    accepted_by: str = ""
    accepted_until: str = ""
    reported_ahead_seconds: Count | None = None
    looked_between: str = ""
    looked_between_how: str = ""
    needs: list[Reason] = []
    not_before: str = ""


class PlaceAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One address and port of a row. `at`, `event_id`, `verdict` and `evidence` are of this look, `driver`
    what the official driver said and `agrees` whether that is the same (null: no opinion). `reasons`: what
    lacks where it is not settled. `exposure` is null where the ledger has none there."""

    ip: str
    port: Port
    answer: Answer
    reasons: list[Reason] = []
    at: str = ""
    event_id: str = ""
    verdict: Verdict | None = None
    evidence: list[str] = []
    driver: str = ""
    agrees: bool | None = None
    owner: Owner = Owner()
    exposure: Known | None = None


class RowAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=ROW):
    """One row of the report, which may stand there several times (`times`), at `lines`: at most ten of them.

    `named`: its address, prefix or range, and its port if it has one. `answer` is the most pressing of its
    `places`, which come in that order; a row of which nothing could be asked has none, and `reasons`.
    `addresses_outside`: how many of its addresses the scope does not hold. `reported_first` and
    `reported_last`: when the reporter saw it, "" where they do not say; `reported_finding` and
    `reported_labels`: what they say first of it, which nothing here believes.
    """

    named: str
    answer: Answer
    times: Count = 1
    lines: list[str] = []
    reported_first: str = ""
    reported_last: str = ""
    reported_finding: str = ""
    reported_labels: dict[str, str] = {}
    addresses_outside: Count = 0
    reasons: list[Reason] = []
    places: list[PlaceAnswer] = []


class ReportAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=REPORT):
    """The whole report. `rows` counts those that could be read, each time they stand there; `answers` has
    them by answer; `open_places`: how many addresses and ports of it are open. `unusable`: lines and
    records that could not be read; `too_wide`: rows that name too many addresses; `left_out`: of `rows`,
    those of which no line is given. `run_id`, `state` and `reasons` are of the run that asked, "" where
    nothing was asked."""

    report: str
    format: str = ""
    at: str
    rows: Count
    unusable: Count = 0
    too_wide: Count = 0
    left_out: Count = 0
    answers: dict[str, Count] = {}
    open_places: Count = 0
    run_id: str = ""
    state: str = ""
    reasons: list[str] = []

    def count(self, answers: Iterable[Answer]) -> int:
        """How many rows have one of these answers."""
        return sum(self.answers.get(answer, 0) for answer in answers)


def gravest(answers: Iterable[Answer]) -> Answer:
    """The most pressing of some; there is one."""
    return min(answers, key=ANSWERS.index)


def counted(rows: Iterable[RowAnswer], more: dict[Answer, int]) -> dict[str, int]:
    """Rows by answer, with `more` of which none is given, the most pressing first."""
    count: Counter[str] = Counter(more)
    for row in rows:
        count[row.answer] += row.times
    return {answer: count[answer] for answer in ANSWERS if count[answer]}
