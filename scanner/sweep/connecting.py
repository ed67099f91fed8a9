"""Makes a sweep's connector: what begins conversations and carries them on, here and in workers."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from scanner.engine.dialogues import dialogue_maker, first_answers
from scanner.engine.memory import BUDGET, MemoryBudget
from scanner.engine.probe import Probe
from scanner.engine.shared_connector import SharedConnector
from scanner.engine.worker_messages import Job, pack
from scanner.engine.workers import WORTH_IT, Workers
from scanner.mongo.tables import given
from scanner.network.connect.base import Timeouts
from scanner.network.connect.choose import make_connector, raise_descriptor_limit
from scanner.network.connect.epoll import EpollConnector
from scanner.setup.processors import worker_count
from scanner.setup.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.clock import Clock
    from scanner.engine.engine import Engine
    from scanner.engine.observe import RunContext
    from scanner.engine.response_cache import ResponseCache
    from scanner.network.connect.base import Connector
    from scanner.network.guard import ScopeGuard
    from scanner.setup.settings import SweepOptions
    from targets.scope import Target


class Connecting:
    """What all conversations of one run have in common, wherever they are."""

    def __init__(
        self,
        settings: Settings,
        options: SweepOptions,
        clock: Clock,
        guard: ScopeGuard,
        *,
        context: RunContext,
        cache: ResponseCache,
        notice: Callable[[str], None],
        watched: frozenset[Target] = frozenset(),
    ) -> None:
        self._settings = settings
        self._options = options
        self._clock = clock
        self._guard = guard
        self._context = context
        self._cache = cache
        self._notice = notice
        self._watched = watched
        self._count = worker_count(options.workers)
        share = BUDGET // (self._count + 1) if self._count > 1 else BUDGET
        self.memory = MemoryBudget(share)  # of this process

    def connector(self, engine: Engine) -> Connector:
        """The engine's: with more than one worker it is shared with them."""
        loop, sweep = asyncio.get_running_loop(), self._settings.sweep
        capacity, note = raise_descriptor_limit(sweep.concurrency)
        if note:
            self._notice(note)
        timeouts = Timeouts(sweep.connect_timeout, sweep.reply_timeout, sweep.host_timeout)
        begin = dialogue_maker(self._settings, self._options, self._clock)
        workers = self._workers(engine) if self._count > 1 else None
        after_turn = engine.pump if workers is None else workers.turn
        cache = None if self._options.purpose else self._cache  # each is asked everything
        kinds = first_answers(self._settings, self._options)
        probe = Probe(engine, begin, loop.time, cache, self.memory, workers, kinds)
        own = make_connector(loop, probe, self._guard.permits, timeouts, capacity, after_turn, self._watched)
        if workers is not None and isinstance(own, EpollConnector):
            return SharedConnector(own, workers)
        return own

    def _workers(self, engine: Engine) -> Workers:
        options = self._options
        return Workers(
            asyncio.get_running_loop(),
            self._count,
            self._job,
            lambda: self._guard.scope,
            engine,
            plans=options.depth != "verdict",
            host_timeout=self._settings.sweep.host_timeout,
            after_turn=engine.pump,
            notice=self._notice,
            wait_for=WORTH_IT if options.workers == "auto" else 0,
            wanted=options.wanted,
        )

    def _job(self) -> Job:
        options = self._options
        settings = Settings(organisation=self._settings.organisation, limits=self._settings.limits)
        return Job(
            parent=os.getpid(),
            loop=options.loop,
            depth=options.depth,
            confirm=options.confirm,
            settings=msgspec.json.encode(settings),
            run_id=self._context.run_id,
            vantage=self._context.vantage,
            scopes=pack(self._context.scope, self._guard.scope),
            began=self._guard.began,
            memory=self.memory.limit,
            tables=given(),
        )
