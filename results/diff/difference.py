"""What a comparison says, as types: of one exposure, of the scopes, and in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from msgspec import Struct, field

from results.ledger.reach import OPEN_FROM
from results.ledger.tracked import Grown, Lost, Place
from results.past import Count
from results.record import Owner, Reason, SeverityNumber
from results.verdict import Severity, Verdict

DIFFERENCE, COMPARISON = "mongosweep.difference/1", "mongosweep.comparison/1"

Kind = Literal[
    "ransomed",
    "wiped",
    "reopened",
    "opened",
    "restored",
    "moved",
    "reach_changed",
    "grew",
    "shrank",
    "changed",
    "unreachable",
    "no_longer_covered",
    "closed",
    "unchanged",
]
ORDER: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]  # the members, gravest first
NEW: frozenset[Kind] = frozenset({"opened", "reopened"})
WORSE: frozenset[Kind] = NEW | {"ransomed", "wiped", "grew"}


class Side(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one of the two showed of a place. `at` is when, "" where it has no line of it."""

    at: str = ""
    verdict: Verdict | None = None
    databases: Count | None = None
    documents: Count | None = None
    bytes: Count | None = None
    severity: Severity | None = None


class Difference(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=DIFFERENCE):
    """One exposure that one of the two saw open, or both. `kind` is the gravest of what happened, `also` the
    rest.

    `reasons` are codes of what shows it; `place` is where it is, or was last, and `moved_from` where it was
    before. Names came from servers and are hostile text.
    """

    kind: Kind
    also: list[Kind] = []
    finding_id: str
    exposure_id: str = ""
    place: Place
    owner: Owner
    severity: Severity
    severity_number: SeverityNumber
    reasons: list[Reason] = []
    names: list[str] = []
    lost: Lost | None = None
    grown: Grown | None = None
    moved_from: Place | None = None
    old: Side | None = None
    new: Side | None = None

    @property
    def kinds(self) -> list[Kind]:
        """All that happened, the gravest first."""
        return [self.kind, *self.also]

    @property
    def is_graver(self) -> bool:
        """Whether its severity rose, or it is open from where it was not before."""
        before, after = (side.severity if side is not None else None for side in (self.old, self.new))
        rose = before is not None and after is not None and after.rank < before.rank
        return rose or any(reason.code == OPEN_FROM for reason in self.reasons)


class RunSide(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of two runs. `state` is `unknown` for a file of observations without a manifest."""

    run_id: str
    path: str
    state: str
    created_at: str = ""
    ended_at: str = ""
    vantage: str = ""
    organisation: str = ""
    depth: str = ""
    shard: str = "1/1"


class Scopes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How what two runs covered lies to each other, in targets; null where one of them does not tell.

    `cautions` are sentences about what cannot be compared, and why.
    """

    both: Count | None = None
    only_old: Count | None = None
    only_new: Count | None = None
    only_old_examples: list[str] = []
    only_new_examples: list[str] = []
    cautions: list[str] = []


class Comparison(Struct, kw_only=True, omit_defaults=True, tag_field="schema", tag=COMPARISON):
    """Two runs, or two dates, compared. `differences`: the gravest first; what is unchanged is counted alone,
    unless it was asked for. `whole`: nothing says that something new may have been missed."""

    old: RunSide | None = None
    new: RunSide | None = None
    since: str = ""
    until: str = ""
    scopes: Scopes | None = None
    counts: dict[Kind, int] = {}
    whole: bool = False
    differences: list[Difference] = field(default_factory=list)

    def finish(self, unchanged: int = 0) -> Comparison:
        """Put the differences in order, and count. `unchanged`: those that are not among them."""
        counts = Counter(kind for difference in self.differences for kind in difference.kinds)
        counts["unchanged"] += unchanged
        self.counts = {kind: counts[kind] for kind in ORDER}
        self.differences.sort(key=_gravity)
        return self

    def has_any_of(self, kinds: frozenset[Kind], *, graver: bool = False) -> bool:
        """Whether any of these happened to what is not closed at the end; `graver`: or its severity rose."""
        return any(
            each.kind != "closed" and (kinds.intersection(each.kinds) or (graver and each.is_graver))
            for each in self.differences
        )


def _gravity(difference: Difference) -> tuple[object, ...]:
    from results.ledger.choose import numeric

    place = difference.place
    held = difference.new or difference.old
    return (
        ORDER.index(difference.kind),
        difference.severity.rank,
        -((held.bytes or 0) if held else 0),
        place.site,
        numeric(place.ip),
        place.port,
    )
