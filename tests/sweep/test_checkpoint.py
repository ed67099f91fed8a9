"""Marks and the checkpoint that names them: whichever survives, one that is believed has its own marks."""

from __future__ import annotations

import zlib
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from scanner.engine.failure import FirstFailure
from scanner.engine.sources import FeedSource
from scanner.network.syn.messages import Progress, Stats
from scanner.sweep.checkpoint import Checkpoint, StagePoint, decode, load_marks
from scanner.sweep.persistence import Persistence
from tests.support.faulty_files import DiedError, DyingFileSystem, PowerLossFileSystem, Wrapping
from tests.torture.mutants import Mutant, replaced
from tests.torture.story import Story

if TYPE_CHECKING:
    from pathlib import Path

    from results.files import FileSystem

SAVES = 3
CALLS = 102  # of the file layer in a start and three saves, and some more


def marks_of(number: int) -> bytes:
    """Different at each save, and larger than a sector even when compressed."""
    return Random(number).randbytes(2000)


def save(story: Story, number: int) -> None:
    """A checkpoint with its marks, as the disk's thread writes it."""
    progress = Progress(attempt=0, position=number, targets=0, sent_by_round=[0])
    stage = StagePoint(progress=progress, direct=[], fed=0)
    checkpoint = msgspec.structs.replace(story.persistence.checkpoint(), stage=stage)
    story.persistence.write(checkpoint, zlib.compress(marks_of(number)))


def number_of(checkpoint: Checkpoint) -> int:
    assert checkpoint.stage is not None
    return checkpoint.stage.progress.position


def lives(output: Path, fs: FileSystem) -> int:
    """Begin and save until death; how many saves had returned."""
    saved = 0
    story = None
    try:
        story = Story(output, fs, seed=1)
        for number in range(1, SAVES + 1):
            story.take(3)
            story.settle(2, Random(number))
            save(story, number)
            saved = number
    except DiedError:
        pass
    finally:
        if story is not None:
            story.let_go()
    return saved


def believed(output: Path) -> tuple[Checkpoint | None, bytes]:
    """What a resume would go on from."""
    story = Story(output, Wrapping(), seed=1)
    point, before = story.begun.checkpoint, story.begun.stage_before
    story.let_go()
    return point, before.marks if before is not None else b""


def power_losses(place: Path) -> list[str]:
    """Lose the power at every call, with three kinds of luck; what was wrong afterwards."""
    wrong = []
    for at in range(1, CALLS):
        for luck in range(3):
            here = place / f"{at}-{luck}"
            (here / "runs").mkdir(parents=True)
            medium = PowerLossFileSystem(here / "runs")
            saved = lives(here / "runs", DyingFileSystem(at, medium, after=bool(luck % 2)))
            medium.close_all()
            medium.lose_power(here / "left", Random(at * 3 + luck))
            if not saved:
                continue
            point, marks = believed(here / "left")
            if point is None or number_of(point) < saved:
                wrong.append(f"call {at}: save {saved} had returned, {point and number_of(point)} is there")
            elif marks != marks_of(number_of(point)):
                wrong.append(f"call {at}: checkpoint {number_of(point)} with other marks")
    return wrong


def test_no_loss_of_power_parts_a_checkpoint_from_its_marks(tmp_path: Path) -> None:
    assert power_losses(tmp_path) == []
    assert lives(tmp_path / "to the end", DyingFileSystem(CALLS)) == SAVES, "every call was a place to die"


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(
            "marks that nobody fsynced",
            "scanner.sweep.checkpoint:with_marks",
            (
                (
                    "write_durably(fs, directory / name, marks, keep_previous=False)",
                    "(directory / name).touch(); fs.write(fs.open(directory / name, 1), marks)",
                ),
            ),
        ),
        Mutant(
            "the marks before go before the new checkpoint is there",
            "scanner.sweep.persistence:Persistence.write",
            (
                (
                    "self._directory.write_checkpoint(",
                    "forget_others(self._fs, self._directory.path, ()); self._directory.write_checkpoint(",
                ),
            ),
        ),
    ],
    ids=lambda mutant: mutant.name,
)
def test_each_rule_is_needed(mutant: Mutant, tmp_path: Path) -> None:
    with replaced(mutant):
        assert power_losses(tmp_path)


class Recorded(Wrapping):
    """The names of what was made durable, in order."""

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(call.method, call.path.name) for call in self.calls]


def test_evidence_then_marks_then_the_checkpoint_then_the_broom(tmp_path: Path) -> None:
    fs = Recorded()
    story = Story(tmp_path, fs, seed=1)
    for number in (1, 2):
        save(story, number)
    begin = len(fs.calls)
    story.take(40)
    story.settle(40, Random(1))
    save(story, 3)
    steps = fs.steps[begin:]
    order = [
        ("fdatasync", "observations-0001.jsonl"),
        ("fsync", "stage-000003.marks.tmp"),
        ("rename", "stage-000003.marks"),
        ("fsync_dir", story.directory.path.name),
        ("fsync", "checkpoint.json.tmp"),
        ("rename", "checkpoint.json"),
        ("unlink", "stage-000001.marks"),
    ]
    at = 0
    for step in order:
        at = steps.index(step, at)
    names = sorted(path.name for path in story.directory.path.glob("stage-*"))
    assert names == ["stage-000002.marks", "stage-000003.marks"], "the checkpoint before has its own still"
    story.let_go()


def test_a_run_that_begins_anew_spoils_no_checkpoint_that_is_there(tmp_path: Path) -> None:
    """A stage that cannot go on asks everything again; until it has a checkpoint, the old one stands."""
    story = Story(tmp_path, Wrapping(), seed=1)
    for number in (1, 2, 3):
        save(story, number)
    story.let_go()

    again = Story(tmp_path, Wrapping(), seed=1)
    again.persistence = Persistence(
        again.directory,
        again.journal,
        again.busy,
        stage=None,
        take=again.point,
        loss=lambda: None,
        withdrawn=list,
        failure=FirstFailure(),
        found=again.begun.checkpoint,
        resumed=None,
    )
    save(again, 4)
    again.let_go()
    names = sorted(path.name for path in again.directory.path.glob("stage-*"))
    assert names == ["stage-000003.marks", "stage-000004.marks"]
    before = decode((again.directory.path / "checkpoint.json.prev").read_bytes())
    assert (number_of(before), load_marks(again.directory.path, before)) == (3, marks_of(3))


def test_damaged_marks_mean_the_checkpoint_before_or_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    story = Story(tmp_path, Wrapping(), seed=1)
    for number in (1, 2):
        save(story, number)
    story.let_go()
    run = story.directory.path
    newest = decode((run / "checkpoint.json").read_bytes())
    assert load_marks(run, newest) == marks_of(2)

    (run / "stage-000002.marks").write_bytes(b"")
    with pytest.raises(ValueError, match=r"stage-000002\.marks is not what it was"):
        load_marks(run, newest)
    point, marks = believed(tmp_path)
    assert point is not None
    assert (number_of(point), marks) == (1, marks_of(1))

    (run / "stage-000001.marks").unlink()
    assert believed(tmp_path) == (None, b"")
    assert "every target is asked again" in caplog.text
    assert "stage-000001.marks: no such file" in caplog.text


def test_a_checkpoint_of_an_older_kind_is_not_believed(tmp_path: Path) -> None:
    story = Story(tmp_path, Wrapping(), seed=1)
    story.persistence.write(story.persistence.checkpoint())
    story.let_go()
    path = story.directory.checkpoint_path
    older = msgspec.structs.replace(decode(path.read_bytes()), format="mongosweep.checkpoint/1")
    path.write_bytes(older.encode())

    assert believed(tmp_path) == (None, b"")


def test_counts_that_are_no_longer_kept_do_not_harm_an_older_checkpoint() -> None:
    """Its stage also counted resets, repeated answers and invalid ones."""
    body = (
        b'{"format":"mongosweep.checkpoint/3","run_id":"r","scope_digest":"s","settings_digest":"t","seed":1,'
        b'"shard":[1,1],"after":-1,"in_flight":[3],"outcomes":{"open":1},"stage":{"progress":{"attempt":1,'
        b'"position":77,"targets":5,"sent_by_round":[5,2],"dropped":3,"pieces":2},"direct":[[0,4]],"fed":2,'
        b'"last_word":{"targets":5,"sent":7,"sent_by_round":[5,2],"resets_sent":1,"live":1,"refused":2,'
        b'"repeated":4,"invalid":6,"dropped":3,"congestion":8,"position":9,"elapsed":1.5,"rate":4.25,'
        b'"slowed_by":"x","ended":"complete"},"marks":{"name":"stage-1.marks","bytes":1,"sha256":"ab"}}}'
    )
    stage = decode(body + b"\n%08x\n" % zlib.crc32(body)).stage

    assert stage is not None
    assert stage.progress == Progress(
        attempt=1, position=77, targets=5, sent_by_round=[5, 2], dropped=3, pieces=2
    )
    assert stage.direct == [(0, 4)]
    assert stage.last_word == Stats(
        targets=5,
        sent=7,
        sent_by_round=[5, 2],
        live=1,
        refused=2,
        dropped=3,
        congestion=8,
        position=9,
        elapsed=1.5,
        rate=4.25,
        slowed_by="x",
        ended="complete",
    )


def test_who_was_announced_and_not_yet_handed_out_is_in_flight(tmp_path: Path) -> None:
    story = Story(tmp_path, Wrapping(), seed=1)
    feed = FeedSource(story.scope)
    story.source = feed
    feed.add([7, 3, 5])
    taken = feed.take()
    assert taken is not None
    story.in_flight.add(taken[0])

    assert story.persistence.checkpoint().in_flight == [3, 5, 7]
    story.let_go()
