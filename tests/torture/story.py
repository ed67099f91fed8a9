"""The rules of a sweep without its network: real run directory, journal, checkpoint and accounts.

What the engine does is done by hand here: targets are taken, answered and counted in its order. A death
costs milliseconds, so power can be lost thousands of times.
"""

from __future__ import annotations

import shutil
import time
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from results.files import AlreadyCompleteError, ResultsError
from results.verdict import Verdict
from scanner.clock import SystemClock, timestamp
from scanner.engine.accounts import Accounts
from scanner.engine.failure import FirstFailure
from scanner.engine.observe import RunContext, silence
from scanner.engine.order import Order
from scanner.engine.repetition import Repetition
from scanner.engine.sources import WalkSource
from scanner.setup.settings import Settings, SweepOptions
from scanner.sweep.begin import begin
from scanner.sweep.checkpoint import Checkpoint
from scanner.sweep.judgement import RunFacts
from scanner.sweep.persistence import Persistence
from targets.entries import Entry
from targets.scope import Scope, Target
from tests.support.faulty_files import DiedError, DyingFileSystem, PowerLossFileSystem, Wrapping
from tests.support.lines import line_of
from tests.torture.trial import Tally, run_in
from tests.torture.verify import Place, Report, Truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from results.files import FileSystem
    from results.journal import JournalWriter
    from results.run import RunDirectory
    from scanner.engine.sources import Source
    from tests.support.faulty_files import Call

PORTS = [27017, 27018]
ROTATE_BYTES = 3000
WALL = 1_790_000_000.0


@lru_cache(maxsize=1)
def story_scope() -> Scope:
    """Forty targets: enough for many checkpoints, few enough for thousands of runs."""
    return Scope([Entry.of("127.94.0.0-127.94.0.19", owner="web platform", kind="lab")], [], ports=PORTS)


def answers(target: Target) -> bool:
    """Who is open in this world."""
    return target.address % 3 == 0 and target.port == PORTS[0]


def truth(seed: int) -> Truth:
    """What must be found."""
    scope = story_scope()
    targets = [scope.pick(index) for index in range(len(scope))]
    places = {(t.ip, t.port): frozenset({"open" if answers(t) else "refused"}) for t in targets}
    order = Order(len(scope), seed)

    def at(position: int) -> Place | None:
        index = order.at(position)
        return None if index is None else (targets[index].ip, targets[index].port)

    return Truth(places, frozenset((t.ip, t.port) for t in targets if answers(t)), at)


class Stingy(Wrapping):
    """A disk that takes a part of a write now and then, as a full one does."""

    def __init__(self, inner: FileSystem, random: Random) -> None:
        super().__init__(inner)
        self._random = random

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if len(data) > 1 and self._random.random() < 0.1:
            data = bytes(data)[: self._random.randrange(1, len(data))]
        return super().write(descriptor, data)


class Busy(Wrapping):
    """A slow disk: while it empties its cache the loop goes on, which is to say `meanwhile` is called."""

    meanwhile: Callable[[], None] | None = None

    def after(self, call: Call) -> None:
        if self.meanwhile is not None and call.method == "fdatasync":
            self.meanwhile()


class Story:
    """A sweep that somebody moves by hand."""

    def __init__(self, output: Path, fs: FileSystem, seed: int, *, everything: bool = False) -> None:
        run = run_in(output)
        self.options = SweepOptions(
            output=output,
            seed=None if run is not None else seed,
            resume=run.name if run is not None else None,
            everything=everything,
        )
        self.busy, self.scope = Busy(fs), story_scope()
        self.begun = begin(Settings(), self.scope, self.options, SystemClock(), self.busy)
        try:
            self.journal = self.begun.directory.journal()
        except BaseException:
            self.let_go()
            raise
        self.journal._rotate_bytes = ROTATE_BYTES
        order, point = Order(len(self.scope), self.begun.seed), self.begun.checkpoint
        self.accounts = Accounts(planned=order.count())
        self.in_flight: set[int] = set()
        self.source: Source = WalkSource(order, self.scope)
        if point is not None:
            self.accounts.outcomes.update(point.outcomes)
            self.in_flight.update(point.in_flight)
            self.source = WalkSource(order, self.scope, point.after, point.taken)
        self.repetition = Repetition(self.accounts, self.begun.seed, tries=3)
        self.context = RunContext(self.begun.directory.run_id, self.scope)
        self.persistence = Persistence(
            self.begun.directory,
            self.journal,
            self.busy,
            stage=None,
            take=self.point,
            loss=lambda: None,
            withdrawn=list,
            failure=FirstFailure(),
            found=point,
            resumed=point,
        )

    def point(self, sequence: int) -> Checkpoint:
        """See `Parts.checkpoint`."""
        return Checkpoint(
            run_id=self.begun.directory.run_id,
            scope_digest=self.scope.digest,
            settings_digest=self.begun.settings_digest,
            seed=self.begun.seed,
            shard=self.options.shard,
            after=self.source.after,
            in_flight=sorted({*self.in_flight, *self.source.waiting}),
            outcomes=dict(self.accounts.outcomes),
            sequence=sequence,
            repetition=self.repetition.memory(),
        )

    def not_reached(self) -> int:
        """See `Engine.not_reached`."""
        left = self.accounts.planned - self.source.taken
        return self.accounts.not_reached(left + len(self.in_flight))

    @property
    def directory(self) -> RunDirectory:
        """The run's."""
        return self.begun.directory

    @property
    def ended(self) -> bool:
        """Every target has its outcome."""
        return self.source.exhausted and not self.in_flight

    def take(self, count: int) -> None:
        """Connects leave."""
        for _ in range(count):
            taken = self.source.take()
            if taken is None:
                return
            self.in_flight.add(taken[0])

    def settle(self, count: int, random: Random) -> None:
        """Outcomes come in, in any order: the line first, then the count."""
        for token in random.sample(sorted(self.in_flight), min(count, len(self.in_flight))):
            target = self.source.target(token)
            verdict = Verdict.OPEN if answers(target) else Verdict.REFUSED
            if answers(target) or self.options.everything:
                self.journal.append(line_of(silence(self.context, target, verdict, "", WALL)))
            self.in_flight.discard(token)
            self.accounts.outcomes[verdict.value] += 1

    def sync(self) -> None:
        """The journal's fsync; what it acknowledged must never be lost again."""
        self.persistence.write(None)

    def save(self, random: Random, meanwhile: int = 0) -> None:
        """A checkpoint: taken on the loop, made durable by another thread while outcomes come in."""
        point = self.persistence.checkpoint()
        self.busy.meanwhile = lambda: self.settle(meanwhile, random)
        self.persistence.write(point)
        self.busy.meanwhile = None

    def end(self) -> None:
        """Close the accounts, complete or not."""
        facts = RunFacts(not_reached=self.not_reached(), interrupted=True)
        self.persistence.seal(facts, self.accounts, timestamp(WALL))

    def let_go(self) -> None:
        """What the kernel does for a dead process: its locks are free, its files closed."""
        self.directory._lock.release()
        journal: JournalWriter | None = getattr(self, "journal", None)
        if journal is not None:
            journal._release(journal._current)


class World:
    """One run over many lives, and the medium under it; `die` moves to the directory of the next life."""

    def __init__(self, place: Path, seed: int, tally: Tally, *, everything: bool = False) -> None:
        self.random = Random(seed)
        self.tally = tally
        self.seed = seed
        self.everything = everything
        self.truth = truth(seed)
        self.output = place / "0"
        self.output.mkdir(parents=True)
        self.medium = PowerLossFileSystem(self.output)
        self.acknowledged: set[bytes] = set()
        self.complete = False
        self.story: Story | None = None

    def begin(self, at: int = 0, *, after: bool = False) -> Story:
        """A process starts; it dies at call `at`, if not before."""
        fs: FileSystem = Stingy(self.medium, self.random)
        if at:
            fs = DyingFileSystem(at, fs, after=after)
        self.story = Story(self.output, fs, self.seed, everything=self.everything)
        self.tally.add(resumes=self.story.options.resume is not None)
        return self.story

    def acknowledge(self) -> None:
        """The last fsync returned: what was appended by then must be there for ever."""
        run = run_in(self.output)
        if run is not None:
            for path in run.glob("observations-*"):
                lines = path.read_bytes().partition(b"\0")[0].splitlines(keepends=True)
                self.acknowledged.update(line for line in lines if line.endswith(b"\n"))

    def die(self, *, power: bool) -> Report | None:
        """The process ends, with the power or without; then look at what is left."""
        if self.story is not None:
            self.story.let_go()
        self.story = None
        place = self.output.with_name(str(int(self.output.name) + 1))
        if power:
            self.medium.lose_power(place, self.random)
            self.medium = PowerLossFileSystem(place)
            self.medium.adopt()
        else:
            self.medium.keep_power(place)
        self.output = place
        self.tally.add(deaths=1)
        return self.look("loss of power" if power else "kill")

    def look(self, label: str) -> Report | None:
        """What stands there now, against everything that was promised."""
        run = run_in(self.output)
        label = f"{label} {self.output.name} of story {self.seed}"
        if run is None:
            if self.acknowledged:
                self.tally.blame(f"{label}: the run is gone")
            return None
        report = self.tally.examine(run, self.truth, label, ended=self.complete)
        if gone := self.acknowledged - set(report.lines):
            self.tally.blame(f"{label}: {len(gone)} acknowledged lines are gone")
        return report


def live(world: World) -> None:
    """From the first start to the end that survives everything. Stops at the first violation."""
    random = world.random
    for _ in range(60):
        if world.complete or not world.tally.sound:
            break
        try:
            _one_life(world, world.begin(random.randint(1, 110), after=random.random() < 0.5))
        except AlreadyCompleteError:
            world.complete = True
        except ResultsError as error:
            world.tally.blame(f"story {world.seed} is refused: {error}")
        except DiedError:
            pass
        world.die(power=random.random() < 0.6)
    if not world.complete and world.tally.sound:
        _one_life(world, world.begin())
        world.look("the end")


def _one_life(world: World, story: Story) -> None:
    random = world.random
    while not story.ended:
        story.take(random.randint(0, 6))
        story.settle(random.randint(0, 6), random)
        match random.randrange(4):
            case 0:
                story.sync()
                world.acknowledge()
            case 1:
                story.save(random, random.randint(0, 3))
            case 2 if random.random() < 0.05:
                break
    whole = story.ended
    story.end()
    world.acknowledge()
    world.complete = whole


def torture(place: Path, deaths: int, *, first: int = 0) -> Tally:
    """Stories until there were so many deaths, or something was lost."""
    tally = Tally("model of a disk")
    began = time.monotonic()
    seed = first
    while tally.deaths < deaths and tally.sound:
        live(World(place / str(seed), seed, tally, everything=bool(seed % 2)))
        shutil.rmtree(place / str(seed))
        seed += 1
    tally.seconds = time.monotonic() - began
    return tally
