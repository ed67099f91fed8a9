"""What of one site's shards was asked, is being asked, and is still to be asked: a position and a small set.

Pure bookkeeping: no clock but the one it is given, no socket, no file. A checkpoint is `point`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from results.covered import MOST_WITHDRAWN, parse_row, withdrawn_text
from results.text import visible
from results.verdict import Verdict
from scanner.engine.missed import at_most
from scanner.engine.order import Order, OrderCursor
from scanner.fleet.division import shard_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scanner.fleet.division import Division
    from scanner.fleet.messages import Ended

ATTEMPTS = 4  # failures of a shard after which it is halved, and of a half after which it is given up
AGAIN = 6.0  # seconds until a shard that failed is tried again, times its failures: who had it has let it be
MOST_RANGES = 4 * MOST_WITHDRAWN  # that left the scope meanwhile; more are told as fewer, wider ones
MOST_TOLD = 100  # different reasons, and ranges given up, that are kept; the others are counted
MOST_COUNTED = 1 << 32  # of anything in one shard, whose targets are asked several times
MOST_TEXT = 1_000  # characters of a reason
OUTCOMES = frozenset(verdict.value for verdict in Verdict)
_CHUNK = 64  # steps of the order that are worked out at once


class Work(Struct, frozen=True):
    """A range of indices to be asked. `failures` so far; `attempt`: the number of the last one that began."""

    first: int
    last: int
    attempt: int = 0
    failures: int = 0
    halved: bool = False


class Counts(Struct, kw_only=True):
    """Targets of shards that have ended, and what those ends said, added up."""

    shards: int = 0
    outcomes: dict[str, int] = {}
    excluded: int = 0
    link_edges: int = 0
    unlisted: int = 0
    not_reached: int = 0
    refused: int = 0  # of those not reached: outside the worker's own copy of the scope
    given_up: int = 0  # of those not reached: whose shard failed again and again
    vanished: int = 0  # servers with a line that the attempt which counts did not find
    answered: int = 0
    late: int = 0
    asked_again: int = 0
    answered_again: int = 0
    witnesses: int = 0
    witnesses_failed: int = 0
    lines_left_out: int = 0
    unheard: float = 0.0  # servers that were probably missed, in shards where packets were lost
    unknown: int = 0  # shards that cannot say how many they missed
    seconds: float = 0.0  # of work
    agreed: tuple[int, int, int] = (0, 0, 0)
    blind: tuple[int, int] = (0, 0)  # silent and unreachable targets of shards where nobody answered
    heard: bool = False  # whether there is a shard where somebody did
    degraded: int = 0  # shards
    reasons: dict[str, int] = {}  # of degraded shards, with how many say it
    remarks: dict[str, int] = {}  # of complete ones
    withdrawn: list[str] = []
    examples: list[str] = []  # of refused targets
    failed: list[str] = []  # ranges that were given up, with the reason


class Point(Struct, frozen=True, kw_only=True):
    """Where a site stands, for a checkpoint: `after` is the last position taken from the order of its
    shards, `open` those before it that have not ended."""

    site: str
    after: int
    open: list[Work]
    counts: Counts


@dataclass(slots=True)
class Running:
    """A shard that is being asked."""

    work: Work
    began: float
    heard: float  # when anything was heard of it last; of one that has not begun, when it was given
    worker: str = ""  # "" until it is known to have begun
    asked: int = 0
    done: int = 0
    answered: int = 0
    open: int = 0
    in_flight: int = 0
    rate: float = 0.0
    slowed_by: str = ""
    paused_by: str = ""


@dataclass(slots=True)
class Tally:
    """The shards of one site."""

    site: str
    division: Division
    seed: int
    counts: Counts = field(default_factory=Counts)
    running: dict[str, Running] = field(default_factory=dict)  # by the shard's name
    again: list[tuple[float, Work]] = field(default_factory=list)  # not before, what
    _after: int = -1
    _ahead: Iterator[tuple[int, int]] | None = None

    def restore(self, point: Point) -> None:
        """Go on where a checkpoint was written: what was being asked is to be asked again."""
        self._after, self.counts = point.after, point.counts
        self.again = [(0.0, work) for work in point.open]
        self._ahead = None

    def point(self) -> Point:
        """Where it stands now."""
        still = [*(each.work for each in self.running.values()), *(work for _, work in self.again)]
        counts = msgspec.convert(msgspec.to_builtins(self.counts), Counts)  # which goes on changing
        return Point(site=self.site, after=self._after, open=still, counts=counts)

    def next(self, now: float) -> Work | None:
        """Something to ask; None when there is nothing (`finished`), or not yet."""
        # Two halves may be of one prefix, whose cap each worker keeps for itself.
        half = any(each.work.halved for each in self.running.values())
        for number, (not_before, work) in enumerate(self.again):
            if not_before <= now and not (half and work.halved):
                del self.again[number]
                return work
        fresh = self._fresh()
        if fresh is None and self.left and not (self.again or self.running):
            raise AssertionError(f"{self.left:,} targets of {self.site!r} are in no shard: counted wrongly")
        return fresh

    def _fresh(self) -> Work | None:
        if self._ahead is None:
            self._ahead = self._walk()
        for position, number in self._ahead:
            self._after = position
            first, last = self.division.bounds(number)
            if first < last:
                return Work(first, last)
        return None

    def _walk(self) -> Iterator[tuple[int, int]]:
        cursor = OrderCursor(Order(len(self.division), self.seed), self._after)
        while not cursor.ended:
            yield from zip(*cursor.take(_CHUNK), strict=True)

    @property
    def left(self) -> int:
        """How many targets have no end yet."""
        counts = self.counts
        return self.division.targets - (sum(counts.outcomes.values()) + counts.excluded + counts.not_reached)

    @property
    def finished(self) -> bool:
        """Whether every target has its end."""
        return not self.left

    def name(self, work: Work) -> str:
        """What a shard is called."""
        return shard_name(self.site, work.first, work.last)

    def begin(self, work: Work, now: float) -> Work:
        """An attempt begins; the work as it is now."""
        begun = Work(work.first, work.last, work.attempt + 1, work.failures, work.halved)
        self.running[self.name(begun)] = Running(begun, now, now)
        return begun

    def put_back(self, name: str, now: float) -> None:
        """An attempt was stopped, through no fault of anybody: it is to be asked again."""
        self.again.append((now, self.running.pop(name).work))

    def failed(self, name: str, why: str, now: float) -> list[Work]:
        """An attempt came to nothing: again, in halves, or given up. What of it is asked again."""
        work = self.running.pop(name).work
        failures = work.failures + 1
        if failures < ATTEMPTS:
            again = [Work(work.first, work.last, work.attempt, failures, work.halved)]
        elif work.halved:
            again = []
        else:
            halves = self.division.halves(work.first, work.last)
            again = [Work(first, last, halved=True) for first, last in halves] if len(halves) == 2 else []
        if not again:
            self._give_up(work, why)
        self.again += [(now + AGAIN * failures, each) for each in again]
        return again

    def refused(self, name: str, why: str) -> None:
        """All of a shard is outside its worker's own copy of the scope."""
        work, counts = self.running.pop(name).work, self.counts
        counts.refused += work.last - work.first
        counts.not_reached += work.last - work.first
        if len(counts.examples) < MOST_TOLD:
            counts.examples.append(visible(why, MOST_TEXT))

    def _give_up(self, work: Work, why: str) -> None:
        counts = self.counts
        counts.not_reached += work.last - work.first
        counts.given_up += work.last - work.first
        if len(counts.failed) < MOST_TOLD:
            rows = [
                str(row) for _, row in zip(range(3), self.division.rows(work.first, work.last), strict=False)
            ]
            counts.failed.append(f"{', '.join(rows)}: {visible(why, MOST_TEXT)}")

    def ended(self, name: str, ended: Ended, vanished: int) -> None:
        """An attempt brought everything."""
        del self.running[name]
        counts = self.counts
        counts.shards += 1
        counts.outcomes = add_up((counts.outcomes, ended.outcomes))
        counts.excluded += ended.excluded
        counts.link_edges += ended.link_edges
        counts.unlisted += ended.unlisted
        counts.refused += ended.refused
        counts.not_reached += ended.not_reached + ended.refused
        counts.vanished += vanished
        counts.seconds += ended.seconds
        counts.withdrawn = few([*counts.withdrawn, *ended.withdrawn])
        examples = [visible(each, MOST_TEXT) for each in ended.examples[:MOST_TOLD]]
        counts.examples = [*counts.examples, *examples][:MOST_TOLD]
        if ended.agreed is not None:
            one, two, three = (a + b for a, b in zip(counts.agreed, ended.agreed, strict=True))
            counts.agreed = one, two, three
        self._add_loss(ended)
        counts.blind = counts.blind[0] + ended.blind[0], counts.blind[1] + ended.blind[1]
        counts.heard |= bool(ended.outcomes) and not any(ended.blind)
        degraded = ended.state != "complete"
        counts.degraded += degraded
        told = counts.reasons if degraded else counts.remarks
        for reason in (visible(each, MOST_TEXT) for each in ended.reasons[:MOST_TOLD]):
            if reason in told or len(told) < MOST_TOLD:
                told[reason] = told.get(reason, 0) + 1

    def _add_loss(self, ended: Ended) -> None:
        counts, loss = self.counts, ended.loss
        if loss is None:
            counts.unknown += 1
            return
        counts.answered += loss.answered
        counts.late += loss.late
        counts.asked_again += loss.asked_again
        counts.answered_again += loss.answered_again
        counts.witnesses += loss.witnesses
        counts.witnesses_failed += loss.witnesses_failed
        counts.lines_left_out += loss.lines_left_out
        if ended.unheard is None or loss.missed_at_most is None:
            counts.unknown += 1
        elif loss.late or loss.answered_again or loss.witnesses_failed:
            counts.unheard += ended.unheard


def imbalance(ended: Ended, planned: int) -> str:
    """Why the accounts of a shard of so many targets cannot be right, as a clause; "" when they may be."""
    parts = sum(ended.outcomes.values()) + ended.excluded + ended.not_reached + ended.refused
    if ended.planned != planned or parts != planned:
        return f"its accounts do not balance: {parts:,} of {ended.planned:,} planned"
    if unknown := ended.outcomes.keys() - OUTCOMES:
        return f"it counts {visible(min(unknown), 40)!r}, which is no outcome"
    if len(ended.withdrawn) > MOST_RANGES or not all(map(_is_row, ended.withdrawn)):
        return "it names ranges that are none"
    said = ended.loss
    counted = () if said is None else (getattr(said, name) or 0 for name in said.__struct_fields__)
    if (
        ended.link_edges + ended.unlisted > ended.excluded
        or sum(ended.blind) > planned
        or (max(ended.unheard or 0, *(ended.agreed or ()), *counted, 0) > MOST_COUNTED)
    ):
        return "it counts more than it was given"
    return ""


def _is_row(text: str) -> bool:
    try:
        parse_row(text)
    except ValueError:
        return False
    return True


def few(ranges: list[str]) -> list[str]:
    """The same ranges, or fewer that hold them all: what is kept may not grow with the scope."""
    return ranges if len(ranges) <= MOST_RANGES else withdrawn_text(sorted(map(parse_row, ranges)))


def add_up(outcomes: Iterable[dict[str, int]]) -> dict[str, int]:
    """Targets by outcome, of several together."""
    total: Counter[str] = Counter()
    for each in outcomes:
        total.update(each)
    return dict(total)


def missed(counts: list[Counts]) -> float | None:
    """How many servers were probably missed by all shards together; None when nobody can say.

    Where no packet was seen to be lost, a shard's own estimate is only that it heard too few to know better:
    there what all shards heard speaks, of which none was late.
    """
    if any(each.unknown for each in counts):
        return None
    return sum(each.unheard for each in counts)


def missed_at_most(counts: list[Counts]) -> int | None:
    """The same as a bound that holds with 99 %."""
    expected = missed(counts)
    return None if expected is None else at_most(expected)
