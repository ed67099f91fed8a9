"""No packet for an address outside the scope, counted by the kernel; and the counters are shown to count."""

from __future__ import annotations

import signal
import textwrap
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cli.programs import ROOT
from tests.netns.oracle import NOWHERE, Program, estate, outside, serving, until, watch
from tests.support import netns

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(110)

# Overlaps, a hole in the middle, a hole at an edge, single addresses, and IPv6.
SCOPE = """
[[allow]]
cidr = "10.77.0.0/23"
owner = "a"
[[allow]]
cidr = "10.77.1.0/24"
owner = "b"
[[allow]]
cidr = "10.77.9.1"
owner = "c"
[[allow]]
cidr = "fd78:0:0:1::/121"
owner = "d"
[[deny]]
cidr = "10.77.0.64-10.77.0.127"
reason = "a hole"
[[deny]]
cidr = "10.77.1.192/26"
reason = "an edge"
[[deny]]
cidr = "fd78:0:0:1::10-fd78:0:0:1::1f"
reason = "a hole"
"""
ALLOW4 = "10.77.0.0-10.77.0.63, 10.77.0.128-10.77.1.191, 10.77.9.1"
ALLOW6 = "fd78:0:0:1::-fd78:0:0:1::f, fd78:0:0:1::20-fd78:0:0:1::7f"
TARGETS = 64 + 128 + 192 + 1 + 112
PACE = """
[sweep]
rate = {rate}
per_prefix_rate = 100000
connect_timeout = 0.5
reply_timeout = 1.0
"""
FAST = PACE.format(rate=8000)


@netns.required
class TestNothingLeaves:
    @pytest.mark.fault("F31", "a scope of overlaps and holes, swept, with counters in the kernel")
    @pytest.mark.parametrize("engine", ["connect", "syn"])
    def test_a_sweep_stays_inside(self, tmp_path: Path, engine: str) -> None:
        with estate() as (scan, corp), serving(corp, "10.77.0.5=empty", "fd78:0:0:1::5=auth_7_1"):
            program = Program(scan, tmp_path)
            program.configure(SCOPE + FAST)
            watch(scan, corp, ALLOW4, ALLOW6)
            done = program.run("--engine", engine)
            assert done.returncode == 1, done.stderr
            assert outside(scan, corp) == NOWHERE
            seen = scan.counters()
            assert seen["left_inside"] >= TARGETS
            # Raw frames pass by the hook at which programs hand packets over: most of these were such.
            assert (seen["left_inside"] > seen["sent_inside"] + TARGETS / 2) == (engine == "syn")
        assert program.manifest["coverage"]["outcomes"] == TARGETS
        assert {line["target"]["ip"] for line in program.lines} == {"10.77.0.5", "fd78:0:0:1::5"}

    @pytest.mark.fault("F31", "the same with workers, for servers that get several connections each")
    def test_workers_stay_inside(self, tmp_path: Path) -> None:
        places = ("10.77.0.5=magazine", "10.77.0.6=tls_open", "10.77.1.9=auth_7_1", "fd78:0:0:1::5=primary")
        with estate() as (scan, corp), serving(corp, *places):
            program = Program(scan, tmp_path)
            program.configure(SCOPE + FAST + "workers = 2\n")
            watch(scan, corp, ALLOW4, ALLOW6)
            done = program.run()
            assert done.returncode == 1, done.stderr
            assert outside(scan, corp) == NOWHERE
        assert program.manifest["coverage"]["outcomes"] == TARGETS
        assert len({line["target"]["ip"] for line in program.lines}) == len(places)

    @pytest.mark.fault("F01", "kill -9 in the middle, resumed, with counters in the kernel")
    @pytest.mark.parametrize("engine", ["connect", "syn"])
    def test_a_killed_and_resumed_sweep_stays_inside(self, tmp_path: Path, engine: str) -> None:
        with estate() as (scan, corp), serving(corp, "10.77.0.5=empty", "10.77.1.9=auth_7_1"):
            program = Program(scan, tmp_path)
            program.configure(SCOPE + PACE.format(rate=120))
            watch(scan, corp, ALLOW4, ALLOW6)
            with program.running("--engine", engine):
                program.started("left_inside", 150)  # and here it is killed
            done = program.run("--engine", engine, "--rate", "8000", "--resume", program.run_dir.name)
            assert done.returncode == 1, done.stderr
            assert outside(scan, corp) == NOWHERE
        assert program.manifest["coverage"]["outcomes"] == TARGETS
        assert {line["target"]["ip"] for line in program.lines} == {"10.77.0.5", "10.77.1.9"}

    @pytest.mark.fault("F33", "mapped, translated and tunnelled forms as TARGET and as allow entry")
    def test_embedded_forms_are_refused_before_a_packet(self, tmp_path: Path) -> None:
        forms = ("::ffff:10.77.0.5", "::10.77.0.5", "64:ff9b::a4d:5", "2002:a4d:5::1")
        with estate() as (scan, corp):
            program = Program(scan, tmp_path)
            watch(scan, corp, "10.77.255.255")
            program.configure(SCOPE + FAST)
            assert program.run(forms[0]).returncode == 2
            for form in forms[1:4]:
                program.configure(f'[[allow]]\ncidr = "{form}"\nowner = "x"\n' + FAST)
                assert program.run().returncode == 2
            assert outside(scan, corp) == NOWHERE
            assert scan.counters()["left_inside"] == 0

    @pytest.mark.fault("F35", "hello names other hosts, a primary and itself elsewhere; also with --confirm")
    def test_hosts_that_a_server_names_get_no_packet(self, tmp_path: Path) -> None:
        places = ("10.77.0.5=primary", "10.77.0.6=other_hosts", "10.77.0.7=secondary")
        with estate() as (scan, corp), serving(corp, *places):
            program = Program(scan, tmp_path)
            program.configure('[[allow]]\ncidr = "10.77.0.4/30"\nowner = "x"\n' + FAST)
            watch(scan, corp, "10.77.0.4/30")
            done = program.run("--confirm")
            assert done.returncode == 1, done.stderr
            assert outside(scan, corp) == NOWHERE
        lines = {line["target"]["ip"]: line for line in program.lines}
        assert len(lines) == 3
        assert all(line["confirmation"] is not None for line in lines.values())


WORKERS_ASTRAY = """
import scanner.engine.worker
from scanner.network.connect.slot import Slot
from targets.target import Target

reopen = Slot.reopen

def astray(self):
    if self.adopted:
        version, address, port = self.target
        self.target = tuple.__new__(Target, (version, address + 0x10000, port))
        self.sockaddr = self.target.sockaddr
    reopen(self)

Slot.reopen = astray
if {disable}:
    scanner.network.guard.ScopeGuard.permits = lambda self, target: True
"""


@netns.required
@pytest.mark.fault("F31", "workers that would open their further connections elsewhere")
@pytest.mark.parametrize("disable", [False, True], ids=["guarded", "without the check"])
def test_the_guard_of_a_worker_holds_alone(tmp_path: Path, disable: bool) -> None:
    """A server that wants TLS gets a second connection, from a worker; here it would go elsewhere."""
    folder = tmp_path / "astray"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(WORKERS_ASTRAY).format(disable=disable))
    with estate() as (scan, corp), serving(corp, "10.77.0.5=tls_open"):
        program = Program(scan, tmp_path)
        program.configure('[[allow]]\ncidr = "10.77.0.5"\nowner = "x"\n' + FAST + "workers = 2\n")
        watch(scan, corp, "10.77.0.5")
        done = program.run(PYTHONPATH=f"{folder}:{ROOT}")
        assert done.returncode in (0, 1, 3), done.stderr
        assert (outside(scan, corp) == NOWHERE) != disable


BREAK = """
import scanner.network.guard
from targets.scope import Scope
from targets.target import Target

pick, pick_all = Scope.pick, Scope.pick_all

def astray(target):
    version, address, port = target
    return tuple.__new__(Target, (version, address + {step}, port))

Scope.pick = lambda self, index: astray(pick(self, index))
Scope.pick_all = lambda self, indices: [astray(pick(self, index)) for index in indices]
if {disable}:
    scanner.network.guard.ScopeGuard.permits = lambda self, target: True
    scanner.network.guard.ScopeGuard.filter = lambda self: lambda target: True
"""


def broken(tmp_path: Path, *, disable: bool) -> str:
    """A folder for PYTHONPATH that lets the walk go astray, and with `disable` takes the check away."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(BREAK).format(step=0x10000, disable=disable))
    return f"{folder}:{ROOT}"


@netns.required
class TestTheWitness:
    ONE = '[[allow]]\ncidr = "10.77.0.0/26"\nowner = "x"\n'

    def test_a_walk_gone_astray_is_stopped_by_the_guard(self, tmp_path: Path) -> None:
        with estate() as (scan, corp):
            program = Program(scan, tmp_path)
            program.configure(self.ONE + FAST)
            watch(scan, corp, "10.77.0.0/26")
            done = program.run(PYTHONPATH=broken(tmp_path, disable=False))
            assert done.returncode == 3, done.stderr
            assert outside(scan, corp) == NOWHERE
        assert program.manifest["coverage"]["excluded"] == 64

    def test_without_the_check_the_counters_show_it(self, tmp_path: Path) -> None:
        with estate() as (scan, corp):
            program = Program(scan, tmp_path)
            program.configure(self.ONE + FAST)
            watch(scan, corp, "10.77.0.0/26")
            program.run(PYTHONPATH=broken(tmp_path, disable=True))
            assert min(outside(scan, corp).values()) >= 64
            assert scan.counters()["left_inside"] == 0

    @pytest.mark.fault("F41", "the check is taken away; a routing rule prohibits what is outside")
    def test_without_the_check_the_second_fence_holds(self, tmp_path: Path) -> None:
        with estate() as (scan, corp):
            program = Program(scan, tmp_path)
            program.configure(self.ONE + FAST)
            watch(scan, corp, "10.77.0.0/26")
            scan.run(["ip", "route", "add", "prohibit", "10.78.0.0/16"])
            done = program.run(PYTHONPATH=broken(tmp_path, disable=True))
            assert done.returncode == 3
            assert "refused a connect" in done.stderr
            assert "EACCES" in done.stderr
            assert outside(scan, corp) == NOWHERE
        assert program.manifest["coverage"]["outcomes"] == 0


def seconds_to_start(program: Program) -> float:
    """What the program needs on this machine now before it begins to ask, with a margin."""
    began = time.monotonic()
    program.configure("")
    assert program.run().returncode == 2
    return 2 * (time.monotonic() - began)


@netns.required
class TestDeniedMeansDenied:
    WIDE = '[[allow]]\ncidr = "10.77.0.0/20"\nowner = "x"\n'
    UPPER = "10.77.8.0/21"

    def watch_upper(self, corp: netns.Namespace) -> None:
        """Count everything that comes for the upper half, and answer nothing there: SYNs are repeated."""
        corp.nft(
            "table netdev upper {\ncounter upper { }\nchain c {\n"
            f"type filter hook ingress device {corp.device} priority -400\n"
            f"ip daddr {self.UPPER} counter name upper drop\n}}\n}}\n"
        )

    def frozen(self, corp: netns.Namespace) -> None:
        """A second after now nothing more comes for the upper half."""
        time.sleep(1.0)
        then = corp.counters()["upper"]
        assert then > 50
        time.sleep(2.5)
        assert corp.counters()["upper"] == then

    @pytest.mark.fault("F40", "SIGHUP with a wider deny while connects wait for an answer")
    @pytest.mark.parametrize("engine", ["connect", "syn"])
    def test_a_hangup_freezes_the_counter_within_a_second(self, tmp_path: Path, engine: str) -> None:
        pace = PACE.format(rate=300).replace("0.5", "6.0")
        with estate() as (scan, corp):
            program = Program(scan, tmp_path)
            program.configure(self.WIDE + pace)
            self.watch_upper(corp)
            with program.running("--engine", engine) as process:
                until(lambda: corp.counters()["upper"] > 150)
                program.configure(self.WIDE + f'[[deny]]\ncidr = "{self.UPPER}"\nreason = "now"\n' + pace)
                process.send_signal(signal.SIGHUP)
                self.frozen(corp)
                process.send_signal(signal.SIGINT)
                assert process.wait(timeout=30) == 3
        assert program.manifest["coverage"]["excluded"] > 0 or engine == "syn"

    @pytest.mark.fault("F38", "an entry that expires while connects wait for an answer")
    @pytest.mark.parametrize("engine", ["connect", "syn"])
    def test_an_expiry_freezes_the_counter_within_a_second(self, tmp_path: Path, engine: str) -> None:
        with estate() as (scan, corp):
            program = Program(scan, tmp_path)
            ends = datetime.now(UTC) + timedelta(seconds=3 + 2 * seconds_to_start(program))
            program.configure(
                '[[allow]]\ncidr = "10.77.0.0/21"\nowner = "x"\n'
                f'[[allow]]\ncidr = "{self.UPPER}"\nowner = "y"\nexpires = {ends:%Y-%m-%dT%H:%M:%S.%fZ}\n'
                + PACE.format(rate=300).replace("0.5", "6.0")
            )
            self.watch_upper(corp)
            with program.running("--engine", engine) as process:
                until(lambda: datetime.now(UTC) >= ends)
                self.frozen(corp)
                process.send_signal(signal.SIGINT)
                assert process.wait(timeout=30) == 3
