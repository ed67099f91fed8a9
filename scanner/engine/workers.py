"""The worker processes of a sweep, seen from its main process: what each has in hand, and what becomes of it.

Theory of operation. The main process keeps order, pace, connects, the response cache, the accounts and the
journal. A connection whose first answer is more work than that is handed on, with its socket, and is then a
token in a worker's hand until a report says what came of it. Whatever happens to a worker, its tokens do not
leave with it: they are told as a local fault, and asked again from the start.

* A worker that ends, or says nothing for a while, is killed and another one started, a few times a minute;
  then the sweep goes on without. A target that was in the hand of two such workers is not handed on again.
* A narrowed scope goes to each worker before anything else. One that has not taken it over in half a second,
  and has something in hand, is killed: a process that was stopped could wake with the old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections import Counter, deque
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import LocalFault
from scanner.engine.retries import BugInWorker
from scanner.engine.worker_messages import (
    BEAT,
    AskAgain,
    Batch,
    Command,
    Extend,
    Handed,
    Job,
    Narrow,
    Until,
    decode_report,
    encode,
    pack,
)
from scanner.engine.written import Written
from scanner.mongo.fingerprint import lists_databases
from scanner.network.connect.slot import Slot
from scanner.network.handover import MOST_SOCKETS, Handover, pair
from scanner.program import module, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.contact import Ending, Token
    from scanner.engine.conversation import Conversation
    from scanner.engine.outcomes import Outcomes
    from scanner.engine.worker_messages import Done
    from scanner.network.connect.base import Link
    from scanner.network.connect.epoll import EpollConnector
    from scanner.network.guard import Wanted
    from scanner.network.handover import Socket
    from targets.scope import Scope, Target

WORTH_IT = 64  # conversations that the loop has itself before `auto` starts the workers
START_SECONDS = 30.0  # until a worker's first report
SILENCE = (
    5.0  # seconds without a report after which a worker is frozen; half the host's time where that is more
)
NARROWING = 0.5  # seconds in which a narrowed scope must be taken over
DEATHS = 5  # of workers within `DEATHS_WITHIN` seconds: then the sweep goes on without
DEATHS_WITHIN = 60.0
RESTART = 0.5  # seconds until another one is started
DEATHS_OF_A_TARGET = 2  # workers that ended with it in hand: it is not handed on again
ENDING_SECONDS = 1.0  # for a worker that has nothing in hand to end by itself


class _Process:
    """One worker."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        job: bytes,
        report: Callable[[_Process, bytes], None],
        turn: Callable[[], None],
        ended: Callable[[_Process, str], None],
    ) -> None:
        ours, theirs = pair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                module(f"{__package__}.worker"),
                env=without_secrets(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal is for us
            )
        self.in_hand: dict[Token, tuple[Slot, Conversation]] = {}
        self.batch: list[Handed] = []  # of this turn
        self.sockets: list[Socket] = []
        self.ready = False
        self.half_open = self.suspensions = 0
        self.full = False
        self.looks = 0  # at a worker that has said nothing since
        self.narrowed = self.told = 0  # numbers of scopes: taken over, sent
        self.told_at = 0.0
        self.pipe = Handover(
            loop, ours, lambda content, _: report(self, content), turn, lambda why: ended(self, why)
        )
        self.pipe.put(job)

    def tell(self, command: Command) -> None:
        self.pipe.put(encode(command))

    def renew(self, wanted: Wanted | None) -> None:
        if wanted is not None and self.ready:  # until then it reads its job alone
            self.tell(Until(wanted.until))

    def kill(self) -> None:
        """End it at once; what it had sent is still there to be read."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


class Workers:
    """`count` processes; `job(permitted)` is made anew for each start. `use` introduces the connector.

    `plans`: whether more is asked of a server that lists its databases, which is what is worth handing on.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        count: int,
        job: Callable[[], Job],
        scope: Callable[[], Scope],
        outcomes: Outcomes,
        *,
        plans: bool,
        host_timeout: float,
        after_turn: Callable[[], None],
        notice: Callable[[str], None],
        wait_for: int = 0,
        wanted: Wanted | None = None,
    ) -> None:
        self._loop = loop
        self._count = count
        self._job = job
        self._scope = scope
        self._outcomes = outcomes
        self._plans = plans
        self._silence = max(SILENCE, host_timeout / 2)
        self._after_turn = after_turn
        self._notice = notice
        self._wait_for = wait_for  # conversations until the processes are started
        self._wanted = wanted
        self._connector: EpollConnector | None = None
        self._workers: list[_Process] = []
        self._narrowings = 0
        self._sent: Scope | None = None  # the scope that the workers were last told
        self._deaths: deque[float] = deque()
        self._died_with: Counter[Token] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._all_ready = asyncio.Event()
        self.handed = 0  # conversations that were handed on
        self.died = self.suspensions = 0  # workers, and how often those that are gone were stopped

    def use(self, connector: EpollConnector) -> None:
        """Whose connections are handed on."""
        self._connector = connector
        if not self._wait_for:
            self._start_all()

    @property
    def in_hand(self) -> int:
        """Conversations that the workers have now."""
        return sum(len(worker.in_hand) for worker in self._workers)

    @property
    def half_open(self) -> int:
        """Connects of theirs that nobody has answered yet, by their last reports."""
        return sum(worker.half_open for worker in self._workers)

    @property
    def full(self) -> bool:
        """Whether nothing new should begin for them."""
        return bool(self._workers) and all(worker.full for worker in self._workers)

    @property
    def stopped(self) -> int:
        """How often one of them was found to have been stopped."""
        return self.suspensions + sum(worker.suspensions for worker in self._workers)

    @property
    def processes(self) -> list[int]:
        """The ids of those that are ready."""
        return [worker.process.pid for worker in self._workers if worker.ready]

    # --- starting and ending -----------------------------------------------------------------------

    async def started(self) -> None:
        """Wait until they are ready, if they were to be started at once; at most as long as one may take."""
        if self._timer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_ready.wait(), START_SECONDS)

    def _start_all(self) -> None:
        if self._timer is None and not self._closed:
            for _ in range(self._count):
                self._start()
            self._timer = self._loop.call_later(BEAT, self._look)

    def _start(self) -> None:
        if self._closed or len(self._workers) >= self._count:
            return
        job = encode(self._job())
        try:
            worker = _Process(self._loop, job, self._report, self._after_turn, self._lost)
        except OSError as error:
            self._notice(f"no worker process could be started: {error}")
            self._all_ready.set()
            return
        worker.told = worker.narrowed = self._narrowings
        self._workers.append(worker)

    def _lost(self, worker: _Process, why: str) -> None:
        """A worker is gone, or must go: what it had in hand is asked again, what it had sent still counts."""
        if worker not in self._workers:
            return
        worker.kill()
        worker.pipe.drain()
        self._workers.remove(worker)
        worker.pipe.close()
        self.died += 1
        self.suspensions += worker.suspensions
        for token, (slot, _) in worker.in_hand.items():
            self._died_with[token] += 1
            self._take_back(slot)
            self._outcomes.on_local_fault(slot.target, token, LocalFault.OTHER, why)
        now = self._loop.time()
        self._deaths.append(now)
        while self._deaths[0] < now - DEATHS_WITHIN:
            self._deaths.popleft()
        if len(self._deaths) > DEATHS:
            self._all_ready.set()  # nobody need wait for it
            if not self._workers:
                self._notice(f"{why}, again and again: the sweep goes on in one process")
            return
        self._loop.call_later(RESTART, self._start)

    def _look(self) -> None:
        """Four times a second. Time is counted in looks, so that no stop of our own process counts."""
        self._timer = self._loop.call_later(BEAT, self._look)
        now = self._loop.time()
        for worker in list(self._workers):
            worker.renew(self._wanted)
            worker.looks += 1
            silent = worker.looks * BEAT
            if silent > (self._silence if worker.ready else START_SECONDS):
                self._lost(worker, "a worker process said nothing any more")
            elif worker.in_hand and worker.told > worker.narrowed and now - worker.told_at > NARROWING:
                self._lost(worker, "a worker process did not take over the narrowed scope in time")

    def close(self) -> None:
        """End them all; whatever they have in hand is dropped."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            if not worker.in_hand:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.process.wait(ENDING_SECONDS)
            worker.kill()
        self._workers.clear()

    # --- handing on ----------------------------------------------------------------------------------

    def worth(self, data: bytes) -> bool:
        """Whether much more will be asked after this first answer, so that none before it can be like it."""
        return self._plans and lists_databases(data)

    def take(self, link: Link, talk: Conversation, data: bytes, ending: Ending | None) -> bool:
        """Whether a worker goes on with this connection, which is lent to it until then."""
        if self._wait_for:
            self._wait_for -= 1
            if not self._wait_for:
                self._start_all()
            return False
        worker = min(
            (each for each in self._workers if each.ready), key=lambda each: len(each.in_hand), default=None
        )
        token = link.token
        if (
            worker is None
            or self._connector is None
            or not isinstance(link, Slot)
            or link.out
            or self._died_with[token] >= DEATHS_OF_A_TARGET
        ):
            return False
        target = link.target
        worker.batch.append(
            Handed(
                target.ip,
                target.port,
                token,
                link.opened_at,
                link.connect_seconds,
                link.host_deadline,
                self._loop.time(),
                data,
                ending.value if ending is not None else "",
            )
        )
        worker.sockets.append(link.sock)
        worker.in_hand[token] = link, talk
        self._connector.lend(link)
        self.handed += 1
        if len(worker.batch) == MOST_SOCKETS:
            self._send(worker)
        return True

    def turn(self) -> None:
        """After each turn of our own connector."""
        self.flush()
        self._after_turn()

    def flush(self) -> None:
        """Send what this turn handed on."""
        for worker in self._workers:
            if worker.batch:
                self._send(worker)

    def _send(self, worker: _Process) -> None:
        assert self._connector is not None
        timeouts = self._connector.timeouts
        batch, worker.batch = worker.batch, []
        sockets, worker.sockets = worker.sockets, []
        content = encode(Batch(timeouts.connect, timeouts.reply, timeouts.host, batch))
        worker.pipe.put(content, sockets)

    # --- what is done to all that is under way -------------------------------------------------------

    def extend(self, seconds: float) -> None:
        """See `Connector.extend`."""
        self.flush()
        for worker in self._workers:
            worker.tell(Extend(seconds))

    def ask_again(self, detail: str, *, talking: bool) -> None:
        """See `Connector.ask_again`."""
        self.flush()
        for worker in self._workers:
            worker.tell(AskAgain(detail, talking))

    def narrow(self) -> None:
        """The scope may have become smaller: each worker is told. What expired it sees by itself."""
        scope = self._scope()
        if scope is self._sent or not self._workers:
            return
        self._sent = scope
        self._narrowings += 1
        command = Narrow(self._narrowings, pack(scope))
        for worker in self._workers:
            worker.told, worker.told_at = self._narrowings, self._loop.time()
            worker.tell(command)

    # --- what they say -------------------------------------------------------------------------------

    def _report(self, worker: _Process, content: bytes) -> None:
        report = decode_report(content)
        worker.looks = 0
        if not worker.ready:
            worker.ready = True
            worker.renew(self._wanted)
            if len(self.processes) == self._count:
                self._all_ready.set()
        worker.half_open, worker.full = report.half_open, report.full
        worker.suspensions, worker.narrowed = report.suspensions, report.narrowed or worker.narrowed
        for done in report.done:
            known = worker.in_hand.pop(done.token, None)
            if known is not None:
                slot, talk = known
                self._take_back(slot)
                self._tell(slot.target, talk, done)

    def _take_back(self, slot: Slot) -> None:
        if self._connector is not None:
            self._connector.take_back(slot)

    def _tell(self, target: Target, talk: Conversation, done: Done) -> None:
        if done.fault:
            self._outcomes.on_local_fault(target, done.token, LocalFault(done.fault), done.detail)
        elif done.bug:
            self._outcomes.on_bug(target, done.token, BugInWorker(done.bug))
        else:
            self._died_with.pop(done.token, None)
            talk.fell_silent, talk.weight = done.fell_silent, done.weight
            verdict = Verdict(done.verdict)
            talk.written = Written(verdict, done.said, done.late, done.spoken, lines=done.lines)
            self._outcomes.on_answer(target, done.token, talk)
