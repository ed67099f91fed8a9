"""A sweep as a process: how it ends by signals, kills, closed pipes and reloads, and what is left then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.audit import audit
from results.progress import read_progress
from results.run import load_manifest
from results.runs import run_info
from scanner.lab.thread import LabThread
from scanner.sweep.checkpoint import decode
from tests.netns.oracle import until
from tests.support.processes import command, only_run, wait_for_run
from tests.support.sweeps import estate, found

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "mongosweep.toml"
    path.write_text(
        '[[allow]]\ncidr = "127.91.0.0/24"\nowner = "web platform"\nkind = "lab"\n'
        f"[sweep]\nports = [{port}]\nrate = 100\nper_prefix_rate = 1000\nconnect_timeout = 0.5\n"
    )
    return path


@pytest.fixture
def magazine(port: int) -> Iterator[LabThread]:
    servers = estate({"magazine", "auth_7_1", "empty"})
    with LabThread({(ip, port): personality for ip, personality in servers.items()}) as lab:
        yield lab


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_quickly_and_the_run_can_be_resumed(
    config: Path, magazine: LabThread, number: signal.Signals
) -> None:
    process = subprocess.Popen(command(config), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run_dir = wait_for_run(process, config, 1.0)
    process.send_signal(number)
    began = time.monotonic()
    _, errors = process.communicate(timeout=15)
    assert time.monotonic() - began < 4
    assert process.returncode == 3, errors
    assert b"not reached" in errors
    assert b"Traceback" not in errors
    manifest, _ = load_manifest(run_dir)
    assert manifest.state == "interrupted"
    assert manifest.coverage is not None
    assert manifest.coverage.not_reached > 0

    again = subprocess.run(
        command(config, "--resume", run_dir.name), capture_output=True, timeout=60, check=False
    )
    assert again.returncode == 1, again.stderr
    manifest, _ = load_manifest(run_dir)
    assert manifest.state == "complete"
    assert manifest.coverage is not None
    assert manifest.coverage.outcomes == 256
    assert set(found(str(run_dir))) == {"127.91.0.1", "127.91.0.2", "127.91.0.3"}
    assert not audit(run_dir).edited


def test_a_killed_run_is_resumed_without_loss(config: Path, magazine: LabThread) -> None:
    process = subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run_dir = wait_for_run(process, config, 1.4)
    until(lambda: (told := read_progress(run_dir)) is not None and told.done > 0)
    process.kill()
    process.wait()
    left = run_info(run_dir)
    assert left.state == "aborted"
    assert left.progress is not None
    assert (left.progress.planned, left.progress.positions) == (256, 256)
    assert 0 < left.progress.done <= left.progress.asked == left.progress.position < 256
    again = subprocess.run(
        command(config, "--resume", run_dir.name), capture_output=True, timeout=60, check=False
    )
    assert again.returncode == 1, again.stderr
    assert set(found(str(run_dir))) == {"127.91.0.1", "127.91.0.2", "127.91.0.3"}
    manifest, _ = load_manifest(run_dir)
    assert manifest.coverage is not None
    assert manifest.coverage.outcomes == 256
    assert not list(run_dir.glob("progress.json*"))


@pytest.mark.parametrize("also_in_the_chain", [False, True])
def test_a_checkpoint_that_claims_everything_is_not_believed(
    config: Path, magazine: LabThread, also_in_the_chain: bool
) -> None:
    """Its checksum is right, and every target is asked again all the same."""
    process = subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    run_dir = wait_for_run(process, config, 0.3)
    until(lambda: (run_dir / "observations-0001.jsonl").stat().st_size > 0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    path = run_dir / "checkpoint.json"
    forged = msgspec.structs.replace(
        decode(path.read_bytes()), after=255, in_flight=[], outcomes={"refused": 256}, repetition=None
    )
    path.write_bytes(forged.encode())
    (run_dir / "checkpoint.json.prev").unlink(missing_ok=True)
    if also_in_the_chain:
        chain = json.loads((run_dir / "chain.json").read_bytes())
        (run_dir / "chain.json").write_text(json.dumps(chain | {"checkpoints": None}))
    again = subprocess.run(
        command(config, "--resume", run_dir.name), capture_output=True, timeout=60, check=False
    )
    assert again.returncode == 1, again.stderr
    assert b"every target is asked again" in again.stderr
    assert set(found(str(run_dir))) == {"127.91.0.1", "127.91.0.2", "127.91.0.3"}


def test_resume_refuses_another_scope_and_says_what_changed(config: Path, magazine: LabThread) -> None:
    process = subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run_dir = wait_for_run(process, config, 0.3)
    process.kill()
    process.wait()
    config.write_text(config.read_text().replace("127.91.0.0/24", "127.91.0.0/25"))
    again = subprocess.run(
        command(config, "--resume", run_dir.name), capture_output=True, timeout=60, check=False
    )
    assert again.returncode == 2
    assert b"cannot resume" in again.stderr
    assert b"127.91.0.0/25" in again.stderr


def test_a_second_sweep_in_the_same_place_is_busy(config: Path) -> None:
    slow = command(config, "--rate", "4")  # a minute, so that it is there whenever the second comes
    first = subprocess.Popen(slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_run(first, config, 0.2)
    second = subprocess.run(command(config), capture_output=True, timeout=20, check=False)
    first.send_signal(signal.SIGINT)
    first.wait(timeout=15)
    assert second.returncode == 5
    assert b"Traceback" not in second.stderr


def test_stdout_has_the_journal_and_nothing_else(config: Path, magazine: LabThread) -> None:
    done = subprocess.run(command(config), capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["target"]["ip"] for line in lines} == {"127.91.0.1", "127.91.0.2", "127.91.0.3"}
    assert done.stdout == (only_run(config) / "observations-0001.jsonl").read_bytes()


def test_a_closed_stdout_ends_quietly_and_the_run_is_whole(config: Path, magazine: LabThread) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(command(config), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.close(reader)
    _, errors = process.communicate(timeout=60)
    assert b"Traceback" not in errors
    assert b"Exception" not in errors
    assert process.returncode == 1
    assert set(found(str(only_run(config)))) == {"127.91.0.1", "127.91.0.2", "127.91.0.3"}


def test_a_hangup_narrows_the_scope_of_a_running_sweep(config: Path, magazine: LabThread) -> None:
    process = subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    run_dir = wait_for_run(process, config, 0.5)
    config.write_text(config.read_text() + '[[deny]]\ncidr = "127.91.0.64-127.91.0.255"\nreason = "freeze"\n')
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=60)
    assert b"scope reloaded" in errors
    assert process.returncode == 3
    manifest, _ = load_manifest(run_dir)
    assert manifest.coverage is not None
    assert manifest.coverage.excluded > 100
    assert [text.partition(":")[0] for text in manifest.withdrawn] == ["127.91.0.64-127.91.0.255"]
    assert manifest.state == "degraded"
