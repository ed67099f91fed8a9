"""How much a sweep may have missed: silent targets beside ones that answered are asked once more.

A target that answers only when it is asked again was lost on the way the first time. Their share says how
many others may have been missed, and so whether the sweep may call itself complete.
"""

from __future__ import annotations

import random
from collections import Counter

KEPT_A_PREFIX = 64
KEPT = 200_000
RECALL = 0.999  # what a complete sweep promises of the targets that are there
SHARE = 20  # the first repetition asks at most one in so many of the planned targets,
FLOOR = 2_000  # or so many where that is more


class SecondLook:
    """Remembers a bounded sample of silent targets by prefix. `rounds` is how often they are asked again."""

    def __init__(self, planned: int, seed: int, rounds: int = 2) -> None:
        self._limit = max(FLOOR, planned // SHARE)
        self._chance = random.Random(seed)  # noqa: S311 - a sample, no secret
        self._rounds_left = rounds
        self._heard: set[int] = set()
        self._silent: Counter[int] = Counter()
        self._kept: dict[int, list[int]] = {}
        self._room = KEPT
        self._waiting: set[int] = set()  # asked again, no outcome yet
        self._still: list[int] = []  # asked again in this round, and silent again
        self._rest: list[int] = []  # kept, but not asked again
        self.answered = 0  # at the first asking
        self.asked = 0  # different targets that were asked again
        self.recovered = 0  # of these, how many answered then
        self._first: tuple[int, int] = (0, 0)  # asked and recovered in the first round
        self._last_recovered = 0

    def spoke(self, token: int, prefix: int) -> None:
        """A target accepted a connection, or refused one."""
        if token in self._waiting:
            self._waiting.discard(token)
            self.recovered += 1
            self._last_recovered += 1
            return
        self.answered += 1
        self._heard.add(prefix)

    def silent(self, token: int, prefix: int) -> None:
        """A target did not answer within its deadline."""
        if token in self._waiting:
            self._waiting.discard(token)
            self._still.append(token)
            return
        self._silent[prefix] += 1
        count = self._silent[prefix]
        kept = self._kept.setdefault(prefix, [])
        if len(kept) < KEPT_A_PREFIX and self._room:
            kept.append(token)
            self._room -= 1
        elif kept and (place := self._chance.randrange(count)) < len(kept):
            kept[place] = token

    def next_round(self) -> list[int]:
        """The targets to ask once more now; nothing when enough is known."""
        if not self._rounds_left:
            return []
        self._rounds_left -= 1
        if not self.asked:
            wanted = [token for prefix in sorted(self._heard) for token in self._kept.get(prefix, ())]
            self._chance.shuffle(wanted)
            wanted, self._rest = wanted[: self._limit], wanted[self._limit :]
            self.asked = len(wanted)
        else:
            self._first = (self.asked, self.recovered)
            if not self.recovered:
                return []  # nothing was lost: the rest need not be troubled
            self._last_recovered = 0
            wanted = self._still + self._rest
            self.asked += len(self._rest)
            self._rest = []
        self._still = []
        self._waiting.update(wanted)
        return wanted

    @property
    def missed(self) -> float:
        """How many answering targets are probably still counted as silent."""
        if not self.recovered:
            return 0.0
        asked, recovered = self._first if self._first[0] else (self.asked, self.recovered)
        beside = sum(self._silent[prefix] for prefix in self._heard)
        share = recovered / asked
        lost = share * beside / (self.answered + share * beside)  # the chance to be missed, each time
        return (beside - self.asked) * share + lost * self._last_recovered

    @property
    def recall(self) -> float:
        """The estimated share of answering targets that were heard, 0 to 1."""
        heard = self.answered + self.recovered
        return heard / (heard + self.missed) if heard else 1.0

    @property
    def words(self) -> str:
        """The estimate as a sentence; empty when nothing was lost."""
        if not self.recovered:
            return ""
        return (
            f"packets were lost: of {self.asked} silent targets that were asked again {self.recovered}"
            f" answered; estimated recall {self.recall:.2%}"
        )


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
