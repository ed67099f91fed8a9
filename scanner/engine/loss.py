"""How many servers a sweep has probably not heard: the arithmetic, from what it saw of lost packets.

An asking of a live host fails when all its SYNs, or their answers, are lost. The kernel repeats a SYN that
nobody answered, so each answer that came late was to a repeated one, and their share is the chance that one
is lost. A host that answers only when it is asked again shows an asking that failed; of these, the share
that failed more than once is the chance that an asking fails where packets are lost. The larger of the two
is believed.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from targets.target import PrefixKey

LATE_IN_A_PREFIX = 2  # late answers from which a prefix is judged by itself
STEPS = 20  # of the iteration below, which is enough for four digits
WORST = 0.95  # no asking is taken to fail more often than this


def tries_within(seconds: float) -> int:
    """How many SYNs the kernel sends within a connect timeout, by the older of its two schedules: 0, 1, 3,
    7, … seconds (Linux before 6.5; later ones send more, net.ipv4.tcp_syn_linear_timeouts)."""
    return 1 + int(math.log2(seconds + 1))


def failing(late: int, answered: int, tries: int) -> float:
    """The chance that an asking of `tries` SYNs fails, when of `answered` answers `late` were to a repeated
    one. A few late ones more than were seen are allowed for."""
    seen = (late + 0.5) / (answered + 1.0)
    lost = seen
    for _ in range(STEPS if tries > 1 else 0):  # those that lost all their SYNs are not among the answers
        lost = seen + (1 - seen) * lost**tries
    return min(WORST, lost**tries)


class LossEstimator:
    """Counts answers, and says how many hosts were probably not heard at the first asking."""

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self._answered: Counter[PrefixKey] = Counter()
        self._late: Counter[PrefixKey] = Counter()
        self._elsewhere = [0, 0]  # answered and late in prefixes that nobody told
        self._stage = 0.0  # hosts that the SYN stage did not hear, by its own rounds

    def heard(self, prefix: PrefixKey, late: bool) -> None:
        """A target accepted or refused a connection."""
        self._answered[prefix] += 1
        if late:
            self._late[prefix] += 1

    def heard_many(self, prefixes: Iterable[PrefixKey], late: Iterable[PrefixKey]) -> None:
        """So many targets answered, each with its prefix; `late`: the prefixes of late ones among them."""
        self._answered.update(prefixes)
        self._late.update(late)

    def heard_elsewhere(self, answered: int, late: int) -> None:
        """Targets that answered, of which nobody knows the prefix: before a resume, or to the SYN stage."""
        self._elsewhere[0] += answered
        self._elsewhere[1] += late

    def stage_rounds(self, sent: Sequence[int], answered: int) -> None:
        """What the SYN stage says: SYNs of each of its rounds, and all answers. It asks everything that is
        silent again itself."""
        if len(sent) < 2 or not answered:
            return
        first = sent[0] - sent[1]
        late = max(0, answered - first)
        lost = min(WORST, (late + 0.5) / (answered + 1.0))
        unheard = lost ** len(sent)
        self._stage = answered * unheard / (1 - unheard)

    @property
    def answered(self) -> int:
        """Targets that answered, at whichever asking."""
        return self._answered.total() + self._elsewhere[0]

    @property
    def late(self) -> int:
        """Of these, how many answered a repeated SYN."""
        return self._late.total() + self._elsewhere[1]

    def answered_outside(self, inside: Callable[[PrefixKey], bool]) -> int:
        """Of those that answered, how many are in no prefix of which `inside` is true."""
        return self.answered - sum(n for prefix, n in self._answered.items() if inside(prefix))

    @property
    def failing(self) -> float:
        """The chance that one asking of a live host fails."""
        return failing(self.late, self.answered, self._tries)

    @property
    def unheard(self) -> float:
        """How many live hosts were probably not heard at the first asking. A prefix with late answers is
        judged by itself, so that a bad way to it is not diluted by good ones elsewhere."""
        chance = self.failing
        everywhere = self.answered * chance / (1 - chance)
        by_prefix = 0.0
        for prefix, late in self._late.items():
            if late >= LATE_IN_A_PREFIX:
                chance = failing(late, self._answered[prefix], self._tries)
                by_prefix += self._answered[prefix] * chance / (1 - chance)
        return max(everywhere, by_prefix, self._stage)


class Recovered:
    """Hosts of one kind that answered only when they were asked again, by round."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.whole: list[bool] = []  # whether that round asked every target of the kind

    def begin(self, *, whole: bool) -> None:
        """A round begins."""
        self.rounds.append(0)
        self.whole.append(whole)

    def add(self, count: int = 1) -> None:
        """So many answered in this round."""
        if not self.rounds:  # it waited since before a resume
            self.begin(whole=False)
        self.rounds[-1] += count

    def joined(self) -> None:
        """One of another kind is of this kind now: no round so far has asked everybody."""
        self.whole = [False] * len(self.whole)

    @property
    def total(self) -> int:
        """In all rounds."""
        return sum(self.rounds)

    def remaining(self, unheard: float, chance_in: Callable[[int], float]) -> float:
        """How many of the kind would probably answer still. `unheard`: how many did not answer at first, as
        far as that is known; `chance_in`: that an asking fails in a round (1, 2, …). Infinite when only a
        part was asked and somebody in it answered."""
        first, base = 0, unheard
        if self.total:
            last = max(number for number, count in enumerate(self.rounds) if count)
            if not any(self.whole[last:]):
                return math.inf
            chance = chance_in(last + 1)
            first, base = last + 1, self.rounds[last] * chance / (1 - chance)
        for number in range(first, len(self.rounds)):
            if self.whole[number]:
                base *= chance_in(number + 1)
        return base

    @property
    def failing(self) -> float:
        """The chance that an asking of those that did not answer at first fails again."""
        again = sum(number * count for number, count in enumerate(self.rounds))
        return (again + 0.5) / (again + self.total + 1.0) if self.total else 0.0
