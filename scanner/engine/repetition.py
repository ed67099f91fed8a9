"""Who is asked again before a sweep ends, and what that says of who was not heard.

Silence and refusals prove little while packets are lost, or while a firewall refuses for the hosts behind it.
So a sweep ends with rounds, slower than the first asking. Two ask a sample of the silent targets and one of
those refused or out of reach: all of them in a small sweep. As long as anybody was probably missed, all are
asked again. Each round ends with witnesses: hosts that answered before. When rounds or time are used up and
a server may still have been missed, the run says so.
"""

from __future__ import annotations

import math
import random
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from results.summary import Loss
from results.verdict import Verdict
from scanner.contact import is_witness, witness
from scanner.engine.loss import LossEstimator, Recovered
from scanner.engine.missed import DOUBT, at_most, sentences, still_missing
from scanner.engine.repetition_memory import RepetitionMemory
from scanner.engine.unanswered import (
    ACCEPTED,
    CLOSED,
    KINDS,
    REFUSED,
    SILENT,
    UNREACHABLE,
    VERDICT_OF,
    Unanswered,
)
from scanner.engine.witnesses import Said, Witnesses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from scanner.contact import Token
    from scanner.engine.accounts import Accounts
    from targets.target import PrefixKey

SHARE = 20  # a sample is at most one in so many of the planned targets,
FLOOR, MOST = 2_000, 65_536  # or so many where that is more; never more than the second
SAMPLES = 2  # rounds that ask a sample
SLOWER = 4.0, 16.0, 64.0  # so much slower than the first asking are the rounds; the last holds for all later
LEAST, QUICK = 2.0, 8.0  # a sample is asked so much slower at least, and in so many seconds where it can be
SPREAD = 2.0  # seconds of a round, at least, where packets were lost: a limit meets a shorter one as a burst
ROUNDS = 10  # rounds in all
UNHEARD = 2  # more for targets that answered the SYN stage alone
TIME, TIMES = 240.0, 2.0  # seconds for all rounds, or so many times as long as the first asking took
KEPT = 8192  # targets of each kind that a checkpoint keeps


class Round(NamedTuple):
    """One round: the rate is divided by `slower`; `patient` when deadlines of connects are longer, too."""

    slower: float
    patient: bool


class Repetition:
    """Knows every target that did not accept a connection, and decides who is asked again.

    `tries`: SYNs within a connect timeout, see `loss.tries_within`. `ours`: all targets are addresses of this
    machine, so nothing on the way refuses for them, and nothing is gained by asking slowly. Outcomes of those
    that are asked again are taken out of `accounts` when that happens, so each target is always counted once.
    """

    def __init__(self, accounts: Accounts, seed: int, tries: int, *, ours: bool = False) -> None:
        self.loss = LossEstimator(tries)
        self.unanswered = Unanswered()
        self.witnesses = Witnesses()
        self.number = 0  # of the round; 0 = the first asking
        self.asked = 0  # askings in all rounds
        self.asked_again: dict[Token, int] = {}  # in flight, with the mark that each had
        self.gaps = False  # some of the unanswered are from before a resume and unknown
        self._accounts = accounts
        self._chance = random.Random(seed)  # noqa: S311 - a sample, no secret
        self.ours = ours
        self._kinds = {kind: states for kind, states in KINDS.items() if not ours or kind == "silent"}
        self._recovered = {kind: Recovered() for kind in KINDS}
        self._whole = dict.fromkeys(KINDS, False)  # whether the samples hold all of a kind
        self._samples: dict[str, Sequence[Token]] = {}
        self._stream: Iterator[Token] = iter(())
        self._witnesses_due = False
        self.more = False  # the round has targets that were not taken yet
        self._changed: dict[Token, None] = {}  # were silent, and refused or out of reach then
        self._unheard: dict[Token, None] = {}  # answered the SYN stage, and accepted no connection
        self._began = 0.0
        self.ended = False  # the last round was over, and nobody is to be asked any more

    def answered(self, token: Token, prefix: PrefixKey, late: bool) -> None:
        """A target accepted a connection."""
        before = self._back(token)
        if before != REFUSED:  # else it was heard when it refused
            self.loss.heard(prefix, late)
        self.witnesses.note(token, prefix, accepted=True)
        if before == ACCEPTED:
            return
        self.unanswered.mark(token, ACCEPTED)
        self._unheard.pop(token, None)
        self._changed.pop(token, None)
        self._recovered["silent" if before == SILENT else "refused"].add()
        if before == SILENT:
            self.witnesses.told(prefix, self.number, Said.NOTHING, None)

    def answered_many(
        self, tokens: Sequence[Token], prefixes: Sequence[PrefixKey], late: Sequence[PrefixKey]
    ) -> None:
        """The same for several, each with its prefix; `late`: those of targets that answered late."""
        if self.asked_again:
            for token, prefix in zip(tokens, prefixes, strict=True):
                self.answered(token, prefix, late=False)
            return
        self.loss.heard_many(prefixes, late)
        self.witnesses.note_many(tokens, prefixes, accepted=True)

    def refused_many(
        self, tokens: Sequence[Token], prefixes: Sequence[PrefixKey], late: Sequence[PrefixKey]
    ) -> None:
        """So many targets refused a connection."""
        if self.asked_again:
            for token, prefix in zip(tokens, prefixes, strict=True):
                self._refused(token, prefix)
            return
        self.unanswered.mark_new(tokens, REFUSED)
        self.loss.heard_many(prefixes, late)
        self.witnesses.note_many(tokens, prefixes, accepted=False)

    def _refused(self, token: Token, prefix: PrefixKey) -> None:
        before = self._back(token)
        self.unanswered.mark(token, REFUSED)
        if before == ACCEPTED:
            self.loss.heard(prefix, late=False)
            self.witnesses.note(token, prefix, accepted=False)
        elif before == REFUSED:
            self._changed.pop(token, None)
            self.witnesses.told(prefix, self.number, Said.REFUSED, Verdict.REFUSED)
        elif before == SILENT:
            self.loss.heard(prefix, late=False)
            if not self.ours:
                self._changed[token] = None
            self._recovered["silent"].add()
            self.witnesses.told(prefix, self.number, Said.NOTHING, Verdict.REFUSED)

    def not_accepted(self, token: Token, prefix: PrefixKey, state: int) -> Verdict:
        """A target was silent, or out of reach (`state`). Returns its outcome: one that had refused before
        keeps that, and its silence tells of the way to it."""
        before = self._back(token)
        if before == REFUSED:
            self._changed.pop(token, None)
            self.witnesses.told(prefix, self.number, Said.REFUSED, VERDICT_OF[state])
            return VERDICT_OF[REFUSED]
        if before == SILENT:
            self.witnesses.told(prefix, self.number, Said.NOTHING, VERDICT_OF[state])
            if state == UNREACHABLE:
                self._changed[token] = None
        elif before == UNREACHABLE:
            self._changed.pop(token, None)
        if before == UNREACHABLE and state == SILENT:
            self._recovered["silent"].joined()
        self.unanswered.mark(token, state)
        return VERDICT_OF[state]

    def not_connected(self, token: Token) -> None:
        """A target that has answered the SYN stage accepts no connection."""
        self._unheard[token] = None

    def outcome_before(self, token: Token) -> Verdict | None:
        """The outcome that a target had which is asked again now; None for one that has none."""
        return VERDICT_OF.get(self.asked_again.get(token, ACCEPTED))

    def not_again(self, token: Token) -> None:
        """A target that was to be asked again is not: it keeps the outcome that it had."""
        self.asked_again.pop(token, None)

    def forget(self, token: Token) -> None:
        """A target has left the scope."""
        self._unheard.pop(token, None)
        self._changed.pop(token, None)
        self.unanswered.mark(token, ACCEPTED)

    def witness_told(self, token: Token, heard: object) -> None:
        """A witness accepted (None) or did not (a verdict), or this machine could not ask it."""
        if heard is None or isinstance(heard, Verdict):
            self.witnesses.tell(witness(token), self.number, heard)
        else:
            self.witnesses.withdraw(witness(token))

    def _back(self, token: Token) -> int:
        """The mark that a target had which was asked again; `ACCEPTED` for one that is asked for the first
        time."""
        return self.asked_again.pop(token, ACCEPTED)

    def next_round(self, now: float, lasted: float, rate: float) -> Round | None:
        """Begin another round at `now`, after a first asking of so many seconds at so many connects a second;
        None when enough is known, or nothing more can be."""
        if self.number == 0:
            self._began = now
        time = max(TIME, TIMES * lasted)
        undecided = self.witnesses.undecided(self._expected)
        doubtful = [kind for kind in self._kinds if undecided or self._doubts(kind)]
        if not any(self.unanswered.count(states) for states in self._kinds.values()):
            self.ended = True
        elif self.number >= SAMPLES:
            unheard = self._unheard and self.number < SAMPLES + UNHEARD
            wanted = doubtful or unheard or self._changed
            used_up = self.number >= ROUNDS or now - self._began > time
            self.ended = not wanted or used_up or self._shut_out
        if self.ended:
            return None
        self.number += 1
        if self.number <= SAMPLES:
            tokens, count = self._sampled()
        else:
            tokens, count = self._all_of(() if self.witnesses.all_shut else doubtful)
        self._stream, self._witnesses_due, self.more = tokens, True, True
        slower = SLOWER[min(self.number, len(SLOWER)) - 1]
        if self.number <= SAMPLES:
            slower = min(slower, max(LEAST, rate * QUICK / max(1, count)))
        elif doubtful == ["silent"]:  # a limit that drops is waited out by repeated SYNs
            slower = SLOWER[0]
        if self.loss.late or self._answered_again:
            slower = max(slower, rate * SPREAD / max(1, count + self.witnesses.due))
        slower = 1.0 if self.ours else min(slower, max(1.0, rate * time / 4 / max(1, count)))
        return Round(slower, patient=self.number > SAMPLES)

    def _sampled(self) -> tuple[Iterator[Token], int]:
        """The first rounds: a sample of each kind, and again those of it that did not answer."""
        if not self._samples:
            most = min(MOST, max(FLOOR, self._accounts.planned // SHARE))
            for kind, states in self._kinds.items():
                self._samples[kind] = self.unanswered.sample(states, most, self._chance)
                whole = self.unanswered.whole and self.unanswered.count(states) <= most
                self._whole[kind] = whole and not self.gaps
        tokens = {
            token: None for kind in self._kinds for token in self._samples[kind] if self.unanswered[token]
        }
        tokens |= {token: None for token in (*self._unheard, *self._changed) if self.unanswered[token]}
        for kind, recovered in self._recovered.items():
            recovered.begin(whole=self._whole[kind])
        shuffled = list(tokens)
        self._chance.shuffle(shuffled)
        return iter(shuffled), len(shuffled)

    def _all_of(self, kinds: Collection[str]) -> tuple[Iterator[Token], int]:
        """A later round: every target of the doubtful kinds."""
        self._samples.clear()
        states = [state for kind in kinds for state in KINDS[kind]]
        for kind in kinds:
            self._recovered[kind].begin(whole=self.unanswered.whole and not self.gaps)
        first = {**self._unheard, **self._changed}
        unheard = [token for token in first if self.unanswered[token] not in states]
        return (
            chain(unheard, self.unanswered.each(states, self._chance)),
            len(unheard) + self.unanswered.count(states),
        )

    def take(self) -> Token | None:
        """The next target of the round, out of the accounts, or the next witness; None when all are taken."""
        while self.more:
            for token in self._stream:
                if is_witness(token):
                    return token
                state = self.unanswered[token]
                if state != ACCEPTED and token not in self.asked_again:
                    self._accounts.outcomes[VERDICT_OF[state]] -= 1
                    self.asked_again[token] = state
                    self.asked += 1
                    return token
            self.more, self._witnesses_due = self._witnesses_due, False
            if self.more:
                self._stream = map(witness, self.witnesses.choose(self._chance))
        return None

    def _remaining(self, kind: str) -> float:
        """How many servers of a kind would probably answer if all were asked again."""
        if not self.unanswered.count(KINDS[kind]):
            return 0.0
        return still_missing(self.loss, self._recovered[kind], self.witnesses, silent=kind == "silent")

    def _doubts(self, kind: str) -> bool:
        return self._remaining(kind) > DOUBT

    @property
    def _shut_out(self) -> bool:
        """Whether nobody answers any more, so that asking on is of no use."""
        return not self.witnesses.undecided(self._expected) and self.witnesses.all_shut

    @property
    def _expected(self) -> int:
        """Hosts that refuse and were silent at first for lost packets: at most so many."""
        return at_most(self.loss.unheard) or 0

    @property
    def missed(self) -> float:
        """How many servers were probably missed; infinite when nothing can be said."""
        if not self.ended or self.witnesses.shut(self._expected) or (self.gaps and self.signs):
            return math.inf
        return sum(self._remaining(kind) for kind in KINDS) + len(self._unheard)

    @property
    def missed_at_most(self) -> int | None:
        """How many servers were missed at most, with 99 %; None when nothing can be said."""
        most = at_most(self.missed)
        return None if most is None else min(most, self.unanswered.count((SILENT, *CLOSED)))

    @property
    def doubtful(self) -> bool:
        """Whether a server was missed with more than 1 %."""
        return bool(self.witnesses.shut(self._expected) or self._unheard) or any(
            self._doubts(kind) for kind in KINDS
        )

    @property
    def signs(self) -> bool:
        """Whether anything showed that packets are lost or refused on the way."""
        return bool(self._answered_again) or self.doubtful or self.loss.unheard > DOUBT

    @property
    def _answered_again(self) -> int:
        """How many answered only when they were asked again."""
        return sum(recovered.total for recovered in self._recovered.values())

    def summary(self, left_out: int) -> Loss:
        """All of it, for the manifest; `left_out` lines of masked prefixes."""
        return Loss(
            missed_at_most=self.missed_at_most,
            answered=self.loss.answered,
            late=self.loss.late,
            asked_again=self.asked,
            answered_again=self._answered_again,
            witnesses=self.witnesses.asked,
            witnesses_failed=self.witnesses.failed,
            lines_left_out=left_out,
        )

    @property
    def words(self) -> list[str]:
        """What the rounds showed, a sentence each; empty when nothing was lost."""
        silent, refused = (self._recovered[kind].total for kind in KINDS)
        found = sentences(self.witnesses, self.witnesses.shut(self._expected), silent, refused)
        if not found and self._doubts("silent"):
            late, answered = self.loss.late, self.loss.answered
            found.append(f"packets were lost: {late} of {answered} answers came to a repeated SYN")
        if self._unheard:
            found.append(f"{len(self._unheard)} targets answered a SYN and accepted no connection")
        return found

    def memory(self) -> RepetitionMemory:
        """What a checkpoint keeps."""
        kept = {
            state: self.unanswered.sample((state,), KEPT, self._chance)
            for state in (SILENT, REFUSED, UNREACHABLE)
        }
        whole = all(len(tokens) == self.unanswered.counts[state] for state, tokens in kept.items())
        return RepetitionMemory(
            answered=self.loss.answered,
            late=self.loss.late,
            asked=self.asked,
            recovered={kind: recovered.total for kind, recovered in self._recovered.items()},
            silent=kept[SILENT],
            refused=kept[REFUSED],
            unreachable=kept[UNREACHABLE],
            whole=whole and self.unanswered.whole and not self.gaps,
            witnesses=self.witnesses.memory(),
            asked_again=sorted(self.asked_again.items()),
            unheard=sorted(self._unheard),
        )

    def restore(self, memory: RepetitionMemory | None, in_flight: Iterable[Token]) -> None:
        """Begin with what earlier starts of the run saw; None: it is not told. The rounds begin anew."""
        if memory is None:
            self.gaps = True
            return
        self.gaps = not memory.whole
        self.loss.heard_elsewhere(memory.answered, memory.late)
        self.asked = memory.asked
        waiting = set(in_flight)
        self.asked_again = {token: state for token, state in memory.asked_again if token in waiting}
        marks = ((SILENT, memory.silent), (REFUSED, memory.refused), (UNREACHABLE, memory.unreachable))
        for state, tokens in marks:
            self.unanswered.mark_new((token for token in tokens if token not in self.asked_again), state)
        for token, state in self.asked_again.items():
            self.unanswered.mark(token, state)
        for kind, count in memory.recovered.items():
            self._recovered[kind].add(count)
        self.witnesses.restore(memory.witnesses)
        self._unheard = dict.fromkeys(memory.unheard)
