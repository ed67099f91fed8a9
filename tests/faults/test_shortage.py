"""A disk that hangs, and memory that ends: no target is called silent for it, and nothing found is lost."""

from __future__ import annotations

import resource
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

import scanner.sweep.persistence
from results.audit import audit
from results.run import load_manifest
from scanner.engine.order import Order
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.setup.settings import Settings, SweepOptions
from scanner.sweep.sweep import run
from tests.support.faulty_files import Call, Wrapping
from tests.support.processes import command, wait_for_run
from tests.support.sweeps import FAST, Watcher, found, scope_of

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.sweep.progress import ProgressSnapshot


LOCKED = [f"127.91.0.{number}" for number in range(1, 17)]


class Hanging(Wrapping):
    """The first fdatasync takes this many seconds; `hung` is from when to when."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.hung = (0.0, 0.0)

    def before(self, call: Call) -> bool:
        if call.method == "fdatasync" and not self.hung[1]:
            began = time.monotonic()
            time.sleep(self._seconds)
            self.hung = (began, time.monotonic())
        return True


@pytest.mark.fault("F15", "an fsync that takes 3 s, far longer than any answer is waited for")
def test_an_fsync_that_hangs_calls_nobody_silent(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner.sweep.persistence, "SYNC_INTERVAL", 0.1)
    done: list[tuple[float, int]] = []

    class Noting(Watcher):
        def progress(self, snapshot: ProgressSnapshot) -> None:
            done.append((time.monotonic(), snapshot.done))

    fs = Hanging(3.0)
    settings = Settings(sweep=msgspec.structs.replace(FAST, rate=30))
    with LabThread(dict.fromkeys([(ip, port) for ip in LOCKED], find("auth_7_1"))):
        summary = run(settings, scope_of(port), SweepOptions(output=tmp_path), Noting(), fs=fs)
    began, ended = fs.hung
    meanwhile = [count for at, count in done if began < at < ended]
    assert meanwhile[-1] - meanwhile[0] > 20, "the sweep goes on while the disk does not"
    assert summary.state == "complete", summary.reasons
    assert summary.outcomes == {"auth_required": 16, "refused": 48}


@pytest.mark.fault("F74", "RLIMIT_AS set to what is in use, in the middle of a sweep")
def test_a_process_without_memory_ends_and_its_run_is_resumed(tmp_path: Path, port: int) -> None:
    """A server whose list of names takes megabytes comes last; for it there is no memory."""
    scope, seed = scope_of(port, "127.91.0.0/26"), 5
    (*_, last) = Order(len(scope), seed).walk()
    big = scope.pick(last[1]).ip
    config = tmp_path / "mongosweep.toml"
    config.write_text(
        '[[allow]]\ncidr = "127.91.0.0/26"\nowner = "x"\nkind = "lab"\n'
        f"[sweep]\nports = [{port}]\nrate = 30\nper_prefix_rate = 100\n"
    )
    places = dict.fromkeys([(ip, port) for ip in LOCKED if ip != big], find("auth_7_1"))
    with LabThread(places | {(big, port): find("long_names")}):
        with subprocess.Popen(
            command(config, "--seed", str(seed)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                run_dir = wait_for_run(process, config, 1.0)
                resource.prlimit(process.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
                assert process.wait(timeout=60) not in (0, 1)
            finally:
                process.kill()  # nothing, once it has ended
        assert big not in found(str(run_dir))
        assert load_manifest(run_dir)[0].state != "complete"
        again = subprocess.run(
            command(config, "--resume", run_dir.name), capture_output=True, timeout=60, check=False
        )
    lines = {ip: line.verdict.value for ip, line in found(str(run_dir)).items()}
    assert lines == dict.fromkeys(LOCKED, "auth_required") | {big: "open"}, again.stderr
    assert load_manifest(run_dir)[0].outcomes == {
        "auth_required": 16 - (big in LOCKED),
        "open": 1,
        "refused": 47 + (big in LOCKED),
    }
    assert not audit(run_dir).edited
