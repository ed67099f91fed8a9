"""Hostile servers in numbers: each costs one slot for one deadline; the honest ones beside them are found."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.reading import read_run
from results.run import load_manifest
from results.verdict import Severity, Verdict
from scanner.lab.estate import find
from scanner.lab.personality import Personality
from scanner.lab.thread import LabThread
from scanner.setup.settings import Settings
from tests.cli.programs import ROOT
from tests.support.ports import free_port
from tests.support.processes import command, watch_memory
from tests.support.servers import mute
from tests.support.sweeps import FAST, found, scope_of, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.lab.channel import ServerConnection


@pytest.mark.fault("F55", "1,024 addresses that accept and say nothing")
def test_a_thousand_mute_servers_cost_one_deadline_each(tmp_path: Path, port: int) -> None:
    settings = Settings(
        sweep=msgspec.structs.replace(
            FAST, reply_timeout=0.5, host_timeout=2.0, concurrency=2048, half_open_limit=2048
        )
    )
    with mute(("0.0.0.0", port)):
        began = time.monotonic()
        summary, _ = sweep(scope_of(port, "127.91.4.0/22"), tmp_path, settings)
        took = time.monotonic() - began
    assert summary.outcomes["unknown"] == 1024
    assert took < 60  # all of them at once, not one after the other, which would take half an hour


@pytest.mark.fault("F64", "252 addresses that accept and say nothing, two real servers among them")
def test_real_servers_are_found_behind_a_box_that_accepts_everything(tmp_path: Path, port: int) -> None:
    settings = Settings(sweep=msgspec.structs.replace(FAST, reply_timeout=0.5, host_timeout=2.0))
    real = {("127.91.5.20", port): find("empty"), ("127.91.5.200", port): find("auth_7_1")}
    others = [(f"127.91.5.{n}", port) for n in range(256) if n not in (20, 200)]
    with mute(*others), LabThread(real):
        summary, _ = sweep(scope_of(port, "127.91.5.0/24"), tmp_path, settings)
    seen = {ip: line.verdict.value for ip, line in found(summary.run_dir).items()}
    assert (seen["127.91.5.20"], seen["127.91.5.200"]) == ("open", "auth_required")
    assert len(seen) < 30
    assert summary.state == "degraded"
    assert sum("masked by a middlebox: 127.91.5.0/24" in reason for reason in summary.reasons) == 1


@pytest.mark.fault("F65", "64 identical honeypots among 64 identical servers")
def test_a_farm_of_honeypots_is_flagged_and_still_reported(tmp_path: Path, port: int) -> None:
    """Servers that answer alike are judged once: what made the first one suspect holds for each of them."""
    farm, real = ([f"127.91.7.{n}" for n in numbers] for numbers in (range(64), range(64, 128)))
    kinds = (find("honeypot"), farm), (find("auth_7_1"), real)
    places = {(ip, port): kind for kind, ips in kinds for ip in ips}
    patient = Settings(
        sweep=msgspec.structs.replace(FAST, connect_timeout=5, reply_timeout=9, host_timeout=30)
    )
    with LabThread(places):
        summary, _ = sweep(scope_of(port, "127.91.7.0/25"), tmp_path, patient)
    lines = found(summary.run_dir)
    assert set(lines) == {*farm, *real}
    suspected = {ip for ip, line in lines.items() if line.server and line.server.honeypot_suspected}
    assert suspected == set(farm)
    assert {lines[ip].severity for ip in farm} == {Severity.LOW}
    assert not any(lines[ip].verdict.is_open for ip in farm)


@pytest.mark.fault("F69", "open on the first connection, locked on every other; with --confirm")
def test_a_server_that_changes_its_mind_is_told(tmp_path: Path, port: int) -> None:
    """The verdict is that of the first answer. The driver, which asks again, says what it saw."""
    first, later = find("magazine"), find("auth_7_1")
    connections = itertools.count()

    async def talk(channel: ServerConnection) -> None:
        await (later if next(connections) else first).talk(channel)

    unsteady = Personality(name="unsteady", description="", verdict=first.verdict, talk=talk)
    with LabThread({("127.91.5.1", port): unsteady}):
        summary, _ = sweep(scope_of(port, "127.91.5.1"), tmp_path, confirm=True)
    (line,) = found(summary.run_dir).values()
    assert line.verdict is Verdict.OPEN
    assert line.confirmation is not None
    assert line.confirmation.agrees is False
    assert "we say open, the driver says auth_required" in line.confirmation.detail


@pytest.mark.fault("F57", "30 servers that send without end, five honest ones beside them")
@pytest.mark.fault("F56", "servers that drip, also inside TLS")
@pytest.mark.fault("F58", "lengths that lie: negative, short, 48 MB, 2 GiB")
@pytest.mark.fault("F61", "FIN and RST at several bytes")
def test_the_hostile_take_no_memory_and_harm_nobody(tmp_path: Path) -> None:
    """The sweep as a process, so that its own memory is measured; the servers in another one."""
    kinds = ["endless_reply", "endless_list", "endless_replies", "noise", "tls_endless"] * 6
    kinds += ["drip_list", "tls_drip", "stall_after_header", "mute", "tls_stall"]
    kinds += [f"length_{lie}" for lie in ("zero", "negative", "maximum", "48000001", "15", "20")]
    kinds += [f"fin_at_{at}" for at in (0, 1, 15, 16, 17, 40)] + ["reset_at_0", "reset_at_17", "reset_at_40"]
    honest = ["auth_7_1"] * 5
    places = [f"127.91.6.{n}={kind}" for n, kind in enumerate(kinds + honest, start=1)]
    place = free_port()
    config = tmp_path / "mongosweep.toml"
    config.write_text(
        f'[[allow]]\ncidr = "127.91.6.1-127.91.6.{len(places)}"\nowner = "x"\nkind = "lab"\n'
        f"[sweep]\nports = [{place}]\nrate = 50\nper_prefix_rate = 100\nreply_timeout = 2\nhost_timeout = 4\n"
        "[limits]\nhost_bytes = 4194304\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "tests.netns.servers", f"--port={place}", *places],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as servers:
        assert servers.stdout is not None
        assert servers.stdin is not None
        assert servers.stdout.readline() == b"ready\n"
        with (tmp_path / "said").open("w+b") as said:
            process = subprocess.Popen(command(config), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said)
            peak = watch_memory(process)
        servers.stdin.close()
    (manifest,) = (tmp_path / "runs").glob("2*/manifest.json")
    read, _ = load_manifest(manifest.parent)
    verdicts = {line.target.ip: line.verdict.value for line in read_run(manifest.parent)}
    (reason,) = read.reasons  # how many of them are too slow is a matter of time
    assert "accepted and did not answer in time" in reason, (tmp_path / "said").read_text()
    assert len(verdicts) == len(places)
    assert [verdicts[f"127.91.6.{len(kinds) + n}"] for n in range(1, 6)] == ["auth_required"] * 5
    assert 0 < peak < 256 * 1024  # KiB
