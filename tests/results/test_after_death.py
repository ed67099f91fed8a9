"""What a death leaves behind that later readers and starts must get right."""

from __future__ import annotations

import errno
from random import Random
from typing import TYPE_CHECKING

import pytest

from results.audit import audit
from results.files import REAL, CorruptError, StorageError
from results.place import make_directory
from results.reading import SECTOR, TornTail, read_run, read_segment
from results.run import RunDirectory, load_manifest
from results.summary import Coverage
from tests.results.examples import START, manifest, observation
from tests.support.faulty_files import FailingFileSystem, PowerLossFileSystem, Wrapping
from tests.support.lines import line_of

if TYPE_CHECKING:
    from pathlib import Path

    from results.manifest import State

LINES = [line_of(observation(f"127.0.0.{n}")) for n in range(1, 5)]


def finish(run: RunDirectory, state: State = "interrupted") -> None:
    """End a run that reached two of its four targets."""
    coverage = Coverage(planned=4, outcomes=2, not_reached=2)
    run.finish(state, ended_at="2026-03-01T09:00:00.000Z", coverage=coverage, outcomes={}, reasons=[])


def drop_locks(run: RunDirectory) -> None:
    """The kernel's part in the death of a process."""
    run._lock.release()


def test_a_seal_over_the_segment_of_a_killed_process_outlives_no_line_of_it(tmp_path: Path) -> None:
    """Killed, resumed, and then the power goes: the resume sealed lines that were in memory only."""
    for seed in range(30):
        place = tmp_path / str(seed)
        place.mkdir()
        (output := place / "runs").mkdir()
        medium = PowerLossFileSystem(output)
        run = RunDirectory.create(output, "run-1", manifest(), medium, need_bytes=0)
        for line in LINES:
            run.journal().append(line)
        drop_locks(run)
        medium.keep_power(place / "killed")
        again = RunDirectory.open(place / "killed" / "run-1", START, medium, need_bytes=0)
        drop_locks(again)
        medium.lose_power(place / "left", Random(seed))
        left = place / "left" / "run-1"
        assert [line_of(seen) for seen in read_run(left)] == LINES
        assert audit(left).edited == []


def test_an_interrupted_run_that_died_when_it_was_taken_up_is_not_called_edited(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "run-1", manifest(), need_bytes=0) as run:
        run.journal().append(LINES[0])
        finish(run)
    drop_locks(RunDirectory.open(run.path, START, need_bytes=0))
    report = audit(run.path)
    assert report.edited == []
    assert [finding.file for finding in report.unsealed] == ["manifest.json"]


def test_an_end_turned_back_into_a_running_run_is_an_edit(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "run-1", manifest(), need_bytes=0) as run:
        finish(run)
    file = run.path / "manifest.json"
    stored, _ = load_manifest(run.path)
    text = file.read_text().replace('"interrupted"', '"running"').replace(stored.chain_head, "")
    file.write_text(text.replace(stored.ended_at, ""))
    file.write_text(file.read_text().replace('"ended_at": "2026-03-01T09:00:00.000Z"', '"ended_at": ""'))
    assert [finding.file for finding in audit(run.path).edited] == ["manifest.json"]


def test_a_run_that_died_before_its_chain_was_begun_is_not_called_edited(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, "run-1", manifest(), need_bytes=0).close()
    (tmp_path / "run-1" / "chain.json").unlink()
    report = audit(tmp_path / "run-1")
    assert report.edited == []
    assert [finding.file for finding in report.unsealed] == ["chain.json"]
    (tmp_path / "run-1" / "observations-0001.jsonl").write_bytes(LINES[0])
    assert [finding.file for finding in audit(tmp_path / "run-1").edited] == ["chain.json"]


@pytest.mark.parametrize("begin", [len(LINES[0]) + 100, len(LINES[0])])
def test_a_hole_of_whole_sectors_is_where_a_segment_ends(tmp_path: Path, begin: int) -> None:
    """Sectors reach the medium in any order; what stands behind one that never came was not acknowledged."""
    path = tmp_path / "observations-0001.jsonl"
    data = bytearray(b"".join(LINES) * 3)
    end = (begin // SECTOR + 2) * SECTOR
    data[begin:end] = bytes(end - begin)
    path.write_bytes(bytes(data))
    torn: list[TornTail] = []
    assert [line_of(seen) for seen in read_segment(path, torn.append)] == LINES[:1]
    assert torn == [TornTail(path, len(LINES[0]), len(data) - len(LINES[0]))]


def test_zeros_within_a_sector_are_damage_and_no_hole(tmp_path: Path) -> None:
    path = tmp_path / "observations-0001.jsonl"
    data = bytearray(b"".join(LINES))
    begin = (len(LINES[0]) // SECTOR + 1) * SECTOR + 7
    data[begin : begin + 3] = bytes(3)
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptError, match="in the middle"):
        list(read_segment(path))


def test_an_end_is_not_written_over_a_journal_that_failed(tmp_path: Path) -> None:
    fs = FailingFileSystem("fdatasync", errno.EIO)
    run = RunDirectory.create(tmp_path, "run-1", manifest(), fs, need_bytes=0)
    run.journal().append(LINES[0])
    with pytest.raises(StorageError):
        run.journal().sync()
    with pytest.raises(StorageError, match="input/output error"):
        finish(run)
    run.close()
    assert load_manifest(run.path)[0].state == "running"


def test_the_name_of_a_directory_that_a_dead_process_made_becomes_durable(tmp_path: Path) -> None:
    fs = Wrapping()
    make_directory(fs, tmp_path / "a" / "b")
    assert [call.method for call in fs.calls].count("mkdir") == 2
    fs = Wrapping(REAL)
    make_directory(fs, tmp_path / "a" / "b")
    assert [(call.method, call.path) for call in fs.calls] == [("fsync_dir", tmp_path / "a")]


def test_a_directory_that_somebody_else_makes_meanwhile_is_as_good(tmp_path: Path) -> None:
    class Overtaken(Wrapping):
        def mkdir(self, path: Path) -> None:
            path.mkdir()
            super().mkdir(path)

    make_directory(Overtaken(REAL), tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
