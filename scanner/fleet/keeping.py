"""The run of a fleet on disk: an ordinary run directory, whose checkpoint says which shards are open."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from results.covered import encode as encode_covered
from results.journal import Position
from results.lines import from_line
from results.progress import write_progress
from results.reading import read_lines, segment_number, segments_in
from results.record import Observation
from results.run import RunDirectory, load_manifest
from scanner.clock import timestamp
from scanner.fleet.gathering import Written
from scanner.fleet.tally import Point
from scanner.sweep.begin import directory_of, make_manifest, new_run_id, newest_checkpoint, seed_of, start_now
from scanner.sweep.beside import why_not
from scanner.sweep.checkpoint import decode_as, encode
from scanner.sweep.persistence import CHECKPOINT_EVERY, SYNC_INTERVAL
from scanner.sweep.withdrawal import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.files import FileSystem
    from results.journal import JournalWriter
    from results.progress import Progress
    from scanner.clock import Clock
    from scanner.fleet.carrier import Carrier
    from scanner.fleet.parts import OpenShards
    from scanner.setup.settings import Settings, SweepOptions
    from scanner.sweep.progress import Screen
    from targets.scope import Scope

FORMAT = "mongosweep.fleet-checkpoint/1"
LOG_FILE = "fleet.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetInputs:
    """What a fleet's sweep is given. `from_site`: the site whose workers ask everything; "" for each its
    own."""

    settings: Settings
    scope: Scope
    options: SweepOptions
    screen: Screen
    carrier: Carrier
    from_site: str = ""
    clock: Clock
    fs: FileSystem


class FleetCheckpoint(Struct, frozen=True, kw_only=True):
    """Where a fleet's run stands: a position and a small set for each site. `size`: targets of a shard."""

    format: str = FORMAT
    run_id: str
    scope_digest: str
    seed: int
    size: int
    sites: list[Point]
    elapsed: float
    journal: Position | None = None
    sequence: int = 0

    def encode(self) -> bytes:
        """As every checkpoint is written."""
        return encode(self)


def decode(data: bytes) -> FleetCheckpoint:
    """The checkpoint in a file's bytes. Raises ValueError when they are not whole, or of another kind."""
    return decode_as(FleetCheckpoint, FORMAT, data)


@dataclass(frozen=True, slots=True)
class FleetRun:
    """A run directory that is ours, and where a resumed run goes on."""

    directory: RunDirectory
    journal: JournalWriter
    seed: int
    size: int
    checkpoint: FleetCheckpoint | None


def begin_run(
    settings: Settings,
    scope: Scope,
    options: SweepOptions,
    clock: Clock,
    fs: FileSystem,
    *,
    size: int,
    how: dict[str, Any],
) -> FleetRun:
    """Make a new run, or take up `options.resume`. `how`: what the division rests on besides the scope, which
    a resumed run may not change. Raises what `results.run` raises; nothing is sent here."""
    beside = why_not(scope.ranges(), options.purpose, settings.sweep)
    if options.resume is None:
        seed = seed_of(scope, options)
        manifest = make_manifest(new_run_id(clock), seed, settings, scope, options, clock)
        manifest.configuration["fleet"] = {**how, "shard_targets": size}
        manifest.covered, covered = encode_covered(rows_of(scope))
        directory = RunDirectory.create(
            options.output, manifest.run_id, manifest, fs, covered=covered, why_not=beside
        )
        return FleetRun(directory, directory.journal(), seed, size, None)
    path = directory_of(options.resume, options)
    old, _ = load_manifest(path)
    before = old.configuration.get("fleet")
    was = before.get("shard_targets") if isinstance(before, dict) else None
    if isinstance(was, int) and was >= 1:  # what is edited is found by the chain
        size = int(was)  # the rate may change between two starts, the division may not
    expect = make_manifest(old.run_id, old.seed, settings, scope, options, clock)
    expect.vantage = settings.sweep.vantage or old.vantage
    expect.configuration["fleet"] = {**how, "shard_targets": size}
    start = start_now(clock)
    directory = RunDirectory.open(path, start, fs, expect=expect, why_not=beside)
    try:
        return FleetRun(directory, directory.journal(), old.seed, size, _believable(directory, scope, size))
    except BaseException:
        directory.close()
        raise


def _believable(directory: RunDirectory, scope: Scope, size: int) -> FleetCheckpoint | None:
    """The newest checkpoint that this run wrote over evidence that is there; None: every shard again."""

    def parse(data: bytes) -> FleetCheckpoint:
        found = decode(data)
        if (found.run_id, found.scope_digest) != (directory.run_id, scope.digest):
            raise ValueError("a checkpoint of another run")
        if found.size != size:
            raise ValueError("a checkpoint of another division into shards")
        if found.journal is not None and not found.journal.holds(directory.path):
            raise ValueError("it is ahead of the journal")
        if not directory.vouches_for(data):
            raise ValueError("it is not what this run wrote")
        return found

    return newest_checkpoint(directory, parse)


def written_before(run: FleetRun, shards: OpenShards) -> dict[str, dict[str, Written]]:
    """What the journal of earlier starts has of shards that are still open: by shard, by event id. A shard
    that was begun after the checkpoint has its lines behind the place that the checkpoint rests on."""
    found: dict[str, dict[str, Written]] = {}
    directory, checkpoint = run.directory, run.checkpoint
    if len(directory.manifest.starts) < 2:
        return found
    rests_on = checkpoint.journal if checkpoint is not None else None
    known = (segment_number(rests_on.segment) or 0, rests_on.bytes) if rests_on is not None else (0, 0)
    shard = ""
    for segment in segments_in(directory.path):
        at = 0
        for raw in read_lines(segment):
            later = (segment_number(segment.name) or 0, at) >= known
            at += len(raw)
            record = from_line(raw)
            if isinstance(record, Observation):
                ip, port = record.target.ip, record.target.port
                shard = shards.name_of(ip, port, later=later)
                if shard:
                    lines = (record.exposure.database_lines or 0) if record.exposure is not None else 0
                    written = Written(ip, port, record.verdict, lines)
                    found.setdefault(shard, {})[record.event_id] = written
            elif shard and (seen := found[shard].get(record.event_id)) is not None:
                found[shard][record.event_id] = seen._replace(missing=max(0, seen.missing - 1))
    return found


class Keeper:
    """Keeps the run durable: the journal's fsync each second, checkpoints that cover only what is written,
    and how far it is. On one thread of its own, so that a slow disk keeps nobody waiting."""

    def __init__(self, run: FleetRun, take: Callable[[int], FleetCheckpoint]) -> None:
        """`take` makes a checkpoint of this moment, with the number that it is given; called on the loop."""
        self._run = run
        self._take = take
        self._sequence = run.checkpoint.sequence if run.checkpoint is not None else 0
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._disk.submit(lambda: None)  # the thread is there before memory may run out

    async def keep(self) -> None:
        """Until cancelled. Raises StorageError."""
        rounds = 0
        while True:
            await asyncio.sleep(SYNC_INTERVAL)
            rounds += 1
            await self.write(with_checkpoint=rounds % CHECKPOINT_EVERY == 0)

    async def write(self, *, with_checkpoint: bool) -> None:
        """Make all that is in the journal now durable, then a checkpoint of it. Raises StorageError."""
        checkpoint = None
        if with_checkpoint:
            self._sequence += 1
            checkpoint = self._take(self._sequence)
        await asyncio.wrap_future(self._disk.submit(self._write, checkpoint))

    def _write(self, checkpoint: FleetCheckpoint | None) -> None:
        self._run.journal.sync()
        self._run.directory.check_in_place()
        if checkpoint is not None:
            written = msgspec.structs.replace(checkpoint, journal=self._run.journal.position)
            self._run.directory.write_checkpoint(written.encode())

    async def note_progress(self, progress: Progress) -> None:
        """Write down how far the run is, when the disk's thread comes to it."""
        path = self._run.directory.path
        await asyncio.wrap_future(self._disk.submit(write_progress, path, progress))

    def close(self) -> None:
        """End the thread, after what it has to write."""
        self._disk.shutdown()


class FleetLog:
    """`fleet.jsonl` of the run directory: which worker did which attempt, and how that ended, a line each.

    Nothing rests on it, so what the disk says to it does not concern the run.
    """

    def __init__(self, directory: RunDirectory, clock: Clock) -> None:
        self._clock = clock
        self._descriptor: int | None = None
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(directory.path / LOG_FILE, flags, 0o600)

    def note(self, what: str, **facts: object) -> None:
        """Append a line."""
        if self._descriptor is not None:
            line = {"at": timestamp(self._clock.wall()), "event": what, **facts}
            with suppress(OSError):
                os.write(self._descriptor, json.dumps(line, ensure_ascii=True).encode() + b"\n")

    def close(self) -> None:
        """No more lines."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
