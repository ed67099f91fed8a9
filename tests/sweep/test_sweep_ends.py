"""How a sweep ends when its storage is slow or fails at the last moment, and what a resumed run remembers."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.files import FileSystem, StorageError
from results.run import load_manifest
from results.verdict import Verdict
from scanner.lab.honest import personalities
from scanner.lab.thread import LabThread
from scanner.setup.settings import CanarySettings, Settings, SweepOptions
from scanner.sweep import persistence as room
from scanner.sweep.checkpoint import decode
from scanner.sweep.sweep import run
from tests.support.faulty_files import Call, Wrapping
from tests.support.ports import free_port
from tests.support.servers import jammed
from tests.support.sweeps import FAST, Watcher, scope_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Slow(Wrapping):
    """Calls `then` at the first call that `fits`, before it is carried out."""

    def __init__(self, fits: Callable[[Call], bool], then: Callable[[], None]) -> None:
        super().__init__()
        self._fits = fits
        self._then: Callable[[], None] | None = then
        self.threads: list[tuple[Call, int]] = []

    def before(self, call: Call) -> bool:
        self.threads.append((call, threading.get_ident()))
        then = self._then
        if then is not None and self._fits(call):
            self._then = None
            then()
        return True


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """An fsync and a checkpoint twenty times a second."""
    monkeypatch.setattr(room, "SYNC_INTERVAL", 0.05)
    monkeypatch.setattr(room, "CHECKPOINT_EVERY", 1)


def sweep(output: Path, port: int, cidr: str, fs: FileSystem, rate: float, **more: Any) -> Any:
    settings = Settings(sweep=msgspec.structs.replace(FAST, rate=rate), **more)
    return run(settings, scope_of(port, cidr), SweepOptions(output=output), Watcher(), fs=fs)


def run_of(output: Path) -> Path:
    (manifest,) = output.glob("*/manifest.json")
    return manifest.parent


def test_the_last_checkpoint_waits_for_the_one_under_way(tmp_path: Path) -> None:
    """Two threads that replace the same file at once would tear it."""

    def interrupt_and_dawdle() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(2.5)  # longer than a sweep gives to conversations under way

    fs = Slow(lambda call: call.method == "fsync" and "checkpoint" in call.path.name, interrupt_and_dawdle)
    summary = sweep(tmp_path, free_port(), "127.91.0.0/24", fs, 50)
    assert summary.state == "interrupted"
    writers = [
        (call.method, thread)
        for call, thread in fs.threads
        if call.path.name in ("checkpoint.json", "checkpoint.json.tmp") and call.method in ("open", "rename")
    ]
    assert [method for method, _ in writers] == ["open", "rename"] * (len(writers) // 2)
    assert all(one[1] == two[1] for one, two in zip(writers[::2], writers[1::2], strict=True))
    last = decode((run_of(tmp_path) / "checkpoint.json").read_bytes())
    assert last.after + 1 - len(last.in_flight) >= sum(last.outcomes.values())
    assert last.sequence == len(writers) // 2


def test_an_fsync_that_fails_while_the_sweep_ends_is_not_passed_over(tmp_path: Path) -> None:
    with LabThread({("127.91.0.1", port := free_port()): empty()}):

        def fail_late() -> None:
            time.sleep(2.0)  # by then everything has its outcome
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        fs = Slow(lambda call: call.method == "fdatasync", fail_late)
        with pytest.raises(StorageError, match="input/output error"):
            sweep(tmp_path, port, "127.91.0.0/29", fs, 5000)
    manifest, _ = load_manifest(run_of(tmp_path))
    assert manifest.state == "failed"
    assert any("input/output error" in reason for reason in manifest.reasons)


def empty() -> Any:
    (found,) = [personality for personality in personalities() if personality.name == "empty"]
    return found


def test_a_disk_that_fails_at_the_very_end_makes_a_failed_run(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    port = free_port()
    fs = Slow(lambda call: call.method == "rename" and call.path.name == "chain.json" and sealed(fs), full)
    with pytest.raises(StorageError):
        sweep(tmp_path, port, "127.91.0.0/29", fs, 5000)
    assert load_manifest(run_of(tmp_path))[0].state == "failed"


def sealed(fs: Slow) -> bool:
    """The chain was written once, when the run was made; the next time is its end."""
    return sum(call.method == "rename" and call.path.name == "chain.json" for call in fs.calls) > 1


def test_a_resume_does_not_make_a_degraded_run_complete(tmp_path: Path) -> None:
    """A canary was silent while everything was asked; that everything is asked is no reason to forget it."""
    port = free_port()
    canary = CanarySettings(address="127.91.0.5", port=port, expect=Verdict.AUTH_REQUIRED)
    settings = Settings(sweep=FAST, canary=(canary,))
    scope = scope_of(port, "127.91.0.0/29")
    first = run(settings, scope, SweepOptions(output=tmp_path), Watcher())
    assert first.state == "degraded"
    locked = [personality for personality in personalities() if personality.name == "auth_7_1"]
    with LabThread({("127.91.0.5", port): locked[0]}):
        again = run(settings, scope, SweepOptions(output=tmp_path, resume=first.run_id), Watcher())
    assert again.state == "degraded"
    assert any("127.91.0.5" in reason for reason in again.reasons)
    assert again.outcomes == first.outcomes, "everything had its outcome already"


def test_what_was_silent_before_a_resume_is_asked_again(tmp_path: Path) -> None:
    """It may have been lost on the way then, however well everything goes now. (A silent canary keeps the
    run from being complete.)"""
    port = free_port()
    canary = CanarySettings(address="127.91.0.6", port=port, expect=Verdict.AUTH_REQUIRED)
    settings, scope = Settings(sweep=FAST, canary=(canary,)), scope_of(port, "127.91.0.0/29")
    with jammed("127.91.0.5", port):
        first = run(settings, scope, SweepOptions(output=tmp_path), Watcher())
    assert first.outcomes == {"filtered": 1, "refused": 7}
    with LabThread({("127.91.0.5", port): empty()}):
        again = run(settings, scope, SweepOptions(output=tmp_path, resume=first.run_id), Watcher())
    assert again.outcomes == {"filtered": 0, "open": 1, "refused": 7}
    assert any("asked again, 1 silent and 0 refused" in reason for reason in again.reasons)
