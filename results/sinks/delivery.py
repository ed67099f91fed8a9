"""Delivery to one sink: read, render, send, and keep how far it is, so that each event arrives at least once.

A batch is what is read at once. It is sent in pieces, one at first. A piece that was not taken is tried again
before all others, so that events keep their order. One that has failed `PATIENT` times lets others pass, and
is halved, until the event that cannot be sent stands alone; that one is set aside when others are taken while
it fails. The cursor moves over a batch when each event of it, and of all before it, was taken or set aside,
and what was set aside is on the disk before it moves.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from msgspec.structs import replace

from results.durations import as_text
from results.events.event import EventError
from results.files import ResultsError
from results.formats.format import UnfitError
from results.record import Observation
from results.sinks.batch import DEFAULT_PACE, PATIENT, Batch, Pace, Piece, pieces_of
from results.sinks.sink import Item, StoppedError, TooLargeError, UnavailableError, UnfitEventError, sent
from results.sinks.state import SetAside, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.sinks.sink import Answer, Sink
    from results.sinks.source import EventSource, Read
    from results.sinks.state import SinkFolder, SinkState

TellKind = Literal["failing", "recovered", "set-aside", "stopped", "problem"]

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks for new events."""
LAST_TRY: Final = 3.0
"""Seconds that a receiver which fails is still tried once it is time to end."""
_SPARE: Final = 4  # batches that may be held in memory beside those on their way
_MOST_BATCHES: Final = 1000  # between the cursor and the newest; nearly all of them taken, and so forgotten
_STEPS: Final = 32  # in which the size of a sending grows again, after one that was too large
_OURS: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Patience(NamedTuple):
    """When to end: with `follow` not before `closing` is set, otherwise when nothing was taken for so many
    `seconds`; and so many after `closing` in any case, `LAST_TRY` where the last sending failed. Without
    `follow`, nothing new is read after it."""

    seconds: float
    follow: bool
    closing: asyncio.Event


class Delivery:
    """One sink's. `tell` hears of what happens, by its kind and in words that hold no secret. `state` is what
    is durably kept. Nobody else may have the folder of the sink."""

    def __init__(
        self,
        sink: Sink,
        source: EventSource,
        folder: SinkFolder,
        state: SinkState,
        *,
        tell: Callable[[TellKind, str], None] = lambda kind, text: None,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self.state = state
        self._sink, self._source, self._folder = sink, source, folder
        self._tell, self._pace = tell, pace
        self._most_bytes = sink.limits.bytes
        self._batches: deque[Batch] = deque()  # behind the cursor, in their order
        self._read = 0  # batches
        self._again: list[Piece] = []  # a heap: to be sent before anything else
        self._passed: list[Piece] = []  # that have failed so often that others pass them
        self._passed_last = False  # whether one of these was the last to be sent
        self._sending: dict[asyncio.Task[Answer], Piece] = {}
        self._aside: list[SetAside] = []  # not on the disk yet
        self._keeping: asyncio.Task[None] | None = None
        self._noted = state  # `state` with what was seen of failures since
        self._failures = 0  # in a row, of all sendings
        self._failing = False  # told, and not told that it is over
        self._taken = 0  # sendings
        self._gate = 0.0  # no sending begins before, unless one that is under way is taken
        self._asked_until = 0.0  # nor before this, which the other side asked for
        self._progress_at = 0.0  # when the other side last took something

    async def run(self, patience: Patience) -> bool:
        """Send what there is; True when nothing waits any more. However it ends, what was taken is kept.

        Raises `StoppedError`, and `ResultsError` for our own files.
        """
        self._progress_at = asyncio.get_running_loop().time()
        closing = asyncio.ensure_future(patience.closing.wait())
        try:
            return await self._until_done(patience, closing)
        finally:
            closing.cancel()
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            self._note_what_was_taken()
            await self._all_kept()

    async def _until_done(self, patience: Patience, closing: asyncio.Future[Any]) -> bool:
        loop = asyncio.get_running_loop()
        closed_at = math.inf
        while True:
            now = loop.time()
            if patience.closing.is_set() and closed_at == math.inf:
                closed_at = now
                self._gate = 0.0  # what waits is tried at once, unless the other side asked to wait
                for piece in (*self._again, *self._passed):
                    piece.not_before = 0.0
            quiet = math.inf if patience.follow else self._progress_at
            deadline = min(quiet, closed_at) + patience.seconds
            if self._failures:
                deadline = min(deadline, closed_at + LAST_TRY)
            if now >= deadline:
                return False
            reading = patience.follow or closed_at == math.inf
            wake = self._begin_sendings(now, reading=reading)
            idle = not self._sending and not self._again and not self._passed and wake == math.inf
            self._keep_soon(idle=idle)
            if idle and self._keeping is None:
                if closed_at < math.inf or not patience.follow:
                    return reading
                wake = now + LOOK_INTERVAL
            waits: set[asyncio.Future[Any]] = {*self._sending}
            waits.update([self._keeping] if self._keeping else [], [closing] if closed_at == math.inf else [])
            await _first_of(waits, min(deadline, wake) - now)
            self._note_what_ended(loop.time())

    # --- what is sent next ---------------------------------------------------------------------------

    def _begin_sendings(self, now: float, *, reading: bool) -> float:
        """Begin what may be on its way; returns when to look again, should nothing end before."""
        most = 1 if self._failures else self._sink.limits.in_flight
        while len(self._sending) < most:
            gate = max(self._gate, self._asked_until, self._again[0].not_before if self._again else 0.0)
            if now < gate:
                return gate
            piece = heappop(self._again) if self._again else None
            if piece is None and not self._passed_last:
                piece = self._ready(now)
            if piece is None and self._read_batch(reading, most):
                if self._again:
                    continue
                return now  # all of it was passed over: let others have a turn
            if piece is None:
                piece = self._ready(now)
            if piece is None:
                return min((each.not_before for each in self._passed), default=math.inf)
            task = asyncio.ensure_future(sent(self._sink, piece.items))
            self._sending[task] = piece
        return math.inf

    def _ready(self, now: float) -> Piece | None:
        """One that others passed, when its time has come."""
        for number, piece in enumerate(self._passed):
            if piece.not_before <= now:
                self._passed_last = True
                return self._passed.pop(number)
        return None

    def _read_batch(self, reading: bool, most: int) -> bool:
        """Read a batch into `_again`; False where there is nothing new, or no room for it."""
        held = sum(1 for batch in self._batches if batch.left)
        if not reading or held >= most + _SPARE or len(self._batches) >= _MOST_BATCHES:
            return False
        self._passed_last = False
        reads = self._source.read(self._sink.limits.events, self._most_bytes)
        if not reads:
            return False
        self._read += 1
        batch = Batch(self._read)
        self._batches.append(batch)
        items: list[Item] = []
        lines: list[bytes] = []
        for read in reads:
            batch.last[read.place.run] = read
            if (item := self._item(batch, read)) is not None:
                items.append(item)
                lines.append(read.line)
        batch.left = len(items)
        for piece in pieces_of(batch, items, lines, self._most_bytes):
            heappush(self._again, piece)
        return True

    def _item(self, batch: Batch, read: Read) -> Item | None:
        """What is sent of a line; None where nothing is."""
        event = read.event
        if event is None:
            return None
        if isinstance(event, EventError):
            self._put_aside(batch, read.line, "", str(event))
            return None
        try:
            body = self._sink.render(event, read.line)
        except (UnfitEventError, UnfitError) as error:
            self._put_aside(batch, read.line, event.event_id, str(error))
            return None
        except _OURS as error:  # a defect of ours must not hold up what comes after it
            self._put_aside(batch, read.line, event.event_id, f"a defect of ours: {type(error).__name__}")
            return None
        if body is None:
            batch.passed_over += 1
            return None
        most = self._sink.limits.event_bytes
        if len(body) > most:
            reason = f"it has {len(body):,} bytes, and one event may have {most:,} here"
            self._put_aside(batch, read.line, event.event_id, reason)
            return None
        at = event.observed_at if isinstance(event, Observation) else event.at
        return Item(event.event_id, at, body)

    # --- what became of it ---------------------------------------------------------------------------

    def _note_what_ended(self, now: float) -> None:
        stopped: StoppedError | None = None
        for task in [task for task in self._sending if task.done()]:
            piece = self._sending.pop(task)
            try:
                self._answered(piece, task.result(), now)
            except UnavailableError as error:
                piece.failed(self._taken, str(error), later=error.busy or bool(error.wait))
                self._not_taken(piece, str(error), error.wait, now)
            except TooLargeError as error:
                self._too_large(piece, str(error))
            except StoppedError as error:
                stopped = error
        if self._keeping is not None and self._keeping.done():
            keeping, self._keeping = self._keeping, None
            keeping.result()
        if stopped is not None:
            self._noted = replace(
                self._noted, stopped=str(stopped), last_failure=str(stopped), last_failure_at=_now()
            )
            raise stopped

    def _note_what_was_taken(self) -> None:
        """At the end, of all that was under way."""
        now = asyncio.get_running_loop().time()
        for task, piece in self._sending.items():
            if not task.cancelled() and task.exception() is None:
                self._answered(piece, task.result(), now)
        self._sending.clear()

    def _answered(self, piece: Piece, answer: Answer, now: float) -> None:
        refused = {at: why for at, why in answer.refused.items() if 0 <= at < len(piece.items)}
        again = [at for at in sorted(answer.again) if 0 <= at < len(piece.items) and at not in refused]
        batch = piece.batch
        for at, why in refused.items():
            self._put_aside(batch, piece.lines[at], piece.items[at].event_id, why)
        taken = len(piece.items) - len(refused) - len(again)
        batch.delivered += taken
        batch.left -= taken + len(refused)
        if taken:
            self._noted = replace(self._noted, last_delivered_at=_now(), stopped="")
        if taken or refused:
            most = self._sink.limits.bytes
            self._most_bytes = min(most, self._most_bytes + most // _STEPS)
            self._progress_at = now
            self._taken += bool(taken)
            if self._failures and taken:
                self._let_go_on()
            if self._failing and taken and not again:
                self._failing = False
                self._tell("recovered", "it takes events again")
            self._failures = 0
            self._gate = 0.0
        if not again:
            return
        rest = piece.part(again)
        rest.failures = 1 if taken or refused else piece.failures + 1
        if refused and not answer.wait:  # which may be all that was wrong with it
            rest.failures, rest.not_before = 0, 0.0
            heappush(self._again, rest)
        else:
            self._not_taken(rest, answer.said or "it is to be sent again", answer.wait, now)

    def _let_go_on(self) -> None:
        """It takes events again: what it did not take before has its place back, unless it failed while
        others were taken."""
        for piece in [piece for piece in self._passed if not piece.is_suspect]:
            self._passed.remove(piece)
            piece.failures, piece.not_before = PATIENT - 1, 0.0
            heappush(self._again, piece)

    def _not_taken(self, piece: Piece, reason: str, asked: float | None, now: float) -> None:
        last_failure = self._noted.last_failure if self._failures else ""
        self._noted = replace(
            self._noted,
            attempts_failed=self._noted.attempts_failed + 1,
            last_failure=reason,
            last_failure_at=_now(),
        )
        if piece.is_hopeless:
            why = f"it failed {piece.failures} times while others were taken, at last: {reason}"
            self._put_aside(piece.batch, piece.lines[0], piece.items[0].event_id, why)
            piece.batch.left -= 1
            return
        self._failures += 1
        wait = self._pace.wait(self._failures, asked)
        self._gate = now + wait
        if asked:
            self._asked_until = max(self._asked_until, now + wait)
        if reason != last_failure:
            self._failing = True
            self._tell("failing", f"{reason}; tried again in {max(1, math.ceil(wait))} s")
        for each in piece.suspected():
            if not each.is_passed:
                each.not_before = now + wait
                heappush(self._again, each)
            else:
                each.not_before = now + self._pace.wait(each.failures - PATIENT + 1, asked)
                self._passed.append(each)

    def _too_large(self, piece: Piece, reason: str) -> None:
        if len(piece.items) == 1:
            self._put_aside(piece.batch, piece.lines[0], piece.items[0].event_id, reason)
            piece.batch.left -= 1
            return
        size = sum(len(item.body) for item in piece.items)
        self._most_bytes = min(self._most_bytes, max(1, size // 2))
        for half in piece.halves():
            heappush(self._again, half)

    def _put_aside(self, batch: Batch, line: bytes, event_id: str, reason: str) -> None:
        batch.set_aside += 1
        self._aside.append(set_aside(line, at=_now(), event_id=event_id, reason=reason))
        self._tell("set-aside", f"{event_id or 'a line'}: {reason}")

    # --- what is kept --------------------------------------------------------------------------------

    def _keep_soon(self, *, idle: bool) -> None:
        """Begin to keep what is new, unless that goes on already: then the next time has all of it."""
        if self._keeping is None and (self._aside or self._is_new(idle=idle)):
            self._keeping = asyncio.ensure_future(self._keep())

    def _is_new(self, *, idle: bool) -> bool:
        if (self._batches and not self._batches[0].left) or self._noted != self.state:
            return True
        return idle and self._source.behind(self.state.cursor, {}) != self.state.cursor

    async def _keep(self) -> None:
        aside, self._aside = self._aside, []
        state = self._noted
        last: dict[str, Read] = {}
        while self._batches and not self._batches[0].left:
            batch = self._batches.popleft()
            last.update(batch.last)
            state = replace(
                state,
                delivered=state.delivered + batch.delivered,
                passed_over=state.passed_over + batch.passed_over,
                set_aside=state.set_aside + batch.set_aside,
            )
        state = replace(state, cursor=self._source.behind(state.cursor, last))
        self._noted = state
        try:
            await asyncio.to_thread(self._write, aside, state)
        except ResultsError:
            self._aside[:0] = aside
            raise
        self.state = state

    def _write(self, aside: list[SetAside], state: SinkState) -> None:
        if aside:
            self._folder.append(aside)
        self._source.make_durable()
        self._folder.save(state)

    async def _all_kept(self) -> None:
        """Keep all that is to be kept, now."""
        while self._keeping is not None or self._aside or self._is_new(idle=True):
            self._keep_soon(idle=True)
            keeping, self._keeping = self._keeping, None
            assert keeping is not None
            await keeping


async def _first_of(waits: set[asyncio.Future[Any]], seconds: float) -> None:
    timeout = None if seconds == math.inf else max(0.0, seconds)
    if waits:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(timeout or 0.0)


def _now() -> str:
    return as_text(datetime.now(UTC))
