"""The engine: a source hands out a target, the pace lets it go, its outcome is counted.

Theory of operation. Everything happens in callbacks of one event loop, and nobody waits: no task, future or
timer belongs to a target. A turn (`pump`) follows each batch of network events and, when nothing happens, a
timer of 5 ms. It writes down what the turn brought, in one go, then starts as many connects as the rate, the
caps of prefixes, the free slots and the limit of half-open connects allow, in one burst:

    source -> in flight -> connector -> probe -> on_answer, on_refused, ... -> recorder -> settled

* A target is a token, an integer; see `scanner.contact.Token`. It is `in flight` from the moment it is taken
  from the source until its outcome is in the journal, so a checkpoint is this set and the source's position.
  Each token is settled exactly once. `not_reached` proves it: the accounts of outcomes and the engine's own
  books are kept apart, and must agree.
* What may not go now is put aside and comes back: `_deferred` (a heap by time) holds what its prefix's cap
  delays, what this machine failed to ask, and what is asked once more; `_blacked_out` what a window covers.
* Three ways lead to an outcome. Refused targets come in batches and stay tokens. Servers whose first answer
  is in the response cache are recorded together at the end of the turn. All others are recorded one by one.
* A fault of this machine or of our own code is never an outcome (`retries`). The first failure of storage or
  of a chore stops the engine in its next turn (`failure`).
* The end: the source is exhausted, nothing is in flight, and the loss estimator wants nobody asked again.
"""

from __future__ import annotations

import heapq
from collections import Counter
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING

from results.summary import AccountingError
from results.verdict import Verdict
from scanner.contact import LocalFault, is_canary
from scanner.engine import retries
from scanner.engine.congestion import CongestionFeedback
from scanner.engine.pace import LOST_AFTER, MAX_BURST
from targets.scope import OutOfScope

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from scanner.contact import Token
    from scanner.engine.accounts import Accounts
    from scanner.engine.failure import FirstFailure
    from scanner.engine.loss import LossEstimator
    from scanner.engine.pace import Pace, PrefixCaps
    from scanner.engine.probe import Answered, Conversation
    from scanner.engine.recorder import Recorder
    from scanner.engine.sources import Source
    from scanner.network.connect.base import Connector
    from scanner.network.guard import ScopeGuard
    from scanner.setup.blackout import ActiveBlackouts
    from targets.scope import Target

    Heard = Conversation | Verdict | LocalFault  # of a canary

_FIRST: Callable[[tuple[Token, Target]], Token] = itemgetter(0)
PUMP_INTERVAL = 0.005  # seconds between looks at the bucket when nothing else happens
MAX_DEFERRED = 8192  # tokens held back by their prefix's cap; beyond it the order waits
MAX_HELD = 262_144  # the same for blackout windows: each costs memory, and a place in every checkpoint
HELD_AT_ONCE = 4096  # so many are put aside in one turn, so that signals and deadlines do not wait


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
        again: Sequence[Token] = (),
        loss: LossEstimator | None = None,
    ) -> None:
        self.accounts = accounts
        self.pace = pace
        self.in_flight: set[Token] = set(again)
        self.source = source
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
        self._blackouts = blackouts
        self._loss = loss
        self._feedback = CongestionFeedback(pace, caps, loss)
        self._deferred: list[tuple[float, Token]] = [(0.0, token) for token in again]
        self._blacked_out: list[Token] = []
        self._from_cache: list[Answered] = []  # answered in this turn as others had before them
        self._timer: asyncio.TimerHandle | None = None
        self.connector = make_connector(self)

    # --- turning -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to turn."""
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
        if self.pace.review(now):
            self.caps.review()
        if not self.pause_reasons and not self.stop_reason:
            self._launch(now)
        if self.stop_reason:
            if not self.connector.busy:
                self._finish()
        elif (
            self.source.exhausted
            and len(self.in_flight) == len(self.retries.given_up)
            and not self._look_again()
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
        batch = self._gather(now, room) if room > 0 else []
        if not batch:
            return
        outside = connector.connect_many(batch, self.guard.filter())
        if outside:
            self.accounts.excluded += len(outside)
            self.accounts.edges += sum(self.guard.is_edge(self.source.target(token)) for token in outside)
            self.in_flight.difference_update(outside)
        started = len(batch) - len(outside)
        self.pace.bucket.take(started)
        self.started_connects += started

    def _gather(self, now: float, room: int) -> list[tuple[Token, Target]]:
        """At most `room` tokens that may go now, with their targets."""
        deferred = self._deferred
        waiting = bool(deferred) and (deferred[0][0] <= now or len(deferred) >= MAX_DEFERRED)
        if not (waiting or self._blackouts or self.caps.can_bind(self.pace.ceiling)):
            batch = self.source.take_many(room)
            self.in_flight.update(map(_FIRST, batch))
            return batch
        batch = []
        while len(batch) < room and (ready := self._next(now)) is not None:
            batch.append(ready)
        return batch

    def _look_again(self) -> bool:
        """Ask some silent targets once more; False when there are none to ask."""
        if self._loss is None or self.source.cut_short:
            return False
        tokens = self._loss.next_round()
        if not tokens:
            return False
        self.accounts.outcomes[Verdict.FILTERED] -= len(tokens)
        controls = self._loss.next_controls()
        if controls:
            self.accounts.outcomes[Verdict.REFUSED] -= len(controls)
            tokens += controls
        self.in_flight.update(tokens)
        for token in tokens:
            heapq.heappush(self._deferred, (0.0, token))
        return True

    def _next(self, now: float) -> tuple[Token, Target] | None:
        """The next token that may go now, with its target; None when there is none."""
        deferred, patience = self._deferred, HELD_AT_ONCE
        while patience:
            if deferred and deferred[0][0] <= now:
                token = heapq.heappop(deferred)[1]
                target = self.source.target(token)
            elif len(deferred) >= MAX_DEFERRED or len(self._blacked_out) >= MAX_HELD:
                return None
            else:
                taken = self.source.take()
                if taken is None:
                    return None
                token, target = taken
                self.in_flight.add(token)
            version, address, _ = target
            if self._blackouts.cover(version, address):
                self._blacked_out.append(token)
                patience -= 1
                continue
            delay = self.caps.delay(self.caps.key(version, address), now)
            if not delay:
                return token, target
            # A delay below the clock's resolution would be due at once, and be asked about for ever.
            heapq.heappush(deferred, (now + max(delay, PUMP_INTERVAL), token))
        return None

    def release_blackouts(self) -> None:
        """The windows have changed: look again at everything that was held back."""
        held, self._blacked_out = self._blacked_out, []
        for token in held:
            heapq.heappush(self._deferred, (0.0, token))

    @property
    def held_back(self) -> int:
        """Targets waiting for the end of a blackout window."""
        return len(self._blacked_out)

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
        return self.accounts.not_reached(left + len(self.in_flight))

    # --- outcomes (see probe.Outcomes) -----------------------------------------------------------

    def on_answer(self, target: Target, token: Token, talk: Conversation) -> None:
        """The target accepted a connection."""
        if talk.cached is not None:
            self._from_cache.append((target, token, talk))  # with all others of this turn
            return
        self.retries.worked()
        self._feedback.answered(talk)
        if is_canary(token):
            self._tell_canary(token, talk)
            return
        self.answered_count += 1
        lost = talk.fell_silent or talk.connect_seconds > LOST_AFTER
        self._feedback.heard(target, token, lost, refused=False)
        self._record(target, token, talk)

    def _record(self, target: Target, token: Token, talk: Conversation) -> None:
        try:
            self._recorder.record(target, token, talk, self._settle)
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
        self.in_flight.discard(token)
        self.accounts.outcomes[outcome] += 1

    def _settle_all(self, tokens: Sequence[Token], outcomes: Counter[str]) -> None:
        self.retries.settled_many(tokens)
        self.in_flight.difference_update(tokens)
        self.accounts.outcomes.update(outcomes)

    def on_refused(self, batch: list[tuple[Token, Target, float]]) -> None:
        """Nobody listens there: what `on_no_connection` does, for many."""
        if self._canaries or self._recorder.everything:
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
        loss = self._loss
        if loss is not None and outcome is not Verdict.REFUSED and loss.fell_silent(token):
            self._settle(token, Verdict.REFUSED)  # as it was known to be
            return
        try:
            self._recorder.record_silence(target, outcome, detail)
        except Exception as error:  # noqa: BLE001 - as in answered
            self.on_bug(target, token, error)
            return
        self._feedback.unanswered(target, token, outcome, waited)
        self._settle(token, outcome)

    def on_bug(self, target: Target, token: Token, error: Exception) -> None:
        """Our own code failed: never an outcome. The target is asked once more, then given up."""
        self.retries.note_bug(error)
        if is_canary(token):
            self._tell_canary(token, LocalFault.OTHER)
        elif token in self.in_flight:
            self._again_later(token, retries.FAULT_TRIES - 1)

    def _again_later(self, token: Token, cost: int = 1) -> None:
        """Back to the queue, unless this target has met too many faults in a row."""
        if self.retries.again(token, cost):
            heapq.heappush(self._deferred, (self._loop.time() + retries.FAULT_DELAY, token))

    def on_local_fault(self, target: Target, token: Token, fault: LocalFault, detail: str) -> None:
        """This machine could not ask: the token goes back to the queue, and the fault is counted."""
        self.accounts.faults[f"{fault.value}: {detail}"] += 1
        if is_canary(token):
            self._tell_canary(token, fault)
            return
        now = self._loop.time()
        if not self.guard.permits(target):
            self.accounts.excluded += 1
            self.in_flight.discard(token)
            return
        if fault is LocalFault.FORBIDDEN:
            self.stop(f"this machine refused a connect to an address in scope ({detail})")
        elif fault is LocalFault.MEMORY:
            self.pace.stress.local_drops += 1
        if self.retries.outlasted(now):
            self.stop(f"nothing but faults of this machine for {retries.FAULT_PATIENCE:.0f} s ({detail})")
        self._again_later(token, fault in (LocalFault.NETWORK, LocalFault.OTHER))

    def _tell_canary(self, token: Token, heard: Heard) -> None:
        answer = self._canaries.pop(token, None)
        if answer is not None:
            answer(heard)
