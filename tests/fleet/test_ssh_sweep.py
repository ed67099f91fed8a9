"""`mongosweep sweep --ssh` as a process: two sites behind a real sshd, each a worker with its own scope."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.errors import ExitCode
from tests.support import sshd as real
from tests.support.listening import Listener
from tests.support.processes import only_run
from tests.support.serving import wait_until
from tests.support.shards import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SITES = {"paris": "127.92.0.0/26", "london": "127.92.0.64/26"}


def entries(*sites: str) -> str:
    return "".join(
        f'[[allow]]\ncidr = "{SITES[site]}"\nkind = "lab"\nowner = "web platform"\nsite = "{site}"\n'
        for site in sites
    )


class Fleet:
    """A coordinator's folder, and an `ssh` that knows the hosts."""

    def __init__(self, folder: Path, server: real.Sshd, listener: Listener) -> None:
        self.listener = listener
        self.config = configuration(folder, listener.port, entries(*SITES) + "[fleet]\nshard_seconds = 1\n")
        programs = folder / "bin"
        programs.mkdir()
        ssh = programs / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shlex.join([str(shutil.which("ssh")), *server.ssh[1:]])} "$@"\n')
        ssh.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MONGOSWEEP_")}
        self._environment = kept | {"PATH": f"{programs}:{kept['PATH']}", "PYTHONPATH": str(ROOT)}

    def sweep(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "scanner", "sweep", "-c", str(self.config)]
        command += ["-o", str(self.config.parent / "runs"), *arguments]
        return subprocess.Popen(
            command,
            cwd=self.config.parent,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @property
    def asked(self) -> int:
        return sum(map(len, list(self.listener.times.values())))

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (only_run(self.config) / "fleet.jsonl").read_text().splitlines()]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    real.needed()
    listener = Listener()
    forced = {}
    for site in SITES:
        (tmp_path / site).mkdir()
        config = configuration(tmp_path / site, listener.port, entries(site))
        worker = [sys.executable, "-P", "-m", "scanner", "fleet", "shard", "-c", str(config)]
        worker += ["--site", site, "--name", f"{site}-1", "--spool", str(tmp_path / site / "spool")]
        forced[site] = shlex.join(["env", f"PYTHONPATH={ROOT}", f"TMPDIR={tmp_path / site}", *worker])
    (tmp_path / "sshd").mkdir()
    (tmp_path / "hub").mkdir()
    with real.sshd(tmp_path / "sshd", forced) as server:
        yield Fleet(tmp_path / "hub", server, listener)
    listener.close()


def test_two_sites_are_one_run(fleet: Fleet) -> None:
    process = fleet.sweep("--ssh", "paris,london=london", "--depth", "verdict")
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == ExitCode.INCOMPLETE, said  # what answers at every address is a middlebox
    manifest = json.loads((only_run(fleet.config) / "manifest.json").read_text())
    assert (manifest["state"], manifest["outcomes"]) == ("degraded", {"not_mongodb": 128})
    assert {reason.partition(": ")[0] for reason in manifest["reasons"]} == {"site london", "site paris"}
    worked = {line["worker"] for line in fleet.log() if line.get("event") == "ended" or "state" in line}
    assert worked == {"paris", "london"}


def test_a_coordinator_that_is_killed_goes_on_later(fleet: Fleet) -> None:
    slow = fleet.config.read_text().replace("rate = 5000", "rate = 20", 1)
    fleet.config.write_text(slow)
    process = fleet.sweep("--ssh", "paris,london=london", "--depth", "verdict")
    try:
        wait_until(lambda: fleet.asked > 30, "a shard")
    finally:
        process.kill()
        process.communicate()
    run = only_run(fleet.config)
    again = fleet.sweep("--ssh", "paris,london", "--depth", "verdict", "--resume", run.name)
    said = again.communicate(timeout=240)[0].decode()
    assert again.returncode == ExitCode.INCOMPLETE, said
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["state"], manifest["outcomes"]) == ("degraded", {"not_mongodb": 128})


def test_hosts_that_are_none_are_refused_before_anything(fleet: Fleet) -> None:
    for hosts, says in (("paris,-v", "'-v' is no name of a host"), ("refused", "it refuses our key (")):
        process = fleet.sweep("--ssh", hosts)
        said = process.communicate(timeout=60)[0].decode()
        assert process.returncode == ExitCode.REFUSED
        assert says in said
        assert "Traceback" not in said
    assert not (fleet.config.parent / "runs").exists() or not list((fleet.config.parent / "runs").iterdir())
