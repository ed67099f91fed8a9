"""The doctor's judgements, on machines made of files and on this one."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from scanner.cli import main
from scanner.errors import RefusedError
from scanner.mongo import wire
from scanner.setup.doctor import (
    Check,
    Level,
    Machine,
    core_check,
    diagnose,
    examine,
    require_descriptors,
    syn_schedule,
)
from scanner.setup.settings import SweepSettings


class Stopped:
    """A clock that stands still."""

    def __init__(self, wall: float = 1_795_521_600.0) -> None:
        self._wall = wall

    def wall(self) -> float:
        """The same time always."""
        return self._wall

    def monotonic(self) -> float:
        """The same time always."""
        return 5.0

    def boottime(self) -> float:
        """The same time always."""
        return 5.0


FILES = {
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999",
    "proc/sys/net/ipv4/tcp_syn_retries": "6",
    "proc/sys/net/ipv4/tcp_syn_linear_timeouts": "4",
    "proc/sys/net/netfilter/nf_conntrack_max": "262144",
    "proc/sys/net/netfilter/nf_conntrack_count": "10",
    "proc/sys/net/ipv4/neigh/default/gc_thresh3": "8192",
    "proc/sys/net/ipv6/conf/all/disable_ipv6": "0",
    "proc/self/status": "Name:\tpython\nCapEff:\t0000000000002000\n",
}


def look(
    root: Path,
    changes: dict[str, str | None] | None = None,
    *,
    sweep: SweepSettings | None = None,
    descriptors: tuple[int, int] = (65536, 65536),
    wall: float = 1_795_521_600.0,
) -> dict[str, Check]:
    """Examine a machine made of files, with some of them changed or missing (None)."""
    for name, text in {**FILES, **(changes or {})}.items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + "\n", encoding="ascii")
    machine = Machine(root=root, clock=Stopped(wall), descriptors=descriptors)
    return {check.name: check for check in examine(machine, sweep or SweepSettings(), root)}


def test_a_good_machine_has_no_remark(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert {check.level for check in found.values()} == {"ok"}
    assert not any(check.remedy for check in found.values())


NO_CAPABILITY = {"proc/self/status": "CapEff:\t0000000000000000"}
OLD_KERNEL = {"proc/sys/net/ipv4/tcp_syn_linear_timeouts": "0"}


@pytest.mark.parametrize(
    ("name", "changes", "sweep", "level", "remedy"),
    [
        ("ports", {"proc/sys/net/ipv4/ip_local_port_range": "60000 60100"}, {}, "warning", "sysctl"),
        ("connect timeout", {}, {"connect_timeout": 1.0}, "warning", "2.5"),
        ("connect timeout", {}, {"connect_timeout": 3.1}, "warning", "3.5"),
        ("connect timeout", OLD_KERNEL, {"connect_timeout": 3.2}, "warning", "3.5"),
        ("conntrack", {"proc/sys/net/netfilter/nf_conntrack_max": "65536"}, {}, "warning", "notrack"),
        ("neighbour table", {"proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024"}, {}, "warning", "thresh3"),
        ("raw sockets", NO_CAPABILITY, {"engine": "syn"}, "warning", "never setcap"),
        ("raw sockets", NO_CAPABILITY, {}, "ok", ""),
        ("IPv6", {"proc/sys/net/ipv6/conf/all/disable_ipv6": "1"}, {}, "warning", "disable_ipv6=0"),
    ],
)
def test_what_is_short_is_named_with_its_remedy(
    tmp_path: Path,
    name: str,
    changes: dict[str, str | None],
    sweep: dict[str, Any],
    level: Level,
    remedy: str,
) -> None:
    check = look(tmp_path, changes, sweep=SweepSettings(**sweep))[name]
    assert check.level == level
    assert remedy in check.remedy


@pytest.mark.parametrize(
    ("limits", "level"), [((1024, 65536), "ok"), ((1024, 2048), "warning"), ((64, 64), "failure")]
)
def test_descriptors_are_judged_by_the_hard_limit(
    tmp_path: Path, limits: tuple[int, int], level: Level
) -> None:
    assert look(tmp_path, descriptors=limits)["descriptors"].level == level


def test_an_unlimited_machine_is_enough(tmp_path: Path) -> None:
    assert look(tmp_path, descriptors=(1024, resource.RLIM_INFINITY))["descriptors"].level == "ok"


def test_a_clock_before_this_version_is_a_failure(tmp_path: Path) -> None:
    assert look(tmp_path, wall=0.0)["clock"].level == "failure"


def test_a_machine_without_these_files_is_examined_all_the_same(tmp_path: Path) -> None:
    found = look(tmp_path, dict.fromkeys(FILES))
    assert "ports" not in found
    assert found["raw sockets"].level == "ok"


def test_an_output_that_is_a_file_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    machine = Machine(clock=Stopped())
    checks = {check.name: check for check in examine(machine, SweepSettings(), file)}
    assert checks["disk"].level == "failure"


def test_the_schedule_is_that_of_the_kernel() -> None:
    """Measured on Linux 6.18: 0, 1, 2, 3, 4, 5, 7 s; kernels before the option send at 0, 1, 3, 7, 15 s."""
    assert syn_schedule(6, 4) == [0, 1, 2, 3, 4, 5, 7]
    assert syn_schedule(4, 0) == [0, 1, 3, 7, 15]


def test_too_few_descriptors_refuse_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    with pytest.raises(RefusedError, match="ulimit -n"):
        require_descriptors()


def test_this_machine_is_examined_whole(tmp_path: Path) -> None:
    scope = tmp_path / "scope.txt"
    scope.write_text("10.20.0.0/16\n!10.20.30.0/24 # medical devices\n", encoding="utf-8")
    diagnosis = diagnose(None, str(scope), str(tmp_path / "runs"))
    assert {"platform", "core", "descriptors", "event loop", "clock", "disk", "scope"} <= {
        check.name for check in diagnosis.checks
    }
    assert diagnosis.checks[-1].found.startswith("65,280 addresses, deny takes away 256")
    assert diagnosis.checks[0].name == "platform"


def test_it_says_whether_the_core_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "__file__", "/usr/lib/scanner/mongo/wire.py")
    assert core_check() == Check("core", "ok", "interpreted: all of it is Python")
    monkeypatch.setattr(wire, "__file__", "/usr/lib/scanner/mongo/wire.cpython-311-x86_64-linux-gnu.so")
    assert core_check() == Check("core", "ok", "compiled")


def test_a_refused_scope_is_a_failure_with_its_remedy(tmp_path: Path) -> None:
    scope = tmp_path / "scope.txt"
    scope.write_text("8.8.8.8\n", encoding="utf-8")
    diagnosis = diagnose(None, str(scope), str(tmp_path))
    assert diagnosis.exit_code == 2
    assert diagnosis.checks[-1].level == "failure"
    assert "authorised_by" in diagnosis.checks[-1].remedy


@pytest.mark.parametrize(
    ("free", "files", "code", "level"),
    [
        (100_000, 1000, 2, "failure"),
        (1024 * 1024 - 4096, 1000, 2, "failure"),
        (1 << 30, 3, 2, "failure"),
        (64 * 1024 * 1024, 1000, 0, "warning"),
        (1 << 40, 1000, 0, "ok"),
    ],
)
def test_doctor_and_sweep_agree_on_how_much_room_is_enough(
    tmp_path: Path,
    port: int,
    free: int,
    files: int,
    code: int,
    level: Level,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What doctor passes, a sweep starts with; what a sweep refuses, doctor fails."""
    monkeypatch.chdir(tmp_path)
    Path("mongosweep.toml").write_text(
        f'[[allow]]\ncidr = "127.94.3.0/31"\nkind = "lab"\n[sweep]\nports = [{port}]\n'
    )
    room = os.statvfs_result((4096, 4096, 1 << 40, free // 4096, free // 4096, 1 << 20, files, files, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: room)
    assert main(["doctor"]) == code
    said = next(line for line in capfd.readouterr().out.splitlines() if " disk " in line)
    assert said.startswith(level)
    assert main(["sweep", "-q"]) == code
