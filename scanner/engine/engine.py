"""The crank: a source hands out a target, the pace lets it go, its outcome is counted.

Everything happens in callbacks of one event loop. A token is `in flight` from the moment it is taken from the
source until its outcome is in the journal, so a checkpoint is this set and the source's position.
"""

from __future__ import annotations

import heapq
import traceback
from collections import Counter
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from results.verdict import Verdict
from scanner.contact import LocalFault
from scanner.engine.accounts import AccountsError
from scanner.engine.congestion import Signals
from scanner.engine.pace import LOST_AFTER, MAX_BURST
from targets.scope import OutOfScope

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from scanner.engine.accounts import Coverage
    from scanner.engine.loss import SecondLook
    from scanner.engine.pace import Pace, PrefixCaps
    from scanner.engine.probe import Conversation
    from scanner.engine.roles import Answered, Held, Journalist
    from scanner.engine.sources import Source
    from scanner.network.connect.base import Connector
    from scanner.network.guard import Door
    from targets.scope import Target

_FIRST: Callable[[tuple[int, Target]], int] = itemgetter(0)
PUMP_INTERVAL = 0.005  # seconds between looks at the bucket when nothing else happens
MAX_ASKING = 1000  # open servers waiting for a second opinion; beyond it nothing new is started
MAX_DEFERRED = 8192  # positions held back by their prefix's cap; beyond it the order waits
MAX_HELD = 262_144  # the same for blackout windows: each costs memory, and a place in every checkpoint
HELD_AT_ONCE = 4096  # so many are put aside in one turn, so that signals and deadlines do not wait
FAULT_DELAY = 1.0  # seconds until a target that this machine could not ask is tried again
FAULT_TRIES = 8  # such faults in a row after which one target is given up, and not reached
FAULT_PATIENCE = 60.0  # seconds of nothing but local faults after which the sweep gives up


class Engine:
    """Drives one sweep. Create, set `connector`, call `start`, await `finished`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: Source,
        door: Door,
        pace: Pace,
        caps: PrefixCaps,
        coverage: Coverage,
        journalist: Journalist,
        *,
        half_open_limit: int,
        again: tuple[int, ...] = (),
        held: Held | None = None,
        second_look: SecondLook | None = None,
    ) -> None:
        self.connector: Connector
        self.coverage = coverage
        self.pace = pace
        self.in_flight: set[int] = set(again)
        self.source = source
        self.started_connects = 0
        self.answered_count = 0
        self.stop_reason = ""
        self.abandoned = False  # the connector is closed: nobody can be asked any more
        self.pauses: set[str] = set()  # why nothing new is sent; empty = go
        self.finished: asyncio.Future[None] = loop.create_future()
        self.side_tokens: dict[Any, Callable[[Any], None]] = {}
        self.given_up: set[int] = set()  # in flight for ever: this machine failed to ask them; a resume may
        self.bugs: Counter[str] = Counter()  # failures of our own code that ended one probe
        self._loop = loop
        self.door = door
        self._caps = caps
        self._journalist = journalist
        self._half_open_limit = half_open_limit
        self._held = held
        self._second_look = second_look
        self._signals = Signals(pace, caps, second_look)
        self._faults_of: dict[int, int] = {}
        self._deferred: list[tuple[float, int]] = [(0.0, position) for position in again]
        self._blacked_out: list[int] = []
        self._twins: list[Answered] = []  # answered in this turn as others had before them
        self._timer: asyncio.TimerHandle | None = None
        self._fault_since = 0.0

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
        if self._twins:
            self._answered_twins()
        self._journalist.flush()
        if self.finished.done():
            return
        now = self._loop.time()
        if self.pace.review(now):
            self._caps.review()
        if not self.pauses and not self.stop_reason:
            self._launch(now)
        if self.stop_reason:
            if not self.connector.busy:
                self._finish()
        elif self.source.exhausted and len(self.in_flight) == len(self.given_up) and not self._look_again():
            self._finish()

    def _launch(self, now: float) -> None:
        """Start what may start now, in one burst."""
        connector = self.connector
        room = min(connector.free, self._half_open_limit - connector.half_open, MAX_BURST)
        if self._journalist.asking >= MAX_ASKING:
            return
        if room > 0:
            room = min(room, self.pace.bucket.available(now))
        batch = self._gather(now, room) if room > 0 else []
        if not batch:
            return
        outside = connector.connect_many(batch, self.door.fence())
        if outside:
            self.coverage.excluded += len(outside)
            self.in_flight.difference_update(outside)
        started = len(batch) - len(outside)
        self.pace.bucket.take(started)
        self.started_connects += started

    def _gather(self, now: float, room: int) -> list[tuple[int, Target]]:
        """At most `room` tokens that may go now, with their targets."""
        deferred = self._deferred
        waiting = bool(deferred) and (deferred[0][0] <= now or len(deferred) >= MAX_DEFERRED)
        held = self._held is not None and self._held.holding
        if not (waiting or held or self._caps.can_bind(self.pace.ceiling)):
            batch = self.source.take_many(room)
            self.in_flight.update(map(_FIRST, batch))
            return batch
        batch = []
        while len(batch) < room and (ready := self._next(now)) is not None:
            batch.append(ready)
        return batch

    def _look_again(self) -> bool:
        """Ask some silent targets once more; False when there are none to ask."""
        if self._second_look is None or self.source.cut_short:
            return False
        tokens = self._second_look.next_round()
        if not tokens:
            return False
        self.coverage.outcomes[Verdict.FILTERED] -= len(tokens)
        controls = self._second_look.next_controls()
        if controls:
            self.coverage.outcomes[Verdict.REFUSED] -= len(controls)
            tokens += controls
        self.in_flight.update(tokens)
        for token in tokens:
            heapq.heappush(self._deferred, (0.0, token))
        return True

    @property
    def slowed_by(self) -> str:
        """Why the sweep is slower than its rate, in a few words."""
        return self.pace.note or self._caps.note

    @property
    def halvings(self) -> int:
        """How often the pace was halved, for the whole sweep or for one prefix."""
        return self.pace.halvings + self._caps.halvings

    def _next(self, now: float) -> tuple[int, Target] | None:
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
            if self._held is not None and self._held.holds(version, address):
                self._blacked_out.append(token)
                patience -= 1
                continue
            delay = self._caps.delay(self._caps.key(version, address), now)
            if not delay:
                return token, target
            # A delay below the clock's resolution would be due at once, and be asked about for ever.
            heapq.heappush(deferred, (now + max(delay, PUMP_INTERVAL), token))
        return None

    def release_blackouts(self) -> None:
        """The windows have changed: look again at everything that was held back."""
        held, self._blacked_out = self._blacked_out, []
        for position in held:
            heapq.heappush(self._deferred, (0.0, position))

    @property
    def held_back(self) -> int:
        """Targets waiting for the end of a blackout window."""
        return len(self._blacked_out)

    def ask(self, target: Target, token: object, answer: Callable[[Any], None]) -> None:
        """Probe one more target beside the order (a canary): `answer` gets the conversation, a Verdict or
        a LocalFault. Raises OutOfScope."""
        self.side_tokens[token] = answer
        try:
            self.connector.connect(target, token)
        except OutOfScope:
            del self.side_tokens[token]
            raise

    def stop(self, reason: str) -> None:
        """No new connect from now on; conversations under way are let finish within their deadlines."""
        if not self.stop_reason:
            self.stop_reason = reason

    def abandon(self) -> None:
        """Drop conversations under way: their positions stay in flight and are not reached."""
        self.stop("abandoned")
        if self._twins:
            self._answered_twins()
        self._journalist.flush()
        self.abandoned = True
        self.connector.close()
        for token in list(self.side_tokens):
            self._side(token, LocalFault.OTHER)  # nobody will answer them any more
        self._finish()

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.finished.done():
            self.finished.set_result(None)

    def not_reached(self) -> int:
        """Planned targets without an outcome; also proves that the accounts balance."""
        left = self.coverage.planned - self.source.taken
        if left < 0 or (left and self.source.exhausted and not self.source.cut_short):
            raise AccountsError(f"{self.source.taken} of {self.coverage.planned} planned targets were taken")
        return self.coverage.not_reached(left + len(self.in_flight))

    # --- outcomes (see probe.Outcomes) -----------------------------------------------------------

    def answered(self, target: Target, token: Any, talk: Conversation) -> None:
        """The target accepted a connection."""
        if talk.twin is not None:
            self._twins.append((target, token, talk))  # with all others of this turn
            return
        self._fault_since = 0.0
        self._signals.answered(talk)
        if token.__class__ is not int:
            self._side(token, talk)
            return
        self.answered_count += 1
        lost = talk.fell_silent or talk.connect_seconds > LOST_AFTER
        self._signals.heard(target, token, lost, refused=False)
        self._record(target, token, talk)

    def _record(self, target: Target, token: int, talk: Conversation) -> None:
        try:
            self._journalist.record(target, token, talk, self._settle)
        except Exception as error:  # noqa: BLE001 - a bug met on one target must not stop the others
            self.broke(target, token, error)

    def _answered_twins(self) -> None:
        """What `answered` does, for servers like ones before them."""
        batch, self._twins = self._twins, []
        self._fault_since = 0.0
        self.answered_count += len(batch)
        self._signals.answered_many([token for _, token, _ in batch], batch)
        with suppress(Exception):  # then each by itself, so that a bug stops one alone
            batch = self._journalist.record_twins(batch, self._settle_all)
        for answered in batch:
            self._record(*answered)

    def _settle(self, token: int, outcome: str) -> None:
        if self._faults_of:
            self._faults_of.pop(token, None)
        self.in_flight.discard(token)
        self.coverage.outcomes[outcome] += 1

    def _settle_all(self, tokens: Sequence[int], outcomes: Counter[str]) -> None:
        if self._faults_of:
            for token in self._faults_of.keys() & tokens:
                del self._faults_of[token]
        self.in_flight.difference_update(tokens)
        self.coverage.outcomes.update(outcomes)

    def refused(self, batch: list[tuple[Any, Target, float]]) -> None:
        """Nobody listens there: what `unanswered` does, for many."""
        if self.side_tokens or self._journalist.everything:
            for token, target, waited in batch:
                self._unanswered(target, token, Verdict.REFUSED, "", waited)
            return
        self._fault_since = 0.0
        tokens = [token for token, _, _ in batch]
        targets = [target for _, target, _ in batch]
        self._signals.refused_many(tokens, targets, [waited for _, _, waited in batch])
        self._settle_all(tokens, Counter({Verdict.REFUSED: len(tokens)}))

    def unanswered(self, target: Target, token: Any, outcome: Verdict, detail: str) -> None:
        """The target never accepted a connection."""
        self._unanswered(target, token, outcome, detail, self.connector.waited)

    def _unanswered(self, target: Target, token: Any, outcome: Verdict, detail: str, waited: float) -> None:
        if token.__class__ is not int:
            self._side(token, outcome)
            return
        self._fault_since = 0.0
        look = self._second_look
        if look is not None and outcome is not Verdict.REFUSED and look.fell_silent(token):
            self._settle(token, Verdict.REFUSED)  # as it was known to be
            return
        try:
            self._journalist.record_silence(target, outcome, detail)
        except Exception as error:  # noqa: BLE001 - as in answered
            self.broke(target, token, error)
            return
        self._signals.unanswered(target, token, outcome, waited)
        self._settle(token, outcome)

    def broke(self, target: Target, token: Any, error: Exception) -> None:
        """Our own code failed: never an outcome. The target is asked once more, then given up."""
        where = traceback.extract_tb(error.__traceback__)[-1:]
        place = f" at {where[0].name}:{where[0].lineno}" if where else ""
        self.bugs[f"{type(error).__name__}{place}"] += 1
        if token.__class__ is not int:
            self._side(token, LocalFault.OTHER)
        elif token in self.in_flight:
            self._again_later(token, FAULT_TRIES - 1)

    def _again_later(self, token: int, cost: int = 1) -> None:
        """Back to the queue, unless this target has met too many faults in a row."""
        tries = self._faults_of[token] = self._faults_of.get(token, 0) + cost
        if tries >= FAULT_TRIES:
            self.given_up.add(token)
        else:
            heapq.heappush(self._deferred, (self._loop.time() + FAULT_DELAY, token))

    def untried(self, target: Target, token: Any, fault: LocalFault, detail: str) -> None:
        """This machine could not ask: the position goes back to the queue, and the fault is counted."""
        self.coverage.faults[f"{fault.value}: {detail}"] += 1
        if token.__class__ is not int:
            self._side(token, fault)
            return
        now = self._loop.time()
        if not self.door.permits(target):
            self.coverage.excluded += 1
            self.in_flight.discard(token)
            return
        if fault is LocalFault.FORBIDDEN:
            self.stop(f"this machine refused a connect to an address in scope ({detail})")
        elif fault is LocalFault.MEMORY:
            self.pace.stress.local_drops += 1
        if not self._fault_since:
            self._fault_since = now
        elif now - self._fault_since > FAULT_PATIENCE:
            self.stop(f"nothing but faults of this machine for {FAULT_PATIENCE:.0f} s ({detail})")
        self._again_later(token, fault in (LocalFault.NETWORK, LocalFault.OTHER))

    def _side(self, token: Any, result: Any) -> None:
        answer = self.side_tokens.pop(token, None)
        if answer is not None:
            answer(result)
