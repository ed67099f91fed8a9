"""A worker's process: conversations that the main process began, each to its end and to its lines.

Started by `scanner.engine.workers` as `python -P -m scanner.engine.worker`, with a Unix socket as its
standard input. It connects to nobody of its own accord: it goes on with connections that it was handed, and
opens further ones to the same target where the dialogue wants that, each after a look at its own copy of the
guard. It holds no journal, no raw socket and no capability, and ends when its parent does.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from results.lines import to_lines
from scanner.clock import SystemClock
from scanner.contact import Ending, LocalFault
from scanner.engine.dialogues import dialogue_maker, first_answers
from scanner.engine.memory import MemoryBudget
from scanner.engine.observe import RunContext, observe, written_as
from scanner.engine.probe import Probe
from scanner.engine.retries import kind_of
from scanner.engine.worker_messages import (
    BEAT,
    AskAgain,
    Batch,
    Done,
    Extend,
    Handed,
    Job,
    Report,
    Until,
    decode_command,
    decode_job,
    encode,
    unpack,
)
from scanner.mongo.tables import load_tables
from scanner.network.connect.base import NARROWED, Timeouts
from scanner.network.connect.choose import loop_factory
from scanner.network.connect.epoll import EpollConnector
from scanner.network.guard import ScopeGuard
from scanner.network.handover import Handover, first_frame, inherited, received
from scanner.network.syn.privilege import die_with_parent, drop_capabilities
from scanner.setup.settings import Settings, SweepOptions
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from results.verdict import Verdict
    from scanner.contact import Token
    from scanner.engine.conversation import Conversation
    from scanner.network.handover import Frames, Socket
    from targets.scope import Target

MOST_AT_ONCE = 1_000_000  # connections; how many it is handed is its parent's to decide
REPORT_BYTES = 1024 * 1024  # of lines after which a report is sent before the turn is over
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class _Wanted:
    """The parent's word that the sweep is wanted; without it there is nothing to be done here any more."""

    stopped = False  # the parent decides

    until = math.inf  # nothing is handed on before it is told

    def over(self) -> None:
        os._exit(0)  # at once: a turn under way would send still


class Worker:
    """Implements `Outcomes`: what becomes of each target goes up to the parent."""

    def __init__(self, loop: asyncio.AbstractEventLoop, job: Job, sock: Socket, frames: Frames) -> None:
        self._loop = loop
        self._job = job
        self._clock = SystemClock()
        whole, permitted = unpack(job.scopes)
        self._guard = ScopeGuard(permitted, self._clock, began=job.began)
        self._wanted = _Wanted()
        self._guard.while_wanted(self._wanted)
        self._memory = MemoryBudget(job.memory)
        settings = msgspec.json.decode(job.settings, type=Settings)
        self._context = RunContext(job.run_id, whole, job.vantage, settings.severity)
        options = SweepOptions(depth=job.depth, confirm=job.confirm)  # type: ignore[arg-type]  # as the parent had it
        begin = dialogue_maker(settings, options, self._clock)
        kinds = first_answers(settings, options)
        self._probe = Probe(self, begin, loop.time, memory=self._memory, first_answers=kinds)
        self._connector = EpollConnector(
            loop, self._probe, self._guard.permits, Timeouts(), MOST_AT_ONCE, self._turn
        )
        self.over: asyncio.Future[None] = loop.create_future()
        self._done: list[Done] = []
        self._bytes = 0  # of lines in `_done`
        self._queued = 0  # bytes that wait for the parent to read them, as the budget counts them
        self._narrowed = 0
        loop.set_exception_handler(self._unexpected)
        self._parent = Handover(loop, sock, self._command, self._turn, self._orphaned, frames)
        self._beat()

    # --- what the parent says --------------------------------------------------------------------

    def _command(self, content: bytes, descriptors: list[int]) -> None:
        command = decode_command(content)
        match command:
            case Batch():
                self._connector.timeouts = Timeouts(command.connect, command.reply, command.host)
                for handed, descriptor in zip(command.handed, descriptors, strict=True):
                    self._take(handed, descriptor)
            case Extend():
                self._connector.extend(command.seconds)
            case Until():
                self._wanted.until = command.boot
            case AskAgain():
                self._connector.ask_again(command.detail, talking=command.talking)
            case _:
                (scope,) = unpack(command.scope)
                self._guard.narrow(scope)
                self._connector.drop_forbidden()
                self._narrowed = command.number

    def _take(self, handed: Handed, descriptor: int) -> None:
        """Go on with one connection. By how much we are late to take it is not the host's time."""
        version = 6 if ":" in handed.ip else 4
        sock = received(descriptor, version)
        try:
            target = self._guard.scope.target(handed.ip, handed.port, self._guard.now())
        except OutOfScope:
            sock.close()
            self._narrowed_away(handed.token)
            return
        deadline = handed.host_deadline + max(0.0, self._loop.time() - handed.since)
        try:
            link = self._connector.adopt(
                sock, target, handed.token, handed.opened_at, handed.connect_seconds, deadline
            )
        except OSError as error:
            self._done.append(Done(handed.token, LocalFault.DESCRIPTORS, error.strerror or ""))
            return
        try:
            ending = Ending(handed.ending) if handed.ending else None
            self._probe.adopt(link, handed.data, ending)
        except Exception as error:  # noqa: BLE001 - one probe's bug is reported, the others go on
            talk = link.talk
            link.close()
            self._probe.broke(target, handed.token, error, talk)

    def _orphaned(self, why: str) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback raised: a bug, and going on would be a guess. The parent starts another worker."""
        if not self.over.done():
            self.over.set_exception(context.get("exception") or RuntimeError(context["message"]))

    # --- what it says to the parent ----------------------------------------------------------------

    def _beat(self) -> None:
        self._loop.call_later(BEAT, self._beat)
        self._guard.now()
        if self._guard.expired():
            self._connector.drop_forbidden()
        self._report()

    def _turn(self) -> None:
        if self._done:
            self._report()

    def _report(self) -> None:
        done, self._done, self._bytes = self._done, [], 0
        connector = self._connector
        self._parent.put(
            encode(
                Report(connector.half_open, self._memory.full, connector.suspensions, self._narrowed, done)
            )
        )
        self._memory.add(self._parent.queued - self._queued)
        self._queued = self._parent.queued

    def close(self) -> None:
        """Drop everything."""
        self._connector.close()
        self._parent.close()

    # --- outcomes (see probe.Outcomes) -----------------------------------------------------------

    def on_answer(self, target: Target, token: Token, talk: Conversation) -> None:
        """A conversation is over."""
        observation = observe(self._context, target, talk, self._clock.wall())
        made = written_as(talk, observation)
        done = Done(token, fell_silent=talk.fell_silent, weight=talk.weight)
        done.verdict, done.said, done.late = made.verdict.value, made.said, made.late
        done.spoken = made.spoken
        done.lines = to_lines(observation)
        self._bytes += sum(map(len, done.lines))
        self._done.append(done)
        if self._bytes >= REPORT_BYTES:
            self._report()

    def on_local_fault(self, target: Target, token: Token, fault: LocalFault, detail: str) -> None:
        """This machine could not go on asking."""
        if detail == NARROWED:
            self._narrowed_away(token)
            return
        self._done.append(Done(token, fault, detail))

    def _narrowed_away(self, token: Token) -> None:
        """Our guard refused. Its clock may be a moment ahead of the parent's, where a refusal of what its own
        guard permits would end the sweep: so the parent asks again, and its guard decides."""
        self._done.append(Done(token, LocalFault.OTHER, NARROWED))

    def on_bug(self, target: Target, token: Token, error: Exception) -> None:
        """Our own code failed on one target."""
        self._done.append(Done(token, bug=kind_of(error)))

    def on_witness(self, token: Token) -> None:
        """Never called: a witness is not handed on."""
        raise NotImplementedError

    def on_no_connection(self, target: Target, token: Token, outcome: Verdict, detail: str) -> None:
        """Never called: whoever is handed on has accepted a connection."""
        raise NotImplementedError

    def on_refused(self, batch: list[tuple[Token, Target, float]]) -> None:
        """Never called, as above; a connector tells of those without a conversation here."""
        raise NotImplementedError


async def _serve(job: Job, sock: Socket, frames: Frames) -> None:
    worker = Worker(asyncio.get_running_loop(), job, sock, frames)
    gc.freeze()
    try:
        await worker.over
    finally:
        worker.close()


def main() -> int:
    """Work until the parent is gone."""
    for number in _IGNORED:  # the parent decides what a signal means
        signal.signal(number, signal.SIG_IGN)
    sock = inherited()
    content, frames = first_frame(sock)
    job = decode_job(content)
    die_with_parent(job.parent)
    drop_capabilities()
    os.chdir("/")
    load_tables(job.tables)
    with asyncio.Runner(loop_factory=loop_factory(job.loop)) as runner:
        runner.run(_serve(job, sock, frames))
    return 0


if __name__ == "__main__":
    sys.exit(main())
