"""Writes down what was found: conversation to observation to journal line, second opinion included.

Lines are appended on the event loop and made durable by one thread; stdout follows the journal's file from
another, so that a slow reader of stdout never slows a probe.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from results.lines import to_lines
from results.record import Confirmation, Reason
from results.verdict import Verdict
from scanner.engine.agreement import confirm
from scanner.engine.memory import MemoryBudget
from scanner.engine.middlebox import MiddleboxWatch
from scanner.engine.observe import lines_of_cached, observe, observe_cached, silence, written_as
from scanner.engine.watched import Watched
from scanner.mongo.opening import OPENING_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.journal import JournalWriter
    from results.record import Observation
    from scanner.clock import Clock
    from scanner.contact import Token
    from scanner.engine.conversation import Answered, Conversation
    from scanner.engine.failure import FirstFailure
    from scanner.engine.observe import RunContext
    from scanner.engine.response_cache import ResponseCache
    from scanner.engine.written import Written
    from scanner.network.driver.driver import SecondOpinion
    from targets.scope import Target

    Settle = Callable[[Token, str], None]
    Again = Callable[[Token], bool]
    SettleAll = Callable[[list[Token], Counter[str]], None]

MAX_ASKING = 1000  # open servers waiting for a second opinion; beyond it nothing new is started
_OPEN = frozenset(verdict for verdict in Verdict if verdict.is_open)
_DOUBTED = _OPEN | {Verdict.AUTH_REQUIRED, Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED, Verdict.UNKNOWN}
MOST_BYTES = 1024 * 1024  # of lines that wait for the end of a turn; beyond it they are written at once


class Recorder:
    """From what was said to a line of the journal. `settle` is called exactly once for each `record`.

    `doubting`: the second opinion is also asked for where a login is demanded, or nobody knows.
    """

    def __init__(
        self,
        journal: JournalWriter,
        context: RunContext,
        clock: Clock,
        cache: ResponseCache,
        *,
        everything: bool,
        opinions: SecondOpinion | None,
        doubting: bool = False,
        found: Callable[[Observation], None],
        failure: FirstFailure,
        wants_found: Callable[[], bool] = lambda: True,
        memory: MemoryBudget | None = None,
        watched: frozenset[Target] = frozenset(),
    ) -> None:
        self.middleboxes = MiddleboxWatch()
        self.open_found = 0
        self.agreed: Counter[bool | None] = Counter()  # second opinions; None: the driver has none
        self.not_understood = 0  # servers that stayed unknown because an answer did not come in time
        self._journal = journal
        self._context = context
        self._clock = clock
        self._cache = cache
        self.everything = everything
        self._opinions = opinions
        self._second_opinion_on = _DOUBTED if doubting else _OPEN
        self._found = found
        self._failure = failure
        self._wants_found = wants_found
        self._memory = memory or MemoryBudget()
        self.watched = Watched(watched)
        self._lines: list[bytes] = []  # not yet written, and whose outcomes wait for that
        self._bytes = 0  # of these lines that were made one by one
        self._outcomes: list[tuple[Settle, Token, str]] = []
        self._batches: list[tuple[SettleAll, list[Token], Counter[str]]] = []
        self._to_show: list[Observation] = []
        self._held: dict[Token, Written] = {}  # of servers that are asked once more
        self._asking: set[asyncio.Task[None]] = set()

    def record(self, target: Target, token: Token, talk: Conversation, settle: Settle, again: Again) -> None:
        """A server answered. `settle(token, verdict)` when its line is written (or held to be needless). What
        one said that was not understood is held instead where `again(token)` says that it is asked once more,
        until `record` or `record_held` is called for it."""
        self._held.pop(token, None)
        wall, cached = self._clock.wall(), talk.cached
        if talk.written is not None:
            written = talk.written
        elif cached is not None:
            written = written_as(talk, observe_cached(self._context, target, talk, cached, wall))
        else:
            observation = observe(self._context, target, talk, wall)
            written = written_as(talk, observation)
            if written.verdict is not Verdict.UNKNOWN:
                self._remember(target, talk, observation)
        if written.verdict is Verdict.UNKNOWN:
            if self.middleboxes.worth_asking_again(target) and again(token):
                self._held[token] = written
                return
            self.not_understood += written.late
        if self._opinions is not None and written.verdict in self._second_opinion_on:
            task = asyncio.get_running_loop().create_task(
                self._confirmed(self._opinions, target, token, written, settle, talk.weight)
            )
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            return
        self._write(target, token, written, settle, known=talk.is_plain)

    def record_cached(self, batch: list[Answered], settle: SettleAll) -> list[Answered]:
        """What `record` does, for servers whose answer or its kind is known, and all of a turn at once;
        `settle(tokens, verdicts)` when their lines are written. Returns those that are for `record`. When it
        raises, nothing was recorded."""
        brief = batch
        rest: list[Answered] = []
        if self._opinions is not None or self._wants_found():
            brief = []
            for answered in batch:
                (rest if _verdict(answered) in self._second_opinion_on else brief).append(answered)
        wall = self._clock.wall()
        cached = [answered for answered in brief if answered[2].own is None]
        made = lines_of_cached(self._context, cached, wall)
        if None in made:
            rest += [answered for answered, line in zip(cached, made, strict=True) if line is None]
            without = set(map(id, rest))
            brief = [answered for answered in brief if id(answered) not in without]
        lines = list(filter(None, made))
        for target, _, talk in brief:
            if talk.own is not None:
                lines += to_lines(observe(self._context, target, talk, wall), read_before=talk.is_plain)
        self._lines += lines
        self.middleboxes.note_many(target for target, _, _ in brief)
        self.watched.speak(target for target, _, _ in brief)
        outcomes: Counter[str] = Counter(map(_verdict, brief))
        self.open_found += sum(outcomes[verdict] for verdict in _OPEN)
        self._batches.append((settle, [token for _, token, _ in brief], outcomes))
        return rest

    def flush(self) -> None:
        """Write what was recorded since the last call, in one go, and settle it. Called once a turn."""
        if not (self._outcomes or self._batches):
            return
        lines, self._lines, self._bytes = self._lines, [], 0
        batches, self._batches = self._batches, []
        outcomes, self._outcomes = self._outcomes, []
        shown, self._to_show = self._to_show, []
        try:
            if lines:
                self._journal.append_many(lines)
        except Exception as error:  # noqa: BLE001 - nothing may be lost in silence: the sweep ends with it
            self._failure.report(error)
            return
        for settle_all, tokens, verdicts in batches:
            settle_all(tokens, verdicts)
        for settle, token, verdict in outcomes:
            settle(token, verdict)
        for observation in shown:
            self._found(observation)

    def _remember(self, target: Target, talk: Conversation, observation: Observation) -> None:
        """Where the first answer said it all, the next server with the same answer is known by it."""
        if talk.fingerprint is None:
            return
        dialogue = talk.dialogue
        if dialogue.messages_sent == OPENING_MESSAGES and dialogue.plan is None:
            self._cache.remember(target.is_loopback, talk.fingerprint, observation)

    async def _confirmed(
        self,
        opinions: SecondOpinion,
        target: Target,
        token: Token,
        written: Written,
        settle: Settle,
        weight: int,
    ) -> None:
        """Ask the official driver too. Both opinions stand in the record; neither is picked. What waits for
        an opinion weighs as its conversation did."""
        self._memory.add(weight)
        try:
            await self._ask_driver(opinions, target, token, written, settle)
        finally:
            self._memory.add(-weight)

    async def _ask_driver(
        self, opinions: SecondOpinion, target: Target, token: Token, written: Written, settle: Settle
    ) -> None:
        tls, by_message = written.spoken
        try:
            opinion = await opinions.ask(target, tls=tls, by_message=by_message)
        except asyncio.CancelledError:
            self._write(target, token, written, settle)  # what was seen is kept without the opinion
            self.flush()
            raise
        except Exception as error:  # noqa: BLE001 - nothing may be lost in silence: the sweep ends with it
            self._write(target, token, written, settle)
            self.flush()
            self._failure.report(error)
            return
        observation = written.whole
        databases = observation.exposure.databases if observation.exposure else []
        confirmation = confirm(
            observation.verdict,
            [database.name for database in databases],
            opinion,
            complete=observation.exposure is None or observation.exposure.database_count == len(databases),
            server=observation.server,
        )
        self.agreed[confirmation.agrees] += 1
        self._write(target, token, written.amended(_with(observation, confirmation)), settle)
        self.flush()

    def _write(
        self, target: Target, token: Token, written: Written, settle: Settle, *, known: bool = False
    ) -> None:
        wanted = self.middleboxes.note(target, written.said)
        try:
            if self.watched.targets and target in self.watched:
                wanted = True
                self.watched.note(target, written.whole if written.said else None)
            if wanted or self.everything:
                lines = written.to_lines(read_before=known)
                self._lines += lines
                self._bytes += sum(map(len, lines))
        except Exception as error:  # noqa: BLE001 - nothing may be lost in silence: the sweep ends with it
            self._failure.report(error)
            return
        self._outcomes.append((settle, token, written.verdict))
        if written.verdict in _OPEN:
            self.open_found += 1
            if self._wants_found():
                self._to_show.append(written.observation)
        if self._bytes >= MOST_BYTES:
            self.flush()

    def record_held(self, target: Target, token: Token, settle: Settle) -> None:
        """A server that was not understood is not asked any more: what it said before counts."""
        written = self._held.pop(token)
        self.not_understood += written.late
        self._write(target, token, written, settle)

    def holds(self, token: Token) -> bool:
        """Whether `record_held` has something to write."""
        return token in self._held

    def record_silence(self, target: Target, outcome: Verdict, detail: str) -> None:
        """A target did not accept a connection; a line only when every outcome is wanted, or this one's."""
        watched = bool(self.watched.targets) and target in self.watched
        if not (watched or self.everything):
            return
        seen = silence(self._context, target, outcome, detail, self._clock.wall())
        if watched:
            self.watched.note(target, seen)
        self._append(to_lines(seen))

    def _append(self, lines: list[bytes]) -> None:
        try:
            self._journal.append_many(lines)
        except Exception as error:  # noqa: BLE001 - as above
            self._failure.report(error)

    @property
    def full(self) -> bool:
        """Whether nothing new may begin: too many wait for a second opinion, or too much memory is held."""
        return len(self._asking) >= MAX_ASKING or self._memory.full

    async def finish(self, patience: float) -> None:
        """Wait for second opinions under way, at most `patience` seconds; then drop them. At last write once
        more what watched targets said whose prefix turned out to be masked."""
        if self._asking:
            await asyncio.wait(list(self._asking), timeout=patience)
        for task in list(self._asking):
            task.cancel()
        await asyncio.gather(*list(self._asking), return_exceptions=True)
        masked = list(self.watched.masked(self.middleboxes))
        if masked and self._failure.error is None:
            self._append([line for seen in masked for line in to_lines(seen)])


def _verdict(answered: Answered) -> Verdict:
    """What is known of one before its record is made."""
    talk = answered[2]
    if talk.own is not None:
        return talk.own.kind.verdict
    assert talk.cached is not None
    return talk.cached.verdict


def _with(observation: Observation, confirmation: Confirmation) -> Observation:
    evidence = list(observation.evidence)
    if confirmation.agrees is False:
        evidence.append(Reason(code="driver-disagrees", detail=confirmation.detail))
    if confirmation.verdict == "open" and not observation.verdict.is_open:
        evidence.append(Reason(code="driver-says-open"))
    return msgspec.structs.replace(observation, confirmation=confirmation, evidence=evidence)
