"""How much a sweep may have missed: silent targets beside ones that answered are asked once more.

A target that answers only when it is asked again was lost on the way the first time. Their share says how
many others may have been missed, and so whether the sweep may call itself complete. Some that refused are
asked again, too: when those fall silent, something on the way has shut, and silence proves nothing.

A checkpoint holds a bounded part of this (`LossMemory`). A resumed sweep asks what was silent before again,
too.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

T = TypeVar("T")

KEPT_A_PREFIX = 256
KEPT = 200_000
RECALL = 0.999  # what a complete sweep promises of the targets that are there
SHARE = 20  # the first repetition asks at most one in so many of the planned targets,
FLOOR = 2_000  # or so many where that is more
CONTROLS_A_PREFIX, CONTROLS_KEPT = 2, 4096  # targets that refused, of which
CONTROLS = 256  # so many are asked again, for comparison
SAMPLE, REST, LAST = 1, 2, 3  # the rounds: a sample; the rest, if any was lost; all that are silent still
WORST = 0.9  # no prefix is taken to lose more than this share
ROWS, TOKENS = 1024, 8192  # so many prefixes and silent targets go into a checkpoint


class PrefixRow(Struct, frozen=True, array_like=True):
    """What one prefix has said so far. Tokens of it that are asked again now count as silent."""

    prefix: str  # hexadecimal: an IPv6 prefix is more than 64 bits
    answered: int
    silent: int  # these include `recovered`
    recovered_first: int
    recovered: int
    kept: list[int]
    controls: tuple[int, ...]


class LossMemory(Struct, frozen=True, kw_only=True):
    """What a checkpoint keeps of an estimate: at most `ROWS` prefixes with `TOKENS` of their targets."""

    rows: list[PrefixRow]
    whole: bool  # no prefix was left out
    answered_elsewhere: int  # in prefixes that were left out
    recovered: int
    controls: int
    controls_lost: int
    asked_again: bool  # what is in flight is asked again, but for:
    controls_in_flight: list[int]
    first_asked: list[int]


@dataclass(slots=True)
class PrefixTally:
    """What one prefix said."""

    answered: int = 0  # at the first asking
    silent: int = 0  # then
    asked: int = 0  # silent ones that the first repetition asked
    recovered_first: int = 0  # of these, how many answered it
    recovered: int = 0  # in all repetitions
    kept: list[int] | None = None  # tokens of silent targets; no list for each prefix of a quiet /8
    limit: int = KEPT_A_PREFIX  # of `kept`: fewer where a checkpoint kept a sample, so that it remains one
    controls: tuple[int, ...] = ()  # tokens of some that refused

    def missed(self, asked_twice: bool) -> float:
        """How many answering targets are probably still counted as silent.

        When each asking fails with a chance p, N targets answer N(1-p) at first, Np(1-p) at the second and
        Np²(1-p) at the third asking: a geometric distribution that breaks off. Its mean gives p (the most
        likely value), and what lies beyond the break was missed. `asked_twice`: there was a third asking.
        """
        if not self.recovered or not self.answered:
            return 0.0
        heard = self.answered + self.recovered
        mean = (2 * self.recovered - self.recovered_first) / heard
        if asked_twice:  # mean = (p + 2p²) / (1 + p + p²)
            a, b = 2 - mean, 1 - mean
            lost, times = (math.sqrt(b * b + 4 * a * mean) - b) / (2 * a), 3
        else:  # mean = p / (1 + p)
            lost, times = self.recovered / self.answered, 2
        beyond = min(WORST, lost) ** times
        unasked = (self.silent - self.asked) * self.recovered / self.asked if self.asked else 0.0
        return heard * beyond / (1 - beyond) + unasked


class LossEstimator:
    """Remembers a bounded sample of silent targets by prefix, and which of them to ask once more."""

    def __init__(self, planned: int, seed: int) -> None:
        self._limit = max(FLOOR, planned // SHARE)
        self._chance = random.Random(seed)  # noqa: S311 - a sample, no secret
        self._prefixes: dict[int, PrefixTally] = {}
        self._room = KEPT
        self._waiting: dict[int, PrefixTally | None] = {}  # asked again, no outcome yet; None: of its prefix
        self._still: list[tuple[int, PrefixTally | None]] = []  # asked again in this round, and silent again
        self._rest: list[tuple[int, PrefixTally]] = []  # kept, but not asked again
        self._round = 0
        self._controls: set[int] = set()  # asked again, no outcome yet
        self._control_room = CONTROLS_KEPT
        self.controls = 0  # targets that had refused and were asked again
        self.controls_lost = 0  # of these, how many were silent then
        self.asked = 0  # different targets that were asked again
        self.recovered = 0  # of these, how many answered then
        self.gaps = False  # some that were silent before a resume are in no tally
        self._elsewhere = 0  # targets that answered in prefixes without a tally

    def _of(self, prefix: int) -> PrefixTally:
        tally = self._prefixes.get(prefix)
        if tally is None:
            tally = self._prefixes[prefix] = PrefixTally()
        return tally

    def spoke(self, token: int, prefix: int, *, refused: bool) -> None:
        """A target accepted a connection, or refused one."""
        tally = self._prefixes.get(prefix) or self._of(prefix)
        if token in self._controls:
            self._controls.discard(token)
            if not refused:
                tally.controls = tuple(other for other in tally.controls if other != token)
            return
        if token not in self._waiting:
            tally.answered += 1
            if refused and self._control_room and len(tally.controls) < CONTROLS_A_PREFIX:
                tally.controls += (token,)
                self._control_room -= 1
            return
        tally = self._waiting.pop(token) or tally
        if not self._round:  # it waited since before a resume
            tally.asked += 1
            self.asked += 1
        if tally.kept and token in tally.kept:
            tally.kept.remove(token)
        self.recovered += 1
        tally.recovered += 1
        tally.recovered_first += self._round < LAST

    def spoke_many(self, tokens: Sequence[int], prefixes: Sequence[int], *, refused: bool) -> None:
        """The same for several, each with its prefix."""
        if self._waiting or self._controls:
            for token, prefix in zip(tokens, prefixes, strict=True):
                self.spoke(token, prefix, refused=refused)
            return
        known = self._prefixes
        if refused and self._control_room > 0:
            for token, prefix in zip(tokens, prefixes, strict=True):
                tally = known.get(prefix) or self._of(prefix)
                if len(tally.controls) < CONTROLS_A_PREFIX and self._control_room:
                    tally.controls += (token,)
                    self._control_room -= 1
        for prefix in prefixes:
            tally = known.get(prefix) or self._of(prefix)
            tally.answered += 1

    def silent(self, token: int, prefix: int) -> None:
        """A target did not answer within its deadline."""
        if token in self._waiting:
            again = self._waiting.pop(token)
            if self._round:  # else it waited since before a resume, and is asked with the others
                self._still.append((token, again))
            return
        tally = self._of(prefix)
        tally.silent += 1
        kept = tally.kept
        if self._room and (kept is None or len(kept) < tally.limit):
            if kept is None:
                kept = tally.kept = []
            kept.append(token)
            self._room -= 1
        elif kept and (place := self._chance.randrange(tally.silent)) < len(kept):
            kept[place] = token

    def unreachable(self, token: int, prefix: int) -> None:
        """A target is said to be out of reach. One that was silent before no longer counts as that."""
        if token not in self._waiting:
            return
        tally = self._waiting.pop(token) or self._of(prefix)
        if tally.kept and token in tally.kept:
            tally.kept.remove(token)

    def fell_silent(self, token: int) -> bool:
        """Whether this silence is of a target known to answer: then it says nothing about the target."""
        if token not in self._controls:
            return False
        self._controls.discard(token)
        self.controls_lost += 1
        return True

    def next_controls(self) -> list[int]:
        """Targets that refused, to be asked once more beside the sample."""
        if self._round != SAMPLE:
            return []
        known = [
            token
            for tally in self._prefixes.values()
            if tally.kept
            for token in tally.controls
            if token not in self._controls
        ]
        self._chance.shuffle(known)
        self._controls.update(known[:CONTROLS])
        self.controls += len(known[:CONTROLS])
        return known[:CONTROLS]

    def next_round(self) -> list[int]:
        """The targets to ask once more now; nothing when enough is known."""
        if self._round == LAST or (self._round and not self.recovered):
            return []  # when nothing was lost, the rest need not be troubled
        self._round += 1
        if self._round == REST and not self._rest:
            self._round = LAST
        wanted: Sequence[tuple[int, PrefixTally | None]]
        if self._round == LAST:
            wanted, self._still = self._still, []
        else:
            wanted = self._sample() if self._round == SAMPLE else self._take_rest()
            self.asked += len(wanted)
        self._waiting.update(wanted)
        return [token for token, _ in wanted]

    def _take_rest(self) -> list[tuple[int, PrefixTally]]:
        """All that were kept and are not in the sample."""
        rest, self._rest = self._rest, []
        for _, tally in rest:
            tally.asked += 1
        return rest

    def _sample(self) -> list[tuple[int, PrefixTally]]:
        """A random choice of the silent targets in prefixes where somebody answered."""
        pairs = [
            (token, tally)
            for tally in self._prefixes.values()
            if tally.answered and tally.kept
            for token in tally.kept
            if token not in self._waiting  # this machine could not ask it: it has no outcome
        ]
        self._chance.shuffle(pairs)
        for _, tally in pairs[: self._limit]:
            tally.asked += 1
        self._rest = pairs[self._limit :]
        return pairs[: self._limit]

    def memory(self, in_flight: Collection[int]) -> LossMemory:
        """What a checkpoint keeps; `in_flight` are the tokens that it lists as without an outcome."""
        told = list(self._prefixes.items())
        whole = not self.gaps and len(told) <= ROWS
        if len(told) > ROWS:
            told = _spread([pair for pair in told if pair[1].answered and pair[1].silent], ROWS)
        each = TOKENS // max(1, len(told))
        rows = [
            PrefixRow(
                f"{prefix:x}",
                tally.answered,
                tally.silent,
                tally.recovered_first,
                tally.recovered,
                _spread(tally.kept or [], each),
                tally.controls,
            )
            for prefix, tally in told
        ]
        waiting, controls = self._waiting, self._controls
        return LossMemory(
            rows=rows,
            whole=whole,
            answered_elsewhere=self._answered - sum(row.answered for row in rows),
            recovered=self.recovered,
            controls=self.controls,
            controls_lost=self.controls_lost,
            asked_again=bool(waiting),
            controls_in_flight=sorted(controls),
            first_asked=sorted(set(in_flight) - waiting.keys() - controls) if waiting else [],
        )

    def restore(self, memory: LossMemory | None, in_flight: Iterable[int]) -> None:
        """Begin with what earlier starts of the run saw; None: their checkpoint does not tell. The rounds
        begin anew, with all that are silent still."""
        if memory is None:
            self.gaps = True
            return
        self.gaps = not memory.whole
        self._elsewhere = memory.answered_elsewhere
        self.asked = self.recovered = memory.recovered
        self.controls, self.controls_lost = memory.controls, memory.controls_lost
        self._controls.update(memory.controls_in_flight)
        if memory.asked_again:
            others = {*memory.controls_in_flight, *memory.first_asked}
            self._waiting.update(dict.fromkeys(token for token in in_flight if token not in others))
        for row in memory.rows:
            tally = self._of(int(row.prefix, 16))
            tally.answered, tally.silent, tally.asked = row.answered, row.silent, row.recovered
            tally.recovered_first, tally.recovered = row.recovered_first, row.recovered
            tally.kept, tally.controls = row.kept or None, row.controls
            if len(row.kept) < row.silent - row.recovered:
                tally.limit = len(row.kept)
            self._room -= len(row.kept)
            self._control_room -= len(row.controls)

    @property
    def _answered(self) -> int:
        """Targets that answered at the first asking."""
        return self._elsewhere + sum(tally.answered for tally in self._prefixes.values())

    @property
    def missed(self) -> float:
        """How many answering targets are probably still counted as silent."""
        return sum(tally.missed(self._round == LAST) for tally in self._prefixes.values())

    @property
    def recall(self) -> float:
        """The estimated share of answering targets that were heard, 0 to 1."""
        heard = self._answered + self.recovered
        found = heard / (heard + self.missed) if heard else 1.0
        if found < RECALL or self.controls_lost < 2:  # one may have left meanwhile
            return found
        askings = 3 if self._round == LAST else 2
        return min(found, 1 - (self.controls_lost / self.controls) ** askings)

    def unlooked(self, silent_before: int) -> bool:
        """Whether packets were lost while some of the `silent_before` targets, which were silent before a
        resume, were not asked again."""
        return bool(silent_before and self.gaps and self.words)

    @property
    def words(self) -> str:
        """The estimate as a sentence; empty when nothing was lost."""
        if not self.recovered and self.controls_lost < 2:
            return ""
        return (
            f"packets were lost: asked again, {self.recovered} of {self.asked} silent targets answered and"
            f" {self.controls_lost} of {self.controls} that had refused were silent;"
            f" estimated recall {self.recall:.2%}"
        )


def _spread(items: list[T], count: int) -> list[T]:
    """At most `count` of them, taken at even distances."""
    return items[:: max(1, -(-len(items) // max(1, count)))]


def recall_of_rounds(sent: list[int], answered: int) -> float:
    """The same for a stage that asks everything silent again itself: SYNs of each round, and all answers."""
    if len(sent) < 2 or not answered:
        return 1.0
    first = sent[0] - sent[1]
    late = max(0, answered - first)
    if first <= 0 or late <= 0:
        return 1.0
    lost = min(1.0, late / first)
    missed = answered * lost ** len(sent)
    return answered / (answered + missed)
