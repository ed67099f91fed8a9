"""A run directory is refused before anything is sent, held by one process, and taken up where it ended."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from results.chain import load_chain
from results.covered import Row
from results.covered import encode as encode_covered
from results.files import (
    AlreadyCompleteError,
    CorruptError,
    NotARunError,
    ResultsError,
    StorageError,
    StorageRefusedError,
)
from results.journal import TornTail, read_run
from results.lock import Lock
from results.manifest import Manifest, ScopeInUse, Who, differences, encode, genesis_of, parse
from results.run import RunDirectory, load_manifest
from results.runs import list_runs, run_info
from results.summary import AccountingError, Coverage
from tests.results.examples import START, manifest
from tests.results.runs import LINES, WHOLE, crashed, create, finish
from tests.support.faulty_files import FailingFileSystem
from tests.support.lines import line_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_from_beginning_to_end(tmp_path: Path) -> None:
    with create(tmp_path / "a" / "runs") as run:
        journal = run.journal()
        assert run.journal() is journal
        for line in LINES:
            journal.append(line)
        assert journal.sync() == 4
        run.check_in_place()
        finish(run)
    path = tmp_path / "a" / "runs" / "run-1"
    assert sorted(entry.name for entry in path.iterdir()) == [
        "chain.json",
        "lock",
        "manifest.json",
        "observations-0001.jsonl",
    ]
    assert [line_of(seen) for seen in read_run(path)] == LINES
    kept, data = load_manifest(path)
    assert (kept.state, kept.coverage, kept.outcomes) == ("complete", WHOLE, {"open": 1})
    assert data == encode(kept)
    assert run.checkpoint_path == path / "checkpoint.json"
    assert path.stat().st_mode & 0o777 == 0o700
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in path.iterdir())
    chain = load_chain(path)
    assert chain is not None
    assert [link.name for link in chain.links] == ["observations-0001.jsonl", "manifest.json"]
    assert chain.head == run.chain_head


def refusal(output: Path, **how: object) -> str:
    """What creating a run says; checks that it left no run behind."""
    with pytest.raises(StorageRefusedError) as caught:
        create(output, **how)  # type: ignore[arg-type]  # keyword arguments by name
    assert caught.value.exit_code == 2
    if output.is_dir():
        assert not (output / "run-1").exists()
        assert not list(output.glob("*.tmp"))
        if os.access(output, os.W_OK):
            Lock.acquire(output).release()
    return str(caught.value)


def test_an_output_that_is_a_file(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    place.write_text("x")
    assert refusal(place).startswith(f"{place}: a file stands where a directory is needed; give another")
    assert refusal(place / "below").startswith(f"{place}: a file stands where a directory is needed")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_may_not_be_written(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    place.mkdir(mode=0o500)
    assert "permission denied; give a directory with --output that you may write to" in refusal(place)


@pytest.mark.parametrize(
    ("method", "number", "says"),
    [
        ("mkdir", errno.EACCES, "permission denied; give a directory"),
        ("open", errno.EROFS, "read-only file system; that file system is mounted read-only"),
        ("write", errno.ENOSPC, "no space left on device; free space"),
        ("fsync", errno.ENOSPC, "no space left on device; free space"),
        ("fsync", errno.EIO, "input/output error; the disk or its connection failed"),
        ("rename", errno.EIO, "input/output error"),
        ("allocate", errno.ENOSPC, "no space left on device"),
    ],
)
def test_an_output_that_fails(tmp_path: Path, method: str, number: int, says: str) -> None:
    assert says in refusal(tmp_path / "runs", fs=FailingFileSystem(method, number))


def test_too_little_space(tmp_path: Path) -> None:
    assert "are needed; free space" in refusal(tmp_path / "runs", need_bytes=1 << 60)


class _NoInodes(FailingFileSystem):
    def statvfs(self, path: Path) -> os.statvfs_result:
        fields = list(os.statvfs(path))
        fields[5:8] = [100, 0, 0]
        return os.statvfs_result(fields)


def test_too_few_inodes(tmp_path: Path) -> None:
    assert "only 0 more files fit there" in refusal(tmp_path / "runs", fs=_NoInodes("", 0))


@pytest.mark.parametrize("run_id", ["", "..", "../x", "a/b", ".hidden", "x" * 65, "a\n"])
def test_a_run_id_that_is_no_plain_name(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(StorageRefusedError, match="not a name for a run"):
        create(tmp_path, run_id)


def test_a_run_id_that_is_taken(tmp_path: Path) -> None:
    create(tmp_path).close()
    with pytest.raises(StorageRefusedError, match="exists already"):
        create(tmp_path)
    assert load_manifest(tmp_path / "run-1")[0] == manifest()
    create(tmp_path, "run-2").close()


def test_a_run_is_taken_up_after_a_crash(tmp_path: Path) -> None:
    path = crashed(tmp_path, LINES[3][:50])
    first = (path / "observations-0001.jsonl").read_bytes()
    torn: list[TornTail] = []
    with RunDirectory.open(path, START, warn=torn.append, expect=manifest()) as run:
        assert [tail.length for tail in torn] == [50]
        assert not (path / "checkpoint.json.tmp").exists()
        assert run.manifest.starts == [START, START]
        run.journal().append(LINES[3])
        run.journal().sync()
        finish(run)
    assert (path / "observations-0001.jsonl").read_bytes() == first, "an old segment is never touched"
    assert [line_of(seen) for seen in read_run(path, torn.append)] == LINES
    chain = load_chain(path)
    assert chain is not None
    assert [(link.ended, link.lines, link.torn_bytes) for link in chain.links[:2]] == [
        ("crashed", 3, 50),
        ("sealed", 1, 0),
    ]
    with pytest.raises(AlreadyCompleteError, match="this run is complete"):
        RunDirectory.open(path, START)


def test_a_run_is_not_taken_up_over_damage(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    segment = path / "observations-0001.jsonl"
    good = segment.read_bytes()
    segment.write_bytes(good.replace(b'"', b"'", 1))
    with pytest.raises(CorruptError, match="line 1 is damaged"):
        RunDirectory.open(path, START)
    segment.write_bytes(good)
    RunDirectory.open(path, START).close()
    segment.write_bytes(good.replace(b"paris", b"qaris"))
    with pytest.raises(CorruptError, match="not what was sealed"):
        RunDirectory.open(path, START)
    segment.write_bytes(good)
    (path / "chain.json").unlink()
    with pytest.raises(CorruptError, match="hash chain is missing"):
        RunDirectory.open(path, START)


def test_a_run_whose_manifest_was_edited_is_not_taken_up(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    file = path / "manifest.json"
    good = file.read_text()
    file.write_text(good.replace("CHG-1", "CHG-2"))
    with pytest.raises(CorruptError, match="not the one that the run began with"):
        RunDirectory.open(path, START)
    file.write_text(good.replace('"seed": 7', '"seed": 8'))
    with pytest.raises(StorageRefusedError, match="cannot resume: seed was 8, is 7"):
        RunDirectory.open(path, START, expect=manifest())
    file.write_text(good[:100])
    with pytest.raises(CorruptError, match="no valid copy left"):
        RunDirectory.open(path, START)
    file.unlink()
    with pytest.raises(NotARunError, match="no run here"):
        RunDirectory.open(path, START)


def test_a_run_that_died_before_its_chain_was_written_is_taken_up(tmp_path: Path) -> None:
    run = create(tmp_path)
    run.close()
    (run.path / "chain.json").unlink()
    RunDirectory.open(run.path, START).close()


def test_what_changed_since_is_said_in_words() -> None:
    old = manifest()
    assert differences(old, manifest(created_at="later", who=Who.current())) == []
    new = manifest(
        scope=ScopeInUse(digest="e" * 64, entries=["allow 127.0.0.0/8"]),
        configuration={"ports": [27017, 27018], "rate": 5},
        shard="1/2",
    )
    assert differences(old, new) == [
        "the scope changed: removed allow 127.0.0.0/30; added allow 127.0.0.0/8",
        "depth was 'collections', is None",
        "ports was [27017], is [27017, 27018]",
        "rate was None, is 5",
        "shard was '1/1', is '1/2'",
    ]
    fewer = differences(old, manifest(planned=manifest().planned.__class__(targets=3)))
    assert fewer == ["planned targets were 4, are 3"]
    assert differences(old, manifest(scope=ScopeInUse(digest="x", entries=old.scope.entries))) == [
        "the scope changed"
    ]


def test_complete_is_not_said_without_proof(tmp_path: Path) -> None:
    run = create(tmp_path)
    for coverage in (
        Coverage(planned=4, outcomes=3, not_reached=1),
        Coverage(planned=4, outcomes=3),
        Coverage(planned=4, outcomes=5),
    ):
        with pytest.raises(AccountingError):
            run.finish("complete", ended_at="now", coverage=coverage, outcomes={}, reasons=[])
    with pytest.raises(ValueError, match="keeps seed"):
        run.update(seed=8)
    assert load_manifest(run.path)[0].state == "running"
    run.close()


def test_a_failed_run_says_so_in_the_space_it_reserved(tmp_path: Path) -> None:
    fs = FailingFileSystem("fdatasync", errno.EIO)
    run = create(tmp_path, fs=fs)
    assert (run.path / "reserve").stat().st_size > 64 * 1024
    run.journal().append(LINES[0])
    with pytest.raises(StorageError):
        run.journal().sync()
    assert run.fail(["the disk failed"], ended_at="now")
    run.close()
    assert not (run.path / "reserve").exists()
    assert run_info(run.path).state == "failed"
    assert [call.method for call in fs.calls].count("fdatasync") == 1


def test_a_disk_that_takes_nothing_more_leaves_an_aborted_run(tmp_path: Path) -> None:
    fs = FailingFileSystem("rename", errno.EROFS, nth=3)
    run = create(tmp_path, fs=fs)
    assert not run.fail(["the disk failed"], ended_at="now")
    run.close()
    assert run_info(run.path).state == "aborted"


def test_the_list_of_runs_tells_living_from_dead(tmp_path: Path) -> None:
    with create(tmp_path, "complete") as run:
        finish(run)
    with create(tmp_path, "interrupted") as run:
        part = Coverage(planned=4, outcomes=1, not_reached=3)
        run.finish(
            "interrupted", ended_at="now", coverage=part, outcomes={"open_no_data": 1}, reasons=["Ctrl-C"]
        )
    create(tmp_path, "aborted").close()
    create(tmp_path, "broken").close()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / "no-run").mkdir()
    (tmp_path / "file").write_text("")
    with create(tmp_path, "alive"):
        runs = {info.run_id: info for info in list_runs(tmp_path)}
    assert {name: info.state for name, info in runs.items()} == {
        "complete": "complete",
        "interrupted": "interrupted",
        "aborted": "aborted",
        "broken": "unreadable",
        "alive": "running",
    }
    assert {name for name, info in runs.items() if info.can_resume} == {"interrupted", "aborted"}
    interrupted = runs["interrupted"]
    assert (interrupted.planned, interrupted.not_reached, interrupted.open) == (4, 3, 1)
    assert interrupted.reasons == ["Ctrl-C"]
    assert runs["alive"].open is None
    with pytest.raises(NotARunError):
        list_runs(tmp_path / "file")


@pytest.mark.parametrize(
    ("configuration", "organisation"),
    [
        ({"organisation": {"name": "Example", "contact": "soc@example.com"}}, "Example"),
        ({}, ""),
        ({"organisation": "Example"}, ""),
        ({"organisation": {"name": 7}}, ""),
    ],
)
def test_the_list_of_runs_tells_whose_each_is_and_where_it_looked_from(
    tmp_path: Path, configuration: dict[str, Any], organisation: str
) -> None:
    begun = manifest(configuration=configuration, vantage="internet", shard="2/3", seed=9)
    begun.covered, covered = encode_covered([Row(4, 1 << 24, 1 << 24, (27017,))])
    RunDirectory.create(tmp_path, "run-1", begun, covered=covered).close()
    (info,) = list_runs(tmp_path)
    assert (info.organisation, info.vantage) == (organisation, "internet")
    assert (info.shard, info.seed, info.scope) == ("2/3", 9, begun.scope.digest)
    assert info.covered == begun.covered
    assert info.covered is not None


def test_a_manifest_reads_back_and_tolerates_what_it_does_not_know() -> None:
    data = encode(manifest())
    assert parse(data) == manifest()
    document = json.loads(data)
    assert parse(json.dumps({**document, "future": 1}).encode()) == manifest()
    assert genesis_of(data) == genesis_of(encode(manifest(state="failed", reasons=["x"], ended_at="now")))
    assert genesis_of(data) != genesis_of(encode(manifest(seed=8)))
    for broken in (
        b"",
        b"[]",
        b"\xff",
        data[:50],
        data.replace(b"manifest/1", b"manifest/2"),
        b"[" * 100_000,
    ):
        with pytest.raises(ValueError, match=r".+"):
            parse(broken)
    for broken in (b"[]", b"{", b'{"a":' + b"[" * 100_000):
        with pytest.raises(ValueError, match=r".+"):
            genesis_of(broken)


def test_who_runs_is_known_even_without_an_account_name(monkeypatch: pytest.MonkeyPatch) -> None:
    who = Who.current()
    assert (who.uid, bool(who.host)) == (os.getuid(), True)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert Who.current().user == ""


def test_every_error_of_this_room_is_short_and_carries_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(ResultsError) as caught:
        load_manifest(tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert isinstance(manifest(), Manifest)
