"""The shards that are under way: what is given to a carrier, and what comes of each attempt.

Nothing is believed of an attempt but by proof: a shard counts when its end came with everything it wrote.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from ipaddress import ip_address
from typing import TYPE_CHECKING

from results.covered import Covered
from results.text import visible
from scanner import __version__
from scanner.clock import timestamp
from scanner.engine.observe import owner_by
from scanner.fleet.gathering import Gathering, StrayLineError
from scanner.fleet.messages import Began, Ended, Going, Lines, Refused, Shard, Told
from scanner.fleet.tally import MOST_TEXT, imbalance
from scanner.mongo.tables import digest_of_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from results.covered import Row
    from results.record import Observation
    from scanner.fleet.carrier import Failed
    from scanner.fleet.gathering import Written
    from scanner.fleet.keeping import FleetInputs, FleetLog, FleetRun
    from scanner.fleet.messages import Message
    from scanner.fleet.tally import Running, Tally, Work

# Codes of refusals by the worker's own fault: another one of its site may do the shard.
UNFIT = frozenset({"version", "site", "vantage", "settings", "clock"})
STOPPED_TIMES = 20  # attempts that were stopped, lost or found busy; one more counts as a failure
MOST_HOST = 200  # characters of what a worker calls its machine
BUSY_WAIT = 5.0  # seconds until a shard is given again that another process of its worker still has


class Attempts:
    """Every shard between its being given and its end. `written`: what the journal has of open shards from
    earlier starts; `say` tells a person."""

    def __init__(
        self,
        given: FleetInputs,
        run: FleetRun,
        tallies: Mapping[str, Tally],
        *,
        written: dict[str, dict[str, Written]],
        log: FleetLog,
        say: Callable[[str], None],
    ) -> None:
        self.given = given
        self.run = run
        self.carrier = given.carrier
        self.tallies = tallies
        self.log = log
        self._say = say
        self._tables = digest_of_all()
        self._now: Callable[[], float] = given.clock.monotonic
        manifest = run.directory.manifest
        self.run_id, self._vantage = manifest.run_id, manifest.vantage
        self.changed = True  # since somebody set it to false, a shard has come to an end, good or bad
        # Sites whose workers will take no shard as they are: since when (monotonic clock), and why.
        self.refusing: dict[str, tuple[float, str]] = {}
        self.ended_by = defaultdict[str, Counter[str]](Counter)  # shards by site and worker, since this start
        self._written = written
        places = ((ip_address(ip), ip, port) for ip, port in given.options.watched)
        self._places = sorted((at.version, int(at), ip, port) for at, ip, port in places)
        self._whose: dict[str, Tally] = {}  # the shards that were given and have no end, by name
        self._gathered: dict[str, Gathering] = {}

    def give(self, tally: Tally, now: float) -> bool:
        """Give the next shard of a site to the carrier; False when there is none now."""
        work = tally.next(now)
        if work is None:
            return False
        work = tally.begin(work, now)
        name, sweep = tally.name(work), self.given.settings.sweep
        rows = list(tally.division.rows(work.first, work.last))
        self._whose[name] = tally
        if name not in self._gathered:
            self._gathered[name] = self._gathering(name, Covered(rows))
        shard = Shard(
            run_id=self.run_id,
            site=tally.site,
            name=name,
            first=work.first,
            last=work.last,
            attempt=work.attempt,
            targets=work.last - work.first,
            rows=[str(row) for row in rows],
            seed=self.run.seed,
            version=__version__,
            sent_at=timestamp(self.given.clock.wall()),
            vantage=self._vantage,
            depth=self.given.options.depth,
            everything=self.given.options.everything,
            confirm=self.given.options.confirm,
            connect_timeout=sweep.connect_timeout,
            reply_timeout=sweep.reply_timeout,
            host_timeout=sweep.host_timeout,
            rate=sweep.rate,
            watched=self._watched(rows),
        )
        self.carrier.give(shard)
        return True

    def _watched(self, rows: list[Row]) -> list[tuple[str, int]]:
        """Places of these rows of which a line is wanted."""
        found = []
        for row in rows:
            for number in range(bisect_left(self._places, (row.version, row.first)), len(self._places)):
                version, address, ip, port = self._places[number]
                if version != row.version or address > row.last:
                    break
                if port in row.ports:
                    found.append((ip, port))
        return found

    def _gathering(self, name: str, covered: Covered) -> Gathering:
        scope = self.given.scope
        gathering = Gathering(
            self.run_id,
            self._vantage,
            covered,
            owner_of=lambda version, address: owner_by(scope.owner_of(address, version)),
            append=self.run.journal.append_many,
            found=self._found,
        )
        gathering.written.update(self._written.pop(name, {}))
        return gathering

    def withdraw_all(self) -> None:
        """Stop everything that is under way; it is to be asked again."""
        for tally in self.tallies.values():
            self.withdraw(tally)

    def withdraw(self, tally: Tally) -> None:
        """The same of one site."""
        for name, running in list(tally.running.items()):
            self.carrier.withdraw(name, running.work.attempt)
            self.put_back(name)

    def came_to_nothing(self, failed: Failed) -> None:
        """A carrier says so."""
        if self._running(failed.name, failed.attempt) is None:
            return
        if failed.worker or failed.attempt > STOPPED_TIMES:
            self._fail(failed.name, failed.worker, failed.why)
        else:  # the way to it was lost, which says nothing of the shard
            self.log.note("put back", shard=failed.name, attempt=failed.attempt, why=failed.why)
            self.put_back(failed.name)

    def break_off(self, name: str, why: str) -> None:
        """Take a shard from its worker, which counts as a failure of it."""
        running = self._whose[name].running[name]
        self.carrier.withdraw(name, running.work.attempt)
        self._fail(name, running.worker, why)

    def hear(self, worker: str, message: Message) -> None:
        """A site says something of an attempt; what is over, or of another run, is passed over."""
        running = self._running(message.name, message.attempt)
        if running is None or message.run_id != self.run_id:
            return  # of an attempt that is over, or of a run that is
        name = message.name
        running.heard = self._now()
        if isinstance(message, Began):
            self._start(running, worker, message)
        elif isinstance(message, Lines):
            try:
                self._gathered[name].take(worker, message)
            except StrayLineError as error:
                self.carrier.withdraw(name, message.attempt)
                self._fail(name, worker, str(error))
        elif isinstance(message, Going) and worker == running.worker:
            running.asked, running.done, running.answered = message.asked, message.done, message.answered
            running.open, running.in_flight, running.rate = message.open, message.in_flight, message.rate
            running.slowed_by, running.paused_by = message.slowed_by, message.paused_by
        elif isinstance(message, Told):
            self._say(f"{worker}: {message.text}")
        elif isinstance(message, Ended):
            self._end(worker, running, message)
        elif isinstance(message, Refused):
            self._refused(worker, message)

    def _start(self, running: Running, worker: str, began: Began) -> None:
        running.worker = worker
        self.refusing.pop(self._whose[began.name].site, None)
        running.asked = running.done = running.answered = running.open = running.in_flight = 0
        if not self._gathered[began.name].begin(began.attempt, worker):
            self.break_off(began.name, "it was begun again and again")
            return
        host, digest = visible(began.host, MOST_HOST), visible(began.scope_sha256, 64)
        facts = {"shard": began.name, "attempt": began.attempt, "worker": worker, "host": host}
        counts = {"site": visible(began.site, 64), "targets": began.targets, "refused": began.refused}
        tables = visible(began.tables_sha256, 64)
        self.log.note(
            "began", **facts, **counts, resumed=began.resumed, scope_sha256=digest, tables_sha256=tables
        )
        if tables not in ("", self._tables):
            self._say(f"{worker} judges by other tables than this machine; see `mongosweep data` on both")

    def _end(self, worker: str, running: Running, ended: Ended) -> None:
        name, tally = ended.name, self._whose[ended.name]
        gathering, work = self._gathered[name], running.work
        problem = gathering.prove(worker, ended) or imbalance(ended, work.last - work.first)
        if problem:
            self._fail(name, worker, problem)
            return
        counts = {"open": ended.outcomes.get("open", 0), "not_reached": ended.not_reached}
        facts = {"shard": name, "attempt": ended.attempt, "worker": worker, "state": ended.state}
        self.log.note("ended", **facts, **counts, refused=ended.refused, seconds=ended.seconds)
        if ended.state == "interrupted":
            if work.attempt > STOPPED_TIMES:
                self._fail(name, worker, "it was stopped again and again")
            else:
                self.put_back(name)
            return
        tally.ended(name, ended, gathering.vanished(worker, ended))
        self.ended_by[tally.site][worker] += 1
        self._forget(name)

    def _refused(self, worker: str, refused: Refused) -> None:
        facts = {"shard": refused.name, "attempt": refused.attempt, "worker": worker}
        self.log.note("refused", **facts, code=refused.code, why=visible(refused.why, MOST_TEXT))
        self._say(f"{worker} refused a shard: {refused.why}")
        if refused.code == "busy" and refused.attempt <= STOPPED_TIMES:
            self.put_back(refused.name, later=BUSY_WAIT)
        elif refused.code == "scope":
            self._whose[refused.name].refused(refused.name, refused.why)
            self._forget(refused.name)
        elif refused.code in UNFIT:  # that says nothing of the shard, and the site's next one fares alike
            self.refusing[self._whose[refused.name].site] = self._now(), visible(refused.why, MOST_TEXT)
            self.put_back(refused.name)
        else:
            self._fail(refused.name, worker, refused.why, told=True)

    def _running(self, name: str, attempt: int) -> Running | None:
        tally = self._whose.get(name)
        running = tally.running.get(name) if tally is not None else None
        return running if running is not None and running.work.attempt == attempt else None

    def _fail(self, name: str, worker: str, why: str, *, told: bool = False) -> None:
        tally = self._whose[name]
        running = tally.running[name]
        why = visible(why, MOST_TEXT)
        self.log.note("failed", shard=name, attempt=running.work.attempt, worker=worker, why=why)
        if not told:
            self._say(f"{worker or tally.site}: a shard failed: {why}")
        again = [tally.name(work) for work in self._again(tally, name, why)]
        self.changed = True
        if name not in again:
            self._forget(name)

    def _again(self, tally: Tally, name: str, why: str) -> list[Work]:
        """What of a shard that failed is asked again; each part knows what the journal has of it."""
        before = self._gathered[name].written
        again = tally.failed(name, why, self._now())
        for work in again:
            if tally.name(work) == name:
                continue  # it is still gathered
            covered = Covered(tally.division.rows(work.first, work.last))
            self._written[tally.name(work)] = {
                key: each for key, each in before.items() if covered.contains(each.ip, each.port)
            }
        return again

    def put_back(self, name: str, later: float = 0.0) -> None:
        """A shard is to be asked again, through no fault of its own."""
        self._whose[name].put_back(name, self._now() + later)
        self.changed = True

    def _forget(self, name: str) -> None:
        del self._whose[name], self._gathered[name]
        self.changed = True

    def _found(self, observation: Observation) -> None:
        if self.given.screen.wants_found:
            self.given.screen.found(observation)
