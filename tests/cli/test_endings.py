"""Every way in which a command ends: codes, broken pipes, full and closed streams, Ctrl-C, our own bugs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

import scanner.sweep.sweep
from results.files import DirectoryBusyError, StorageError
from results.sinks.stdout import Follower
from scanner.cli import main
from scanner.cli.ending import describe_end
from scanner.cli.group import root
from scanner.errors import ExitCode, MongosweepError, RefusedError, exit_code_table
from scanner.sweep.judgement import with_stdout
from scanner.sweep.progress import RunSummary
from targets.errors import ScopeError
from tests.cli.programs import ROOT, mongosweep, on_a_free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration, as the working directory."""
    (tmp_path / "mongosweep.toml").write_text(on_a_free_port(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RefusedError("x.toml:3: no"), 2, "error: x.toml:3: no\n"),
        (MongosweepError("odd"), 70, "error: odd\n"),
        (ScopeError("a.csv", 4, "bad", "write good"), 2, "error: a.csv:4: bad; write good\n"),
        (StorageError("runs", "full", "make room"), 4, "error: runs: full; make room\n"),
        (DirectoryBusyError("runs", "held"), 5, "error: runs: held\n"),
        (OSError(28, "No space left on device", "runs/x"), 4, "runs/x: No space left"),
        (KeyboardInterrupt(), 3, "interrupted\n"),
        (click.Abort(), 3, "interrupted\n"),
        (BrokenPipeError(), 0, ""),
        (click.UsageError("wrong"), 2, "error: wrong\n"),
        (SystemExit(4), 4, ""),
    ],
)
def test_each_kind_of_end_has_its_code_and_words(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert describe_end(error, ["sweep"]) == code
    assert said in capsys.readouterr().err


def test_the_codes_of_the_design() -> None:
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5, 70]
    assert all(code.sentence in exit_code_table() for code in ExitCode)


def test_the_help_of_sweep_shows_all_codes() -> None:
    shown = CliRunner().invoke(root, ["sweep", "--help"])
    assert shown.exit_code == 0
    for code in ExitCode:
        assert f"{code.value}  {code.sentence}" in shown.output


def test_a_bug_is_one_line_and_a_file_with_the_traceback(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr(scanner.sweep.sweep, "run", run)
    assert main(["sweep", "--quiet"]) == 70
    err = capsys.readouterr().err
    assert err.startswith("internal error: ZeroDivisionError: one two; a traceback is in ")
    assert len(err.splitlines()) == 1
    (file,) = here.glob("mongosweep-error-*.txt")
    assert str(file) in err
    text = file.read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "ZeroDivisionError: one\ntwo" in text
    assert "['sweep', '--quiet']" in text
    assert file.stat().st_mode & 0o077 == 0


def test_a_bug_with_nowhere_to_write_says_where_it_arose(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    def no_file(**_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scanner.sweep.sweep, "run", run)
    monkeypatch.setattr("tempfile.mkstemp", no_file)
    assert main(["sweep", "--quiet"]) == 70
    err = capsys.readouterr().err
    assert "it arose at " in err
    assert "test_endings.py" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("{} | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("> /dev/full", 4, "No space left"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
    ],
)
def test_streams_that_are_gone_full_or_closed(
    shell: str, code: int, said: str, unbuffered: str, here: Path
) -> None:
    """The same where the machine tells Python to hold nothing back, and where it does not."""
    done = mongosweep("plan", "--json", cwd=here, shell=shell, env={"PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == (1 if said else 0)


@pytest.mark.parametrize("shell", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_sweep_without_standard_streams_writes_its_run(shell: str, here: Path) -> None:
    """A socket that got the number of a closed stream would be written to, or end the process."""
    done = mongosweep("sweep", "--all", cwd=here, shell=shell)
    assert done.returncode == 0, done.stderr
    (journal,) = here.glob("runs/2*/observations-0001.jsonl")
    assert len(journal.read_bytes().splitlines()) == 8


def test_a_sweep_into_a_pipe_is_jsonl(here: Path) -> None:
    done = mongosweep("sweep", "--all", cwd=here)
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 8
    assert {line["verdict"] for line in lines} == {"refused"}
    assert "complete: 8 targets" in done.stderr
    assert "run directory: runs/" in done.stderr


def test_a_reader_of_a_sweep_that_goes_away_is_no_error(here: Path) -> None:
    done = mongosweep("sweep", "--all", cwd=here, shell="{} | head -n 1; exit ${PIPESTATUS[0]}")
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr
    (journal,) = here.glob("runs/2*/observations-0001.jsonl")
    assert len(journal.read_bytes().splitlines()) == 8


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_full_standard_output_is_no_complete_sweep(quiet: tuple[str, ...], here: Path) -> None:
    """Somebody wanted these lines and has not got them; the run directory has."""
    done = mongosweep("sweep", "--all", *quiet, cwd=here, shell="> /dev/full")
    assert done.returncode == 3
    assert "degraded: 8 targets" in done.stderr
    assert "because standard output: No space left on device; lines are missing there" in done.stderr
    assert "complete:" not in done.stderr
    (journal,) = here.glob("runs/2*/observations-0001.jsonl")
    assert len(journal.read_bytes().splitlines()) == 8
    manifest = json.loads((journal.parent / "manifest.json").read_bytes())
    assert manifest["state"] == "degraded"
    assert "No space left" in manifest["reasons"][0]


def test_a_stdout_that_fails_after_the_end_is_told_too() -> None:
    summary = RunSummary(
        run_id="r", run_dir="runs/r", state="complete", reasons=(), planned=1, outcomes={}, excluded=0,
        not_reached=0, elapsed=1.0, exit_code=1,
    )  # fmt: skip
    assert with_stdout(summary, "") is summary
    lost = "standard output: Input/output error"
    told = with_stdout(summary, lost)
    assert (told.state, told.exit_code) == ("degraded", 3)
    assert "Input/output error" in told.reasons[0]
    assert with_stdout(told, lost) is told


def test_a_reader_that_takes_nothing_any_more_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it takes something, it is waited for, however slow it is; then its lines are missing."""
    monkeypatch.setattr("results.sinks.stdout.silence_stdout", lambda: None)
    journal = tmp_path / "observations-0001.jsonl"
    journal.write_bytes(b"x" * 1023 + b"\n" * 1 + (b"y" * 1023 + b"\n") * 1000)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb", buffering=0) as writer:

        def read_a_little() -> None:
            for _ in range(5):
                time.sleep(0.1)
                reader.read(65536)

        follower = Follower(tmp_path, journal, writer)
        follower.start()
        slow = threading.Thread(target=read_a_little)
        slow.start()
        began = time.monotonic()
        follower.drain(0.4)
        assert time.monotonic() - began > 0.8
        assert "its reader took nothing for" in follower.lost
        slow.join()
        reader.close()  # so that its write ends, and the thread
        follower.join(10)
        assert follower.left


def test_ctrl_c_while_a_reader_is_waited_for_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is whole, but lines are missing on stdout: it must not end as if nothing were."""
    monkeypatch.setattr("results.sinks.stdout.silence_stdout", lambda: None)
    journal = tmp_path / "observations-0001.jsonl"
    journal.write_bytes((b"y" * 1023 + b"\n") * 1000)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        follower = Follower(tmp_path, journal, writer)
        follower.start()
        with monkeypatch.context() as during:
            during.setattr(follower, "join", interrupted)
            follower.drain(0.4)
        assert "interrupted" in follower.lost
        reader.close()
        follower.join(10)


def interrupted(patience: float) -> None:
    raise KeyboardInterrupt


def test_a_stdout_that_does_not_wait_gets_every_line(tmp_path: Path) -> None:
    journal = tmp_path / "observations-0001.jsonl"
    journal.write_bytes((b"y" * 1023 + b"\n") * 1000)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb", buffering=0) as reader:
        with os.fdopen(writing, "wb", buffering=0) as writer:
            follower = Follower(tmp_path, journal, writer)
            follower.start()
            follower.finish(0.3)
            assert follower.is_alive()
            got = 0
            while got < 1_024_000:
                got += len(reader.read(65536))
            follower.drain(10)
        assert (follower.lost, reader.read(1)) == ("", b"")


def test_quiet_says_nothing_of_what_went_well(here: Path) -> None:
    done = mongosweep("sweep", "--quiet", cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ctrl_c_ends_a_sweep_in_order(here: Path) -> None:
    """3, a whole run, what was not reached, and how to go on."""
    slow = on_a_free_port().replace("per_prefix_rate = 1000", "rate = 1")
    (here / "mongosweep.toml").write_text(slow, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "scanner", "sweep"],
        cwd=here,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(here)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            until = time.monotonic() + 30
            while not list(here.glob("runs/2*/observations-0001.jsonl")) and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 3, err
    assert re.search(r"interrupted: \d of 8 targets", err)
    assert "not reached" in err
    assert "go on with the same command line and: --resume " in err
    assert "Traceback" not in err
    run_id = next(here.glob("runs/2*/manifest.json")).parent.name
    done = mongosweep("sweep", "--resume", run_id, "--rate", "1000", cwd=here)
    assert done.returncode == 0, done.stderr


def test_completion_knows_the_commands(here: Path) -> None:
    done = mongosweep(
        cwd=here,
        env={"_MONGOSWEEP_COMPLETE": "bash_complete", "COMP_WORDS": "mongosweep s", "COMP_CWORD": "1"},
    )
    found = {line.partition(",")[2] for line in done.stdout.split()}
    assert found == {"scope", "sweep", "serve", "schedule", "schema", "show", "sinks"}
