"""The engine: the queue hands out a target, the pace lets it go, its outcome is counted.

Theory of operation. Everything happens in callbacks of one event loop, and nobody waits: no task, future or
timer belongs to a target. A turn (`pump`) follows each batch of network events and, when nothing happens, a
timer of 5 ms. It writes down what the turn brought, in one go, then starts as many connects as the rate, the
caps of prefixes, the free slots and the limit of half-open connects allow, in one burst:

    source -> launch queue -> connector -> probe -> on_answer, on_refused, ... -> recorder -> settled

* A target is a token, an integer; see `scanner.contact.Token`. It is `in flight` from the moment it is taken
  from the source until its outcome is in the journal, so a checkpoint is this set and the source's position.
  Each token is settled exactly once. `not_reached` proves it: the accounts of outcomes and the engine's own
  books are kept apart, and must agree.
* Three ways lead to an outcome. Refused targets come in batches and stay tokens. Servers whose first answer
  is in the response cache are recorded together at the end of the turn. All others are recorded one by one.
* A fault of this machine or of our own code is never an outcome (`retries`). The first failure of storage or
  of a chore stops the engine in its next turn (`failure`).
* The end: the source is exhausted and nothing is in flight. Then whoever accepted and was not understood gets
  a second, patient conversation, and the rounds of `repetition` follow until that wants nobody asked again.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from results.summary import AccountingError
from results.verdict import Verdict
from scanner.contact import LOST_AFTER, LocalFault, is_canary, is_witness
from scanner.engine import retries
from scanner.engine.congestion import CongestionFeedback
from scanner.engine.launch_queue import LaunchQueue
from scanner.engine.pace import MAX_BURST
from targets.scope import OutOfScope

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from scanner.contact import Token
    from scanner.engine.accounts import Accounts
    from scanner.engine.conversation import Answered, Conversation
    from scanner.engine.failure import FirstFailure
    from scanner.engine.pace import Pace, PrefixCaps
    from scanner.engine.recorder import Recorder
    from scanner.engine.repetition import Repetition
    from scanner.engine.sources import Source
    from scanner.network.connect.base import Connector
    from scanner.network.guard import ScopeGuard
    from scanner.setup.blackout import ActiveBlackouts
    from targets.scope import Target

    Heard = Conversation | Verdict | LocalFault  # of a canary

PUMP_INTERVAL = 0.005  # seconds between looks at the bucket when nothing else happens
MAX_PATIENT = 16_384  # servers waiting for a second conversation: what each said is kept meanwhile
CONVERSATIONS = 3  # with a server that is not understood where packets are lost; one fewer elsewhere
PATIENCE = 3.0  # by so much the wait for an answer is longer then, within the host's time


class Engine:
    """Drives one sweep: create, call `start`, await `finished`.

    `make_connector` is called once, with the engine, whose `Outcomes` a probe tells and whose `pump` the
    connector calls after each turn.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: Source,
        guard: ScopeGuard,
        *,
        pace: Pace,
        caps: PrefixCaps,
        accounts: Accounts,
        recorder: Recorder,
        make_connector: Callable[[Engine], Connector],
        failure: FirstFailure,
        blackouts: ActiveBlackouts,
        pause_reasons: set[str],
        half_open_limit: int,
        repetition: Repetition,
        again: Sequence[Token] = (),
    ) -> None:
        self.accounts = accounts
        self.pace = pace
        self.source = source
        self.queue = LaunchQueue(source, caps, blackouts, again, repetition.take)
        self.started_connects = 0
        self.answered_count = 0
        self.stop_reason = ""
        self.abandoned = False  # the connector is closed: nobody can be asked any more
        self.pause_reasons = pause_reasons  # why nothing new is sent; empty = go
        self.finished: asyncio.Future[None] = loop.create_future()
        self._canaries: dict[Token, Callable[[Heard], None]] = {}  # asked, and who wants to know
        self._canaries_asked = 0
        self.retries = retries.Retries()
        self._loop = loop
        self.guard = guard
        self.caps = caps
        self._recorder = recorder
        self._failure = failure
        self._half_open_limit = half_open_limit
        self.repetition = repetition
        self._feedback = CongestionFeedback(pace, caps, repetition)
        self._patient: list[Token] = []  # in flight: accepted, and were not understood
        self._asked_patiently: Counter[Token] = Counter()  # those that were asked once more, and how often
        self._from_cache: list[Answered] = []  # answered in this turn as others had before them
        self._timer: asyncio.TimerHandle | None = None
        self._began = loop.time()
        self._first_asking = 0.0  # seconds that it took
        self.connector = make_connector(self)
        self._timeouts = self.connector.timeouts

    # --- turning -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to turn."""
        self._began = self._loop.time()
        self._on_timer()

    def _on_timer(self) -> None:
        if not self.finished.done():
            self._timer = self._loop.call_later(PUMP_INTERVAL, self._on_timer)
            self.pump()

    def pump(self) -> None:
        """Settle what the turn brought; start as many connects as rate, caps, slots and limits allow now."""
        if self._from_cache:
            self._answered_from_cache()
        self._recorder.flush()
        if self.finished.done():
            return
        if self._failure.error is not None:
            self.stop(f"failed: {self._failure.error}")
        now = self._loop.time()
        if self.pace.review(now, self.connector.late_seconds):
            self.caps.review()
        if not self.pause_reasons and not self.stop_reason:
            self._launch(now)
        if self.stop_reason:
            if not self.connector.busy:
                self._finish()
        elif (
            self.source.exhausted
            and len(self.queue.in_flight) == len(self.retries.given_up) + len(self._patient)
            and not self._goes_on(now)
        ):
            self._finish()

    def _launch(self, now: float) -> None:
        """Start what may start now, in one burst."""
        connector = self.connector
        room = min(connector.free, self._half_open_limit - connector.half_open, MAX_BURST)
        if self._recorder.full or connector.behind:
            return
        if room > 0:
            room = min(room, self.pace.bucket.available(now))
        batch = self.queue.gather(now, room, self.pace.ceiling) if room > 0 else []
        if not batch:
            return
        outside = connector.connect_many(batch, self.guard.filter())
        for token in outside:
            if is_witness(token):
                self.repetition.witness_told(token, LocalFault.FORBIDDEN)
            else:
                self._left_the_scope(token)
        started = len(batch) - len(outside)
        self.pace.bucket.take(started)
        self.started_connects += started

    def _left_the_scope(self, token: Token) -> None:
        before = self.repetition.outcome_before(token)
        if before is not None:  # it was asked while it was in the scope
            self.repetition.not_again(token)
            self._settle(token, before)
            return
        if self._recorder.holds(token):
            self._recorder.record_held(self.source.target(token), token, self._settle)
            return
        self.accounts.excluded += 1
        target = self.source.target(token)
        self.accounts.edges += self.guard.is_edge(target)
        self.accounts.unlisted += self.guard.unlisted(target)
        self.queue.in_flight.discard(token)
        self.repetition.forget(token)

    def _goes_on(self, now: float) -> bool:
        """Everybody has an outcome, or waits for a second conversation: whether anybody is asked again."""
        repetition = self.repetition
        if repetition.more or repetition.witnesses.waiting:
            return True
        if not self.queue.asking_again:
            self.queue.asking_again = True
            self._first_asking = now - self._began
        if self._patient:
            waiting, self._patient = self._patient, []
            self._asked_patiently.update(waiting)
            self._be_patient(connect=1.0)
            for token in waiting:
                self.queue.defer(token)
            return True
        if self.source.cut_short:
            return False
        asking = repetition.next_round(now, self._first_asking, self.pace.ceiling)
        if asking is None:
            return False
        self._be_patient(connect=2.0 if asking.patient else 1.0)
        self.pace.slow_down(asking.slower)
        self.caps.slow_down(asking.slower)
        return True

    def _be_patient(self, connect: float) -> None:
        given = self._timeouts
        self.connector.timeouts = replace(
            given,
            connect=given.connect * connect,
            reply=given.reply * PATIENCE,
        )

    def _second_conversation(self, token: Token) -> bool:
        """A server was not understood: whether it is asked once more, before the end, instead."""
        most = CONVERSATIONS if self.repetition.signs else CONVERSATIONS - 1
        if self._asked_patiently[token] + 1 >= most or len(self._patient) >= MAX_PATIENT or self.stop_reason:
            return False
        self._patient.append(token)
        return True

    def ask_canary(self, target: Target, answer: Callable[[Heard], None]) -> None:
        """Probe one more target beside the order: `answer` gets the conversation, a connection outcome or
        a fault of this machine. Raises OutOfScope."""
        self._canaries_asked += 1
        token = -self._canaries_asked
        self._canaries[token] = answer
        try:
            self.connector.connect(target, token)
        except OutOfScope:
            del self._canaries[token]
            raise

    def stop(self, reason: str) -> None:
        """No new connect from now on; conversations under way are let finish within their deadlines."""
        if not self.stop_reason:
            self.stop_reason = reason

    def abandon(self) -> None:
        """Drop conversations under way: their tokens stay in flight and are not reached."""
        self.stop("abandoned")
        if self._from_cache:
            self._answered_from_cache()
        self._recorder.flush()
        self.abandoned = True
        self.connector.close()
        for token in list(self._canaries):
            self._tell_canary(token, LocalFault.OTHER)  # nobody will answer them any more
        self._finish()

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.finished.done():
            self.finished.set_result(None)

    def not_reached(self) -> int:
        """Planned targets without an outcome; also proves that the accounts balance."""
        left = self.accounts.planned - self.source.taken
        if left < 0 or (left and self.source.exhausted and not self.source.cut_short):
            raise AccountingError(
                f"{self.source.taken} of {self.accounts.planned} planned targets were taken"
            )
        return self.accounts.not_reached(left + len(self.queue.in_flight))

    # --- outcomes (see probe.Outcomes) -----------------------------------------------------------

    def on_answer(self, target: Target, token: Token, talk: Conversation) -> None:
        """The target accepted a connection."""
        if talk.is_known and token not in self._asked_patiently:
            self._from_cache.append((target, token, talk))  # with all others of this turn
            return
        self.retries.worked()
        self._feedback.answered(talk)
        if is_canary(token):
            self._tell_canary(token, talk)
            return
        if token not in self._asked_patiently:  # else it was counted when it was not understood
            self.answered_count += 1
            lost = talk.fell_silent or talk.connect_seconds > LOST_AFTER
            self._feedback.accepted(target, token, lost)
        self._record(target, token, talk)

    def on_witness(self, token: Token) -> None:
        """A witness accepted a connection."""
        self.retries.worked()
        self.repetition.witness_told(token, None)

    def _record(self, target: Target, token: Token, talk: Conversation) -> None:
        try:
            self._recorder.record(target, token, talk, self._settle, self._second_conversation)
        except Exception as error:  # noqa: BLE001 - a bug met on one target must not stop the others
            self.on_bug(target, token, error)

    def _answered_from_cache(self) -> None:
        """What `on_answer` does, for servers like ones before them."""
        batch, self._from_cache = self._from_cache, []
        self.retries.worked()
        self.answered_count += len(batch)
        self._feedback.answered_many([token for _, token, _ in batch], batch)
        with suppress(Exception):  # then each by itself, so that a bug stops one alone
            batch = self._recorder.record_cached(batch, self._settle_all)
        for answered in batch:
            self._record(*answered)

    def _settle(self, token: Token, outcome: str) -> None:
        self.retries.settled(token)
        self.queue.in_flight.discard(token)
        self.accounts.outcomes[outcome] += 1

    def _settle_all(self, tokens: Sequence[Token], outcomes: Counter[str]) -> None:
        self.retries.settled_many(tokens)
        self.queue.in_flight.difference_update(tokens)
        self.accounts.outcomes.update(outcomes)

    def on_refused(self, batch: list[tuple[Token, Target, float]]) -> None:
        """Nobody listens there: what `on_no_connection` does, for many."""
        if self._canaries or self.queue.asking_again or self._recorder.everything:
            for token, target, waited in batch:
                self._unanswered(target, token, Verdict.REFUSED, "", waited)
            return
        self.retries.worked()
        tokens = [token for token, _, _ in batch]
        targets = [target for _, target, _ in batch]
        self._feedback.refused_many(tokens, targets, [waited for _, _, waited in batch])
        self._settle_all(tokens, Counter({Verdict.REFUSED: len(tokens)}))

    def on_no_connection(self, target: Target, token: Token, outcome: Verdict, detail: str) -> None:
        """The target never accepted a connection."""
        self._unanswered(target, token, outcome, detail, self.connector.waited)

    def _unanswered(self, target: Target, token: Token, outcome: Verdict, detail: str, waited: float) -> None:
        if is_canary(token):
            self._tell_canary(token, outcome)
            return
        self.retries.worked()
        if token in self._asked_patiently:
            if not self._second_conversation(token):
                self._recorder.record_held(target, token, self._settle)
            return
        before = self.repetition.outcome_before(token)
        if before is None and self.source.heard(token):
            self.repetition.not_connected(token)  # though it did answer the SYN stage
        told = self._feedback.unanswered(target, token, outcome, waited)
        if told is not before:  # else a line would only repeat what the first asking wrote
            try:
                self._recorder.record_silence(target, told, detail)
            except Exception as error:  # noqa: BLE001 - as in answered
                self.on_bug(target, token, error)
                return
        self._settle(token, told)

    def on_bug(self, target: Target, token: Token, error: Exception) -> None:
        """Our own code failed: never an outcome. The target is asked once more, then given up."""
        self.retries.note_bug(error)
        if is_canary(token):
            self._tell_canary(token, LocalFault.OTHER)
        elif token in self.queue.in_flight:
            self._again_later(token, retries.FAULT_TRIES - 1)

    def _again_later(self, token: Token, cost: int = 1) -> None:
        """Back to the queue, unless this target has met too many faults in a row."""
        if self.retries.again(token, cost):
            self.queue.defer(token, self._loop.time() + retries.FAULT_DELAY)

    def on_local_fault(self, target: Target, token: Token, fault: LocalFault, detail: str) -> None:
        """This machine could not ask: the token goes back to the queue, and the fault is counted."""
        self.accounts.faults[f"{fault.value}: {detail}"] += 1
        if is_canary(token):
            self._tell_canary(token, fault)
            return
        now = self._loop.time()
        if not self.guard.permits(target):
            self._left_the_scope(token)
            return
        if fault is LocalFault.FORBIDDEN:
            self.stop(f"this machine refused a connect to an address in scope ({detail})")
        elif fault is LocalFault.MEMORY:
            self.pace.stress.local_drops += 1
        if self.retries.outlasted(now):
            self.stop(f"nothing but faults of this machine for {retries.FAULT_PATIENCE:.0f} s ({detail})")
        self._again_later(token, fault in (LocalFault.NETWORK, LocalFault.OTHER))

    def _tell_canary(self, token: Token, heard: Heard) -> None:
        if is_witness(token):
            self.repetition.witness_told(token, heard)
            return
        answer = self._canaries.pop(token, None)
        if answer is not None:
            answer(heard)
