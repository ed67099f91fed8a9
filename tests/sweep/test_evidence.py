"""A checkpoint with a right checksum is believed only when the run wrote it and the journal agrees."""

from __future__ import annotations

import os
import shutil
import time
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.chain import CHAIN_FILE, load_chain
from scanner.engine.order import Order
from scanner.sweep.checkpoint import Checkpoint, decode
from scanner.sweep.evidence import contradiction
from tests.support.faulty_files import Wrapping
from tests.torture.story import Story, story_scope

if TYPE_CHECKING:
    from pathlib import Path

ORDER = Order(len(story_scope()), 1)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A run that was killed in the middle, with two checkpoints; its directory."""
    story = Story(tmp_path, Wrapping(), seed=1)
    for number in (1, 2):
        story.take(8)
        story.settle(6, Random(number))
        story.save(Random(number))
    story.let_go()
    return story.directory.path


def resumed(run: Path) -> Checkpoint | None:
    """What a resume goes on from."""
    story = Story(run.parent, Wrapping(), seed=1)
    story.let_go()
    return story.begun.checkpoint


def written(run: Path) -> Checkpoint:
    return decode((run / "checkpoint.json").read_bytes())


def forge(run: Path, *, noted: bool, **changes: Any) -> Checkpoint:
    """Another checkpoint with a right checksum; `noted`: whoever wrote it changed the chain, too."""
    forged = msgspec.structs.replace(written(run), **changes)
    (run / "checkpoint.json").write_bytes(forged.encode())
    (run / "checkpoint.json.prev").unlink()
    if noted:
        chain = msgspec.json.decode((run / CHAIN_FILE).read_bytes())
        chain["checkpoints"] = None
        (run / CHAIN_FILE).write_bytes(msgspec.json.encode(chain))
    return forged


DONE: dict[str, Any] = {"after": ORDER.positions - 1, "in_flight": []}
CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({**DONE, "outcomes": {"refused": 40}}, "the journal shows"),
    ({**DONE, "outcomes": {"open": 7, "refused": 33}}, "it claims 7 open"),
    ({**DONE, "outcomes": {"auth_required": 40}}, "it claims 40 auth_required"),
    (DONE, "targets, and 40 were taken"),
    ({"after": ORDER.positions}, "beyond the end"),
    ({"in_flight": [3, 3]}, "twice"),
    ({"in_flight": [39]}, "not among those taken"),
    ({"outcomes": {"refused": -1}}, "fewer than none"),
    ({"outcomes": {"harmless": 12}}, "'harmless', which is no outcome"),
    ({"excluded_later": 5}, "targets, and 16 were taken"),
]


@pytest.mark.fault("F12", "counts, positions and findings that the journal does not show")
@pytest.mark.parametrize(("changes", "says"), CLAIMS, ids=[says for _, says in CLAIMS])
def test_a_claim_that_the_journal_does_not_show_is_not_believed(
    left: Path, changes: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    forge(left, noted=True, **changes)
    assert resumed(left) is None
    assert says in caplog.text
    assert "every target is asked again" in caplog.text


@pytest.mark.parametrize("changes", [{**DONE, "outcomes": {"refused": 40}}, {"elapsed": 7.0}])
def test_a_checkpoint_that_the_run_did_not_write_is_not_believed(
    left: Path, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    forge(left, noted=False, **changes)
    assert resumed(left) is None
    assert "it is not what this run wrote" in caplog.text


def test_the_one_before_holds_and_that_is_told(left: Path, caplog: pytest.LogCaptureFixture) -> None:
    (left / "checkpoint.json").write_bytes(msgspec.structs.replace(written(left), elapsed=9.0).encode())
    point = resumed(left)
    assert point is not None
    assert point.sequence == 1
    assert "the checkpoint before it holds" in caplog.text


def test_what_the_run_wrote_is_believed_again_and_again(left: Path) -> None:
    point = resumed(left)
    assert point == written(left)
    assert contradiction(written(left), left, ORDER) == ""
    chain = load_chain(left)
    assert chain is not None
    assert chain.checkpoints is not None
    assert len(chain.checkpoints) == 2


def test_a_run_of_a_version_that_noted_nothing_is_taken_up(left: Path) -> None:
    forge(left, noted=True)
    assert resumed(left) == written(left)


def test_a_checkpoint_without_its_journal_is_not_believed(left: Path) -> None:
    point = written(left)
    assert contradiction(msgspec.structs.replace(point, journal=None), left, ORDER)
    shutil.rmtree(left)
    left.mkdir()
    assert contradiction(point, left, ORDER)


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_how_many_were_visited_is_counted_without_a_walk(shards: int) -> None:
    for size in (1, 40, 96, 200):
        for shard in range(shards):
            order = Order(size, 5, shard, shards)
            visited = 0
            for position in range(order.positions):
                if position % shards == shard and order.at(position) is not None:
                    visited += 1
                assert order.count_until(position) == visited
            assert order.count() == visited


@pytest.mark.parametrize("kind", ["fifo", "directory", "loop", "giant"])
def test_what_is_no_checkpoint_is_passed_over_at_once(
    left: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And the one before it holds."""
    path = left / "checkpoint.json"
    path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "loop":
            path.symlink_to(path.name)
        case _:
            with path.open("wb") as file:
                file.truncate(1 << 32)
    began = time.monotonic()
    point = resumed(left)
    assert time.monotonic() - began < 3
    assert point is not None
    assert point.sequence == 1
    assert "checkpoint.json: it " in caplog.text
