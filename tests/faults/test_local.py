"""Faults of this machine and of our own code: none is a target's outcome, and none stops the others."""

from __future__ import annotations

import errno
import resource
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import scanner.engine.retries
from results.reading import read_run
from results.run import load_manifest
from scanner.engine.probe import Probe
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.network.connect.slot import Slot
from scanner.setup.settings import Blackout, Settings
from targets.entries import Entry
from targets.scope import Scope
from tests.support.processes import command, wait_for_run
from tests.support.sweeps import FAST, Watcher, found, scope_of, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from results.record import Observation
    from scanner.network.connect.base import Link


SERVERS = [f"127.91.0.{number}" for number in range(1, 17)]


def locked(port: int) -> LabThread:
    """Sixteen servers that want a password."""
    return LabThread(dict.fromkeys([(ip, port) for ip in SERVERS], find("auth_7_1")))


def verdicts(run_dir: str) -> dict[str, str]:
    """Address -> verdict."""
    return {ip: line.verdict.value for ip, line in found(run_dir).items()}


class TestOurOwnBugs:
    @pytest.mark.fault("F77", "what serves one target raises, each time")
    def test_one_probe_that_raises_costs_its_own_target_alone(
        self, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Never an outcome: asked twice, then not reached, counted, and the run is not clean."""
        honest = Probe.received

        def received(self: Probe, link: Link, data: bytes) -> None:
            if str(link.target).startswith("127.91.0.7:"):
                raise KeyError("a bug")
            honest(self, link, data)

        monkeypatch.setattr(Probe, "received", received)
        with locked(port):
            summary, _ = sweep(scope_of(port), tmp_path)
        assert verdicts(summary.run_dir) == dict.fromkeys(set(SERVERS) - {"127.91.0.7"}, "auth_required")
        assert (summary.state, summary.exit_code, summary.not_reached) == ("degraded", 3, 1)
        assert any(
            "2 failures of our own code" in reason and "KeyError" in reason for reason in summary.reasons
        )

    @pytest.mark.fault("F77", "writing down one answer raises, once")
    def test_a_bug_that_passes_costs_no_target(
        self, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from scanner.engine.recorder import Recorder

        honest, failures = Recorder.record, [ZeroDivisionError()]

        def record(self: Recorder, *arguments: Any) -> None:
            if failures:
                raise failures.pop()
            honest(self, *arguments)

        monkeypatch.setattr(Recorder, "record", record)
        with locked(port):
            summary, _ = sweep(scope_of(port), tmp_path)
        assert verdicts(summary.run_dir) == dict.fromkeys(SERVERS, "auth_required")
        assert (summary.state, summary.not_reached) == ("degraded", 0)

    @pytest.mark.fault("F76", "the loop is held for 2.5 s while every answer is pending")
    def test_a_loop_that_was_held_calls_nobody_silent(self, tmp_path: Path, port: int) -> None:
        held: list[float] = []

        class Holding(Watcher):
            def found(self, observation: Observation) -> None:
                super().found(observation)
                if not held:
                    held.append(2.5)
                    time.sleep(2.5)

        from scanner.setup.settings import SweepOptions
        from scanner.sweep.sweep import run

        places = dict.fromkeys([(ip, port) for ip in SERVERS], find("auth_7_1"))
        with LabThread(places | {("127.91.0.20", port): find("empty")}):
            summary = run(Settings(sweep=FAST), scope_of(port), SweepOptions(output=tmp_path), Holding())
        assert held
        assert verdicts(summary.run_dir) == dict.fromkeys(SERVERS, "auth_required") | {"127.91.0.20": "open"}
        assert any("stood still" in reason for reason in summary.reasons)

    @pytest.mark.fault("F71", "SIGSTOP for 3 s, again and again, with replies pending")
    def test_a_stopped_process_calls_nobody_silent(self, tmp_path: Path, port: int) -> None:
        config = tmp_path / "mongosweep.toml"
        config.write_text(
            '[[allow]]\ncidr = "127.91.0.0/26"\nowner = "x"\nkind = "lab"\n'
            f"[sweep]\nports = [{port}]\nrate = 12\nper_prefix_rate = 100\nreply_timeout = 0.8\n"
        )
        with locked(port):
            process = subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            run_dir = wait_for_run(process, config, 0.3)
            for _ in range(3):
                process.send_signal(signal.SIGSTOP)
                time.sleep(2.0)
                process.send_signal(signal.SIGCONT)
                time.sleep(0.4)
            process.wait(timeout=60)
        assert verdicts(str(run_dir)) == dict.fromkeys(SERVERS, "auth_required")
        manifest, _ = load_manifest(run_dir)
        assert manifest.state == "complete"
        assert any("stood still" in reason for reason in manifest.reasons)


LOCAL = [
    *(errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.ENOBUFS, errno.ENOMEM, errno.ENETUNREACH),
    *(errno.ENETDOWN, errno.EHOSTUNREACH, errno.EINVAL, errno.ENODEV),
]


class TestWhatTheKernelRefuses:
    def failing(self, monkeypatch: pytest.MonkeyPatch, number: int, times: int) -> None:
        """The next so many connects return this errno; nothing is sent."""
        left = [times]
        born = Slot.__init__

        def init(self: Slot, *arguments: Any) -> None:
            born(self, *arguments)
            honest = self.sock.connect_ex

            def connect_ex(address: Any) -> int:
                if left[0] and self.phase == 0 and str(address[0]).startswith("127.91."):
                    left[0] -= 1
                    return number
                return honest(address)

            self.connect_ex = connect_ex

        monkeypatch.setattr(Slot, "__init__", init)

    @pytest.mark.fault("F70", "connect returns each errno of this machine, ten times")
    @pytest.mark.parametrize("number", LOCAL, ids=lambda number: errno.errorcode[number])
    def test_a_fault_of_ours_is_asked_again(
        self, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        monkeypatch.setattr(scanner.engine.retries, "FAULT_DELAY", 0.05)
        self.failing(monkeypatch, number, 10)
        summary, _ = sweep(scope_of(port, "127.91.0.0/28"), tmp_path)
        assert summary.state == "complete", summary.reasons
        assert summary.outcomes["refused"] == 16

    @pytest.mark.fault("F70", "connect returns EACCES or EPERM")
    @pytest.mark.parametrize(
        "number", [errno.EACCES, errno.EPERM], ids=lambda number: errno.errorcode[number]
    )
    def test_a_fence_stops_everything_at_once(
        self, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        self.failing(monkeypatch, number, 1)
        slow = Settings(sweep=msgspec.structs.replace(FAST, rate=100))
        summary, _ = sweep(scope_of(port, "127.91.0.0/24"), tmp_path, slow)
        assert summary.exit_code == 3
        assert summary.not_reached > 200
        assert any("refused a connect to an address in scope" in reason for reason in summary.reasons)

    @pytest.mark.fault("F70", "connect returns ENOBUFS for ever")
    @pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.ENETUNREACH])
    def test_a_fault_that_lasts_ends_the_sweep_as_not_reached(
        self, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        monkeypatch.setattr(scanner.engine.retries, "FAULT_DELAY", 0.05)
        monkeypatch.setattr(scanner.engine.retries, "FAULT_PATIENCE", 1.0)
        self.failing(monkeypatch, number, 10**9)
        summary, _ = sweep(scope_of(port, "127.91.0.0/28"), tmp_path)
        assert (summary.state, summary.not_reached) == ("degraded", 16)
        assert sum(summary.outcomes.values()) == 0
        assert any(errno.errorcode[number] in reason for reason in summary.reasons)

    @pytest.mark.fault("F70", "RLIMIT_NOFILE of 160 for 512 targets")
    def test_too_few_descriptors_make_it_slower_and_nothing_else(self, tmp_path: Path, port: int) -> None:
        config = tmp_path / "mongosweep.toml"
        config.write_text(
            '[[allow]]\ncidr = "127.91.8.0/23"\nowner = "x"\nkind = "lab"\n'
            f"[sweep]\nports = [{port}]\nrate = 2000\nper_prefix_rate = 9000\n"
            "reply_timeout = 0.3\nhost_timeout = 0.5\nconnect_timeout = 0.5\nconcurrency = 2000\n"
        )
        with socket.socket() as mute:
            mute.bind(("127.91.8.0", port))
            mute.listen(4096)
            done = subprocess.run(
                command(config),
                capture_output=True,
                timeout=60,
                check=False,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160)),
            )
        assert b"160 open files are allowed, so 96 connections at a time instead of 2000" in done.stderr
        (manifest,) = (tmp_path / "runs").glob("2*/manifest.json")
        read, _ = load_manifest(manifest.parent)
        assert read.state == "degraded", "whoever is mute, though asked twice, is known to nobody"
        assert read.reasons == ["1 servers accepted and did not answer in time: they are unknown"]
        assert read.outcomes == {"refused": 511, "unknown": 1}


class Jumpy:
    """Clocks whose wall time a test moves. `boottime` may stand for a suspended machine."""

    def __init__(self) -> None:
        self.shift = 0.0
        self.asleep = 0.0

    def wall(self) -> float:
        return time.time() + self.shift

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.monotonic() + self.asleep


class TestClocks:
    def swept(
        self, tmp_path: Path, port: int, expires: float, jump: Any, settings: Settings | None = None
    ) -> tuple[Any, Jumpy]:
        """A sweep of 256 addresses in about 1.5 s, in whose middle `jump(clock)` is called."""
        clock = Jumpy()

        class Jumping(Watcher):
            def progress(self, snapshot: Any) -> None:
                super().progress(snapshot)
                if snapshot.done > 60 and not clock.shift and not clock.asleep:
                    jump(clock)

        from scanner.setup.settings import SweepOptions
        from scanner.sweep.sweep import run

        scope = Scope([Entry.of("127.91.0.0/24", owner="x", kind="lab", expires=expires)], ports=[port])
        settings = settings or Settings(sweep=msgspec.structs.replace(FAST, rate=150))
        options = SweepOptions(output=tmp_path, everything=True)
        return run(settings, scope, options, Jumping(), clock=clock), clock

    @pytest.mark.fault("F72", "the wall clock steps a day, either way")
    @pytest.mark.parametrize("step", [86400.0, -86400.0])
    def test_a_step_of_the_wall_clock_changes_no_outcome_and_no_pace(
        self, tmp_path: Path, port: int, step: float
    ) -> None:
        began = time.monotonic()
        summary, _ = self.swept(tmp_path, port, float("inf"), lambda clock: setattr(clock, "shift", step))
        assert time.monotonic() - began > 1.2  # 256 at 150 a second: nothing was saved up
        assert summary.state == "complete"
        assert summary.outcomes["refused"] == 256
        assert len({line.event_id for line in read_run(tmp_path / summary.run_id)}) == 256

    @pytest.mark.fault("F38", "the wall clock steps past an expiry, or is set back before it")
    def test_the_stricter_clock_decides_on_expiry(self, tmp_path: Path, port: int) -> None:
        def forward(clock: Jumpy) -> None:
            clock.shift = 7200.0

        def back_and_slept(clock: Jumpy) -> None:
            clock.shift, clock.asleep = -86400.0, 7200.0

        for number, jump in enumerate((forward, back_and_slept)):
            summary, _ = self.swept(tmp_path / str(number), port, time.time() + 3600, jump)
            assert summary.state == "degraded"
            assert 0 < summary.excluded < 200
            assert summary.excluded + summary.outcomes["refused"] == 256

    @pytest.mark.fault("F52", "a blackout window, and a clock that leaves it")
    def test_nothing_is_sent_into_a_blackout(self, tmp_path: Path, port: int) -> None:
        at = time.gmtime(time.time() - 60)
        end = time.gmtime(time.time() + 3600)
        window = Blackout(
            cidr="127.91.0.0/28",
            start=f"{at.tm_hour:02}:{at.tm_min:02}",
            to=f"{end.tm_hour:02}:{end.tm_min:02}",
            reason="trading",
        )
        settings = Settings(sweep=msgspec.structs.replace(FAST, rate=150), blackout=(window,))
        seen: list[int] = []
        with locked(port) as lab:

            def leave(clock: Jumpy) -> None:
                time.sleep(0.3)
                seen.extend(server.record.connections for server in lab.servers)
                clock.shift = 7200.0

            summary, _ = self.swept(tmp_path, port, float("inf"), leave, settings)
        assert seen[:15] == [0] * 15  # the sixteenth server is outside the window
        assert summary.state == "complete"
        assert summary.outcomes["auth_required"] == 16
