"""Any order of findings, fsyncs, checkpoints, kills, losses of power and resumes keeps three promises.

No acknowledged finding is lost; no checkpoint is ahead of its evidence; planned is the sum of its parts.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from results.files import AlreadyCompleteError
from tests.support.faulty_files import DiedError
from tests.torture.story import Story, World
from tests.torture.trial import Tally, in_memory


class Machine(RuleBasedStateMachine):
    """One run, on a disk that keeps of what was not fsynced whatever chance decides."""

    world: World
    place: Path

    @initialize(seed=st.integers(0, 2**32), everything=st.booleans())
    def begin(self, seed: int, everything: bool) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="machine-", dir=in_memory()))
        self.world = World(self.place, seed, Tally("machine"), everything=everything)
        self.world.begin()

    @property
    def story(self) -> Story:
        assert self.world.story is not None
        return self.world.story

    def alive(self) -> bool:
        return self.world.story is not None

    @precondition(alive)
    @rule(count=st.integers(1, 10))
    def take(self, count: int) -> None:
        self.story.take(count)

    @precondition(alive)
    @rule(count=st.integers(1, 10))
    def outcomes_come_in(self, count: int) -> None:
        self.story.settle(count, self.world.random)

    @precondition(alive)
    @rule()
    def sync(self) -> None:
        self.story.sync()
        self.world.acknowledge()

    @precondition(alive)
    @rule(meanwhile=st.integers(0, 5))
    def checkpoint(self, meanwhile: int) -> None:
        self.story.save(self.world.random, meanwhile)

    @precondition(alive)
    @rule()
    def end(self) -> None:
        whole = self.story.ended
        self.story.end()
        self.world.acknowledge()
        self.world.complete = whole
        self.story.let_go()
        self.world.story = None

    @precondition(alive)
    @rule(power=st.booleans())
    def die(self, power: bool) -> None:
        self.world.die(power=power)

    @precondition(lambda self: not self.alive())
    @rule()
    def power_goes_while_nobody_runs(self) -> None:
        self.world.die(power=True)

    @precondition(lambda self: not self.alive())
    @rule(at=st.integers(0, 60), after=st.booleans())
    def resume(self, at: int, after: bool) -> None:
        """Take the run up again; with `at` the start itself dies at that call, if it makes so many."""
        try:
            self.world.begin(at, after=after)
        except AlreadyCompleteError:
            assert self.world.complete, "it was never told that the run is complete"
        except DiedError:
            self.world.die(power=after)
            return
        if at and self.world.story is not None:
            self.world.die(power=not after)

    @invariant()
    def nothing_is_lost_or_ahead(self) -> None:
        if hasattr(self, "world"):
            assert self.world.tally.sound, self.world.tally.violations

    @invariant()
    def the_accounts_balance(self) -> None:
        if hasattr(self, "world") and self.alive():
            accounts = self.story.accounts
            left = self.story.not_reached()
            assert accounts.planned == accounts.done + accounts.excluded + left

    def teardown(self) -> None:
        if hasattr(self, "world"):
            if self.alive():
                self.story.let_go()
            self.world.medium.close_all()
            shutil.rmtree(self.place)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
