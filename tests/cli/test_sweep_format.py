"""`sweep --format`: stdout in another format, and a sweep that does not mind what befalls it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from results.reading import read_run
from results.run import load_manifest
from scanner.cli import main
from tests.cli.programs import mongosweep, on_a_free_port
from tests.support.processes import command, only_run, wait_for_run
from tests.support.text_formats import read_leef

if TYPE_CHECKING:
    from scanner.setup.settings import SweepOptions


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mongosweep.toml"
    path.write_text(on_a_free_port() + "rate = 1000\n", encoding="utf-8")
    return path


def observed(config: Path) -> list[str]:
    """The ids of what the only run observed."""
    return [each.event_id for each in read_run(only_run(config))]


def test_stdout_has_the_lines_that_convert_makes_of_the_journal(config: Path) -> None:
    """Equal to the byte: one function makes both."""
    here = config.parent
    done = mongosweep("sweep", "--all", "--format", "leef", "--quiet", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert [read_leef(line).attributes["id"] for line in done.stdout.splitlines()] == observed(config)
    again = mongosweep("convert", "--to", "leef", cwd=here, shell="< runs/2*/observations-0001.jsonl")
    assert again.stdout == done.stdout


def test_a_reader_that_has_enough_is_no_loss(config: Path) -> None:
    shell = "{} | head -1 | wc -l; echo ${PIPESTATUS[0]}"
    done = mongosweep("sweep", "--all", "--format", "csv", "-q", cwd=config.parent, shell=shell)
    assert done.stdout.split() == ["1", "0"]
    assert done.stderr == ""
    assert len(observed(config)) == 8


def test_a_full_disk_under_stdout_is_told_and_the_run_is_whole(config: Path) -> None:
    done = mongosweep("sweep", "--all", "--format", "cef", cwd=config.parent, shell="> /dev/full")
    assert done.returncode == 3
    assert "standard output: No space left on device" in done.stderr
    assert "the run directory has them all" in done.stderr
    assert len(observed(config)) == 8


def children(parent: int) -> list[int]:
    """Processes that convert for this one."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
                words = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(fields[1]) == parent and b"convert" in words:
                found.append(int(place.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")
def test_a_conversion_that_is_killed_costs_its_lines_and_not_the_sweep(config: Path) -> None:
    config.write_text(config.read_text().replace("127.93.0.0/28", "127.93.0.0/25").replace("/29", "/32"))
    with subprocess.Popen(
        command(config, "--all", "--rate", "100", "--format", "cef"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        run = wait_for_run(process, config, 0.3)
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == 3
    assert "the conversion ended with code -9" in said
    assert len(observed(config)) == 127
    assert load_manifest(run)[0].coverage is not None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")
def test_an_interrupted_sweep_converts_what_it_wrote(config: Path) -> None:
    config.write_text(config.read_text().replace("127.93.0.0/28", "127.93.0.0/22").replace("/29", "/32"))
    out = config.parent / "out"
    with out.open("wb") as stdout:
        process = subprocess.Popen(
            command(config, "--all", "--rate", "100", "--format", "leef", "-q"),
            stdout=stdout,
            stderr=subprocess.DEVNULL,
        )
        wait_for_run(process, config, 0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 3
    told = [read_leef(line).attributes["id"] for line in out.read_text().splitlines()]
    assert told == observed(config)
    assert 0 < len(told) < 1023


def test_a_format_is_asked_for_by_the_same_names(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(config.parent)
    assert main(["sweep", "--format", "sylog"]) == 2
    assert "there is no format 'sylog'" in capsys.readouterr().err
    assert not list(config.parent.glob("runs/*"))


def test_it_arrives_in_the_options(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SweepOptions] = []

    def run(settings: object, scope: object, options: SweepOptions, screen: object) -> object:
        asked.append(options)
        raise KeyboardInterrupt

    monkeypatch.chdir(config.parent)
    monkeypatch.setattr("scanner.sweep.sweep.run", run)
    for words in ([], ["--format", "cef"], ["--format", "native"]):
        assert main(["sweep", "--no-ledger", *words]) == 3
    assert [options.stdout_format for options in asked] == ["native", "cef", "native"]
