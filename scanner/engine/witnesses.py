"""Targets that have answered, asked once more: when they fall silent, something on the way has shut.

A firewall that has shut out this machine makes every server silent, and its silence looks like that of an
address without a host. Hosts that answered before are the proof that the way stands open still. Nobody has
to configure them, and all that is asked of one is whether it still accepts, or refuses, a connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from results.verdict import Verdict

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from scanner.contact import Token
    from targets.target import PrefixKey

A_PREFIX, KEPT = 3, 8192  # so many are remembered
ASKED = 256  # of which so many are asked in a round
PATIENCE = 4  # rounds in a row in which a prefix's witnesses fail until the way there is taken to be shut
SHARE = 0.01  # of the prefixes: so many whose only witness is gone may have lost it by chance


class Said(Enum):
    """What somebody had said at the first asking."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOTHING = "nothing"


class Asked(NamedTuple):
    """Askings, and how many of them failed."""

    asked: int
    failed: int

    @property
    def share(self) -> float:
        """The failed ones, 0 to 1."""
        return self.failed / self.asked if self.asked else 0.0


NONE = Asked(0, 0)


def _sum(known: Asked | None, more: Asked) -> Asked:
    return more if known is None else Asked(known.asked + more.asked, known.failed + more.failed)


@dataclass(slots=True)
class PrefixWitness:
    """What the witnesses of one prefix said in the last round in which any was asked."""

    round: int = 0
    heard: int = 0
    failed: int = 0
    failing: int = 0  # rounds in a row in which most failed

    def note(self, number: int, heard: bool) -> None:
        """One was asked in round `number`."""
        if number != self.round:
            self.failing = self.failing + 1 if self.shut else 0
            self.round, self.heard, self.failed = number, 0, 0
        if heard:
            self.heard += 1
        else:
            self.failed += 1

    @property
    def shut(self) -> bool:
        """Whether most of this prefix failed in its last round."""
        return self.failed > self.heard


class Witnesses:
    """Remembers who answered at the first asking, and what became of them.

    Who was silent is a witness, too: addresses without a host do not begin to refuse. `expected` says how
    many silent hosts are likely to have lost their packets only, and so to refuse when they are asked again.
    """

    def __init__(self) -> None:
        self._kept: dict[PrefixKey, list[tuple[Token, bool]]] = {}  # (token, whether it accepted)
        self._room = KEPT
        self._seen: dict[Said, dict[PrefixKey, PrefixWitness]] = {said: {} for said in Said}
        self._waiting: dict[Token, tuple[PrefixKey, Said]] = {}  # asked, not heard of yet
        self._rounds: dict[int, Asked] = {}  # those that had answered, by round
        self._accepting: dict[int, Asked] = {}  # of these, those that had accepted
        self.turned = NONE  # those that had accepted; failed: they were refused, or out of reach
        self.asked = 0  # of those that had answered
        self.silent = 0  # of these, how many were silent
        self.refused = 0  # and how many were refused, or out of reach, and had not been
        self.began_to_refuse = 0  # of those that had been silent

    def note(self, token: Token, prefix: PrefixKey, *, accepted: bool) -> None:
        """A target answered at its first asking. One that accepted tells more than one that refused."""
        kept = self._kept.get(prefix)
        if kept is None:
            if self._room > 0:
                self._kept[prefix] = [(token, accepted)]
                self._room -= 1
        elif len(kept) < A_PREFIX:
            if self._room > 0:
                kept.append((token, accepted))
                self._room -= 1
        elif accepted and not kept[-1][1]:
            kept[-1] = (token, True)
            kept.sort(key=lambda pair: not pair[1])

    def note_many(self, tokens: Iterable[Token], prefixes: Iterable[PrefixKey], *, accepted: bool) -> None:
        """The same for several, each with its prefix."""
        if self._room > 0:
            kept_of = self._kept.get
            for token, prefix in zip(tokens, prefixes, strict=True):
                kept = kept_of(prefix)
                # Most prefixes have all that they may have, and one who refused tells nothing more then.
                if kept is None or len(kept) < A_PREFIX or (accepted and not kept[-1][1]):
                    self.note(token, prefix, accepted=accepted)

    @property
    def due(self) -> int:
        """How many a round asks."""
        return min(ASKED, KEPT - self._room)

    def choose(self, chance: random.Random) -> list[Token]:
        """Some of them, of as many prefixes as may be; first those of prefixes that failed before."""
        order = list(self._kept)
        chance.shuffle(order)
        doubtful = [
            prefix
            for seen in self._seen.values()
            for prefix, each in seen.items()
            if each.shut and prefix in self._kept
        ]
        chosen: dict[Token, tuple[PrefixKey, Said]] = {}
        for prefixes in (doubtful, order):
            for place in range(A_PREFIX):
                for prefix in prefixes:
                    kept = self._kept[prefix]
                    if place < len(kept) and len(chosen) < ASKED:
                        token, accepted = kept[place]
                        chosen[token] = prefix, Said.ACCEPTED if accepted else Said.REFUSED
        self._waiting = dict(chosen)
        return list(chosen)

    def tell(self, token: Token, number: int, heard: Verdict | None) -> None:
        """What a chosen witness did in round `number`; None: it accepted."""
        prefix, before = self._waiting.pop(token)
        self.told(prefix, number, before, heard)

    def withdraw(self, token: Token) -> None:
        """This machine could not ask it."""
        self._waiting.pop(token, None)

    def told(self, prefix: PrefixKey, number: int, before: Said, heard: Verdict | None) -> None:
        """A target of the prefix was asked again in round `number`: what it had said, and what it did now. A
        refusal by others proves nothing where one that accepted is refused."""
        if before is Said.NOTHING:
            good = heard is not Verdict.REFUSED
            self.began_to_refuse += not good
        else:
            good = heard is None or (heard is Verdict.REFUSED and before is Said.REFUSED)
            self.asked += 1
            self.silent += heard is Verdict.FILTERED
            turned = not good and heard is not Verdict.FILTERED
            self.refused += turned
            self._rounds[number] = _sum(self._rounds.get(number), Asked(1, not good))
            if before is Said.ACCEPTED:
                self._accepting[number] = _sum(self._accepting.get(number), Asked(1, not good))
                self.turned = _sum(self.turned, Asked(1, turned))
        seen = self._seen[before].get(prefix)
        if seen is None:
            seen = self._seen[before][prefix] = PrefixWitness()
        seen.note(number, good)

    @property
    def failed(self) -> int:
        """Of those that had answered, how many did not."""
        return self.silent + self.refused

    def failing(self, number: int, *, accepting: bool) -> float:
        """The chance that an asking failed in a round, by those who had answered, or of these by those who
        had accepted; 0.5 when none was asked."""
        asked, failed = (self._accepting if accepting else self._rounds).get(number, NONE)
        return (failed + 0.5) / (asked + 1.0)

    @property
    def waiting(self) -> bool:
        """Whether some were asked and have not been heard of."""
        return bool(self._waiting)

    def _shut(self, expected: int, rounds: int) -> dict[tuple[Said, PrefixKey], PrefixWitness]:
        found: dict[tuple[Said, PrefixKey], PrefixWitness] = {}
        for before, seen in self._seen.items():
            once = before is Said.NOTHING  # who began to refuse is not silent any more, so it fails only once
            if once and (rounds == 1 or self.began_to_refuse <= expected):
                continue
            shut = {
                prefix: each
                for prefix, each in seen.items()
                if each.shut and (once or each.failing + 1 >= rounds)
            }
            many = len(shut) > SHARE * len(seen)
            found |= {(before, prefix): each for prefix, each in shut.items() if many or each.failed > 1}
        return found

    def undecided(self, expected: int) -> bool:
        """Whether some prefix should be given another round before it is called shut."""
        return any(each.failing + 1 < PATIENCE for each in self._shut(expected, rounds=1).values())

    def shut(self, expected: int) -> set[PrefixKey]:
        """Prefixes to which the way has shut. A prefix whose only witness is gone may have lost it by
        chance, as long as few have."""
        return {prefix for _, prefix in self._shut(expected, rounds=2)}

    @property
    def all_shut(self) -> bool:
        """Whether most failed of those who had accepted, or had refused if nobody had accepted."""
        seen = self._seen[Said.ACCEPTED] or self._seen[Said.REFUSED]
        return bool(seen) and all(prefix.shut for prefix in seen.values())

    def memory(self) -> list[tuple[Token, str, bool]]:
        """Token, prefix (hexadecimal) and whether it accepted, for a checkpoint: at most `ASKED`."""
        told = [(token, f"{prefix:x}", yes) for prefix, kept in self._kept.items() for token, yes in kept]
        return told[:: max(1, -(-len(told) // ASKED))]

    def restore(self, memory: Iterable[tuple[Token, str, bool]]) -> None:
        """Those that earlier starts of the run kept."""
        for token, prefix, accepted in memory:
            self.note(token, int(prefix, 16), accepted=accepted)
