"""Memory and time have a bound, however many servers send long lists or answer slowly."""

from __future__ import annotations

import resource
import subprocess
from typing import TYPE_CHECKING

import pytest

from results.reading import read_run
from results.run import load_manifest
from results.verdict import Verdict
from tests.cli.programs import ROOT
from tests.support.processes import command, watch_memory
from tests.support.slow_servers import slow_servers

if TYPE_CHECKING:
    from pathlib import Path

    from results.manifest import Manifest
    from results.record import Observation

LEGAL = 133_000  # names of databases, as many as fit into a reply
ADDRESS_SPACE = 1_400_000 * 1024  # bytes, as by `ulimit -v 1400000`


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def swept(config: Path, scope: str, port: int, more: str) -> tuple[int, Manifest, list[Observation]]:
    """A sweep in little address space: its peak in KiB, its manifest and what it found."""
    config.write_text(
        f'[[allow]]\ncidr = "{scope}"\nowner = "x"\nkind = "lab"\n'
        f"[sweep]\nports = [{port}]\nrate = 5000\nper_prefix_rate = 5000\n{more}"
    )
    with (config.parent / "said").open("w+b") as said:
        process = subprocess.Popen(
            command(config),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=said,
            preexec_fn=limited,
        )
        peak = watch_memory(process)
    (manifest,) = (config.parent / "runs").glob("2*/manifest.json")
    read, _ = load_manifest(manifest.parent)
    assert read.state == "complete", (read.reasons, (config.parent / "said").read_text())
    return peak, read, list(read_run(manifest.parent))


LATER = [pytest.mark.exhaustive, pytest.mark.slow]


@pytest.mark.slow
@pytest.mark.parametrize("servers", [10, pytest.param(40, marks=[*LATER, pytest.mark.long])])
def test_long_lists_from_many_slow_servers_take_little_memory(
    tmp_path: Path, port: int, servers: int
) -> None:
    """Decoded and kept whole they would take 50 MiB each; read one beside the other, five."""
    with slow_servers(port, LEGAL, 0.5):
        scope = f"127.91.7.1-127.91.7.{servers}"
        peak, _, lines = swept(tmp_path / "c.toml", scope, port, "host_timeout = 5\n")
    assert len(lines) == servers
    for line in lines:
        assert line.verdict is Verdict.OPEN
        assert line.exposure is not None
        assert line.exposure.database_count == LEGAL
        assert f"databases: {LEGAL - 10_000} of {LEGAL} not kept" in line.exposure.truncated
        assert "the conversation ended early: timeout" in line.exposure.truncated
    assert 0 < peak < (128 if servers == 10 else 256) * 1024


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("servers", [60, pytest.param(300, marks=pytest.mark.long)])
def test_a_host_has_its_time_and_no_more_whoever_else_is_asked(
    tmp_path: Path, port: int, servers: int
) -> None:
    """They answer each question after a quarter of a second, and have more of them than time. To write down
    what they said, thousands of collections each, is work for many seconds: no host has more time for that.
    Four seconds more than the six at most are allowed for what else the machine has to do (thirty were taken
    before there was a bound)."""
    last = f"127.91.{8 + (servers - 1) // 256}.{(servers - 1) % 256}"
    with slow_servers(port, 12, 0.25, collections=2000):
        peak, read, lines = swept(tmp_path / "c.toml", f"127.91.8.0-{last}", port, "host_timeout = 6\n")
    assert len(lines) == servers
    stopped = any("stood still" in reason for reason in read.reasons)
    longest = max(line.timing.total_ms - (line.timing.connect_ms or 0) for line in lines)
    assert longest < 10_000 + (3000 if stopped else 0), read.reasons
    for line in lines:
        assert line.verdict is Verdict.OPEN
        assert line.exposure is not None
        assert line.exposure.database_count == 12
        assert "the conversation ended early: timeout" in line.exposure.truncated
    assert 0 < peak < 400 * 1024


@pytest.mark.exhaustive
@pytest.mark.slow
def test_many_that_answer_at_once_are_asked_one_after_the_other_and_are_not_cut(
    tmp_path: Path, port: int
) -> None:
    """All at once nearly all would be cut: what they say is work for more seconds than one of them may take.
    That we are busy with it is no sign of congestion. A few may be, where the machine does other work, too.

    In one process: several would soon wait for the one that plays all servers, and who waits is not busy."""
    servers = 400
    with slow_servers(port, 20, 0.0, collections=20):
        peak, read, lines = swept(
            tmp_path / "c.toml",
            f"127.91.10.0-127.91.11.{servers - 257}",
            port,
            "host_timeout = 6\nworkers = 1\n",
        )
    assert len(lines) == servers
    cut = [
        line.target.ip
        for line in lines
        if line.exposure is None or "the conversation ended early: timeout" in line.exposure.truncated
    ]
    assert len(cut) <= servers // 10, f"{len(cut)} of {servers} were cut"
    assert not any("halved" in reason for reason in read.reasons), read.reasons
    assert 0 < peak < 128 * 1024
