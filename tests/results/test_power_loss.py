"""Killed and without power again and again, a sweep loses nothing: the same rules on a model of a disk.

The sweep here is a toy that keeps the rules of the real one: append, sync, mark done, checkpoint. Broken
variants of it show that the model catches what a kill alone never does.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.audit import audit
from results.files import (
    REAL,
    AlreadyCompleteError,
    CorruptError,
    FileSystem,
    NotARunError,
    read_newest_valid,
    write_durably,
)
from results.journal import Position, read_run
from results.run import RunDirectory
from results.summary import Coverage, unique
from tests.results.examples import START, manifest, observation
from tests.support.faulty_files import DiedError, DyingFileSystem, PowerLossFileSystem, SkippingFileSystem
from tests.support.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TARGETS = 10
LINES = [line_of(observation(f"127.0.0.{n}")) for n in range(TARGETS)]


class LostError(AssertionError):
    """A checkpoint covers what the journal does not hold."""


@dataclass
class Mutant:
    """Which rule a broken sweep breaks; none by default."""

    skip: tuple[str, ...] = ()
    checkpoint_first: bool = False


def parse_checkpoint(data: bytes) -> tuple[int, Position]:
    """How many targets are done, and how far the journal was durable then."""
    document = json.loads(data)
    return document["done"], msgspec.convert(document["position"], Position)


def save_checkpoint(fs: FileSystem, run: RunDirectory, done: int) -> None:
    """Write the checkpoint as the sweep does."""
    position = msgspec.to_builtins(run.journal().position)
    write_durably(fs, run.checkpoint_path, json.dumps({"done": done, "position": position}).encode())


def sweep(
    output: Path,
    fs: FileSystem,
    random: Random,
    mutant: Mutant,
    swept_clean: Callable[[], None] = lambda: None,
) -> None:
    """Begin the run, or take it up, and go on to the end unless something dies."""
    try:
        run = RunDirectory.open(output / "run-1", START, fs, warn=lambda _: None, need_bytes=0)
    except AlreadyCompleteError:
        return
    except NotARunError:
        # It died before the manifest was there: nothing was sent yet.
        shutil.rmtree(output / "run-1", ignore_errors=True)
        swept_clean()
        run = RunDirectory.create(output, "run-1", manifest(), fs, need_bytes=0)
    try:
        done = resume_point(run)
        journal = run.journal(rotate_bytes=8 * len(LINES[0]))
        while done < TARGETS:
            batch = min(TARGETS - done, random.randint(1, 4))
            for line in LINES[done : done + batch]:
                journal.append(line)
            done += batch
            if mutant.checkpoint_first:
                save_checkpoint(fs, run, done)
                journal.sync()
            else:
                journal.sync()
                save_checkpoint(fs, run, done)
        coverage = Coverage(planned=TARGETS, outcomes=TARGETS)
        run.finish("complete", ended_at="now", coverage=coverage, outcomes={}, reasons=[])
    finally:
        run._lock.release()


def resume_point(run: RunDirectory) -> int:
    """Targets done by the checkpoint; raises `LostError` when the journal does not hold them."""
    found = read_newest_valid(run.checkpoint_path, parse_checkpoint)
    if found is None:
        return 0
    done, position = found
    held = {line_of(seen) for seen in read_run(run.path, lambda _: None)}
    if not held.issuperset(LINES[:done]) or not position.holds(run.path):
        raise LostError(f"{done} done, {len(held)} held")
    return done


def with_power_losses(tmp_path: Path, seed: int, mutant: Mutant) -> int:
    """Sweep through deaths until it is complete; how many there were. Raises when something was lost."""
    random = Random(seed)
    output = tmp_path / "0"
    output.mkdir(parents=True)
    deaths = 0
    while True:
        medium = PowerLossFileSystem(output)
        medium.adopt()
        stack = SkippingFileSystem(mutant.skip, medium)
        dying = DyingFileSystem(random.randint(5, 130), stack, after=random.random() < 0.5)
        try:
            sweep(output, dying, random, mutant, medium.adopt)
        except DiedError:
            deaths += 1
        else:
            break
        output = tmp_path / str(deaths)
        medium.lose_power(output, random)
    survivors = tmp_path / "end"
    medium.lose_power(survivors, random)
    path = survivors / "run-1"
    seen = unique(read_run(path, lambda _: None))
    if sorted(line_of(item) for item in seen) != sorted(LINES):
        raise LostError(f"{len(seen)} of {TARGETS} at the end")
    report = audit(path)
    assert report.edited == []
    assert report.manifest is not None
    assert report.manifest.state == "complete"
    return deaths


def test_power_losses_lose_nothing(tmp_path: Path) -> None:
    deaths = sum(with_power_losses(tmp_path / str(seed), seed, Mutant()) for seed in range(40))
    assert deaths >= 50


def test_death_at_every_call_loses_nothing(tmp_path: Path) -> None:
    """The process dies before, in and after each call of a whole sweep; the disk stays powered."""
    random = Random(0)
    calls = 0
    for after in (False, True):
        at = 1
        while True:
            output = tmp_path / f"{after}-{at}"
            output.mkdir()
            try:
                sweep(output, DyingFileSystem(at, after=after), random, Mutant())
            except DiedError:
                sweep(output, REAL, random, Mutant())
            else:
                break
            finally:
                calls += 1
            seen = unique(read_run(output / "run-1", lambda _: None))
            assert sorted(line_of(item) for item in seen) == sorted(LINES)
            assert audit(output / "run-1").edited == []
            at += 1
    assert calls > 40


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(skip=("fdatasync",)),
        Mutant(skip=("fsync_dir",)),
        Mutant(skip=("fsync",)),
        Mutant(checkpoint_first=True),
    ],
    ids=["no fsync of segments", "no fsync of directories", "no fsync of small files", "checkpoint first"],
)
def test_a_broken_sweep_is_caught(tmp_path: Path, mutant: Mutant) -> None:
    def many() -> None:
        for seed in range(60):
            with_power_losses(tmp_path / str(seed), seed, mutant)

    with pytest.raises((LostError, CorruptError, NotARunError)):
        many()
