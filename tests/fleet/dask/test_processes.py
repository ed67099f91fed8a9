"""The commands of a fleet as processes: who is let in, who comes back, and what is said of it."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scanner.fleet.dask.settings import configure

configure("coordinator")  # before the imports below, which read its settings

from scanner.cli.group import run  # noqa: E402
from scanner.fleet.issuing import issue, make_authority  # noqa: E402
from tests.support.fleet_commands import CONFIG, Commands  # noqa: E402

pytestmark = [pytest.mark.xdist_group("dask"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


def status(fleet: Commands, *words: str) -> dict[str, Any]:
    folder = fleet.certificates("coordinator")
    done = fleet.run("status", fleet.address, "--certificates", str(folder), "--json", *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


Refused = Callable[..., str]


@pytest.fixture
def refused(fleet: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """What a command says that is refused, in one line; run in this process, which costs less."""
    monkeypatch.chdir(fleet.folder)

    def say(*words: str) -> str:
        code = run(["fleet", *words])
        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), said.err
        assert said.err.startswith("error: ")
        return said.err

    return say


def test_status_says_who_is_there(fleet: Commands) -> None:
    found = status(fleet, "-c", "worker.toml")
    (worker,) = found["workers"]
    assert (worker["name"], worker["site"], worker["busy"], worker["unfit"]) == (
        "paris-1",
        "paris",
        False,
        "",
    )
    assert worker["scope_differs"] is False
    assert len(worker["scope_sha256"]) == 64
    assert abs(worker["clock_skew"]) < 1
    assert 80 < worker["certificate_days"] <= 90
    assert found["scheduler"] == fleet.address


def test_status_for_a_spreadsheet_and_for_a_ticket(fleet: Commands) -> None:
    words = ("status", fleet.address, "--certificates", str(fleet.certificates("coordinator")))
    (row,) = csv.DictReader(fleet.run(*words, "--format", "csv").stdout.splitlines())
    assert (row["site"], row["name"], row["busy"], row["unfit"]) == ("paris", "paris-1", "no", "")
    assert int(row["certificate_days"]) > 80
    assert "| paris | paris-1 |" in fleet.run(*words, "--format", "md").stdout.replace("\\", "")


def test_status_finds_the_scheduler_in_the_configuration(fleet: Commands) -> None:
    config = fleet.folder / "coordinator.toml"
    folder = fleet.certificates("coordinator").relative_to(fleet.folder)
    narrower = CONFIG.replace("127.77.2.0/30", "127.77.2.0/31")
    config.write_text(f'[fleet]\nscheduler = "{fleet.address}"\ncertificates = "{folder}"\n{narrower}')
    done = fleet.run("status", "-c", str(config))
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith(f"scheduler {fleet.address}, version ")
    assert first.endswith(": 1 worker at 1 site, 0 coordinators")
    assert "site paris" in rest
    assert rest[-1] == "no worker at london, which the scope here has"
    (line,) = [each for each in rest if each.startswith("  paris-1 (")]
    assert ", idle, version " in line
    assert ", its scope differs (" in line


def test_status_without_a_scheduler_says_so(fleet: Commands, refused: Refused) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"tls://127.0.0.1:{taken.getsockname()[1]}"
        said = refused("status", address, "--certificates", str(fleet.certificates("coordinator")))
    assert said.startswith(f"error: no connection to {address}: ")
    assert "is `mongosweep fleet scheduler` running there?" in said


def test_status_needs_an_address_and_certificates(fleet: Commands, refused: Refused, tmp_path: Path) -> None:
    said = refused("status", "-c", "worker.toml")
    assert '[fleet] scheduler = "tls://HOST:8786"' in said
    said = refused("status", "-c", "worker.toml", fleet.address)
    assert '[fleet] certificates = "DIR"' in said
    said = refused("status", "tcp://127.0.0.1:8786", "--certificates", str(tmp_path))
    assert "only tls:// is taken" in said


def test_status_is_for_coordinators(fleet: Commands, refused: Refused) -> None:
    folder = fleet.certificates("worker", "paris-1", "paris")
    said = refused("status", fleet.address, "--certificates", str(folder))
    assert "is a certificate for worker paris-1 of site paris" in said


def test_two_workers_of_one_name(fleet: Commands) -> None:
    second = fleet.start_worker("paris-1", "paris", "--spool", "spool-other", label="second")
    assert second.wait(60) == 2
    said = fleet.log("second")
    assert "error: another worker is called paris-1, at tls://127.0.0.1:" in said
    assert "`mongosweep fleet issue DIR worker --site paris --name paris-1-2`" in said
    assert [each["name"] for each in status(fleet)["workers"]] == ["paris-1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--site", "london"], "is the certificate of worker paris-1 of site paris, and not of site london"),
        (["-c", "missing.toml"], "missing.toml does not exist"),
        (["-c", "other.toml"], "--site: in other.toml no [[allow]] entry has site = 'paris'"),
        (["-c", "broken.toml"], "broken.toml:"),
        (["--contact", "tcp://127.0.0.1:1"], "only tls:// is taken"),
        (["--listen", "localhost"], "'localhost' is no address and port"),
        (["--listen", "192.0.2.77:8788"], "--listen 192.0.2.77:8788: Cannot assign requested address; write"),
        (
            ["--certificates", "ca/coordinator"],
            "is a certificate for coordinator, and this needs one for a worker",
        ),
        (["--certificates", "nowhere"], "ca.pem is missing"),
        (["--spool", "worker.toml/spool"], "--spool worker.toml/spool is no folder that this user may write"),
    ],
)
def test_a_worker_that_cannot_work_does_not_start(
    fleet: Commands, refused: Refused, words: list[str], said: str
) -> None:
    (fleet.folder / "other.toml").write_text(CONFIG.replace("paris", "rome"))
    (fleet.folder / "broken.toml").write_text(CONFIG.replace("/30", "/99"))
    fleet.certificates("coordinator")
    folder = fleet.certificates("worker", "paris-1", "paris")
    options = ["--certificates", str(folder), "-c", "worker.toml", *words]
    assert said in refused("worker", fleet.address, *options)


def test_a_certificate_that_is_over(fleet: Commands, refused: Refused) -> None:
    over, long_ago = fleet.folder / "over", time.time() - 9 * 86400
    make_authority(over, long_ago)
    issued = issue(over, "worker", "paris-8", long_ago, site="paris", days=1)
    said = refused("worker", fleet.address, "--certificates", str(issued.folder), "-c", "worker.toml")
    assert "own.pem ended on " in said


def test_another_authority_is_told_and_nobody_is_let_in(fleet: Commands) -> None:
    other = Commands(fleet.folder / "elsewhere")
    other.address = fleet.address
    other.start_worker("paris-7", "paris")
    other.wait_for("paris-7", "does not vouch for")
    assert "paris-7 of site paris tries again until it works" in other.log("paris-7")
    fleet.wait_for("scheduler", "TLS handshake failed")
    began = time.monotonic()
    other.processes["paris-7"].send_signal(signal.SIGINT)
    assert other.processes["paris-7"].wait(30) == 0
    assert time.monotonic() - began < 20
    assert [each["name"] for each in status(fleet)["workers"]] == ["paris-1"]


async def test_nobody_without_tls_is_let_in(fleet: Commands) -> None:
    from distributed.comm.core import connect

    plain = fleet.address.replace("tls://", "tcp://")
    with pytest.raises(OSError):
        await connect(plain, timeout=10)
    host, port = fleet.address.removeprefix("tls://").split(":")
    context = ssl.create_default_context(cafile=str(fleet.own("coordinator").ca))
    context.check_hostname = False  # no certificate of ours is shown
    first = b""
    with contextlib.suppress(OSError):
        reader, _ = await asyncio.open_connection(host, int(port), ssl=context)
        first = await asyncio.wait_for(reader.read(1), 30)
    assert first == b""  # Dask's scheduler is the first to speak to whom it lets in


def test_only_one_port_is_open(fleet: Commands) -> None:
    """No page, no metrics: Dask's answer everybody, without TLS."""
    for label, listens in (("scheduler", 1), ("paris-1", 1)):
        inodes = _sockets_of(fleet.processes[label].pid)
        rows = [line.split() for line in _tcp() if line.split()[3] == "0A" and line.split()[9] in inodes]
        assert len(rows) == listens


def _tcp() -> list[str]:
    return [line for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]


def _sockets_of(pid: int) -> set[str]:
    links = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.add(str(each.readlink()))
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def test_a_scope_that_changes_is_told_on_sighup(fleet: Commands) -> None:
    """Also one that is broken: the worker stays, and is given no work until it is mended."""
    config, worker = fleet.folder / "worker.toml", fleet.processes["paris-1"]
    before = status(fleet)["workers"][0]["scope_sha256"]
    try:
        config.write_text(CONFIG.replace("127.77.1.0/30", "127.77.1.0/99"))
        worker.send_signal(signal.SIGHUP)
        fleet.wait_for("paris-1", "its scope: worker.toml:")
        fleet.wait(lambda: "/99" in status(fleet)["workers"][0]["unfit"])
        config.write_text(CONFIG.replace("127.77.1.0/30", "127.77.1.0/31"))
        worker.send_signal(signal.SIGHUP)
        fleet.wait_for("paris-1", "its scope: can be read again")
        fleet.wait(lambda: not status(fleet)["workers"][0]["unfit"])
        assert status(fleet)["workers"][0]["scope_sha256"] not in ("", before)
    finally:
        config.write_text(CONFIG)


def test_a_frozen_worker_makes_room_for_one_of_its_name(fleet: Commands) -> None:
    """As after a power failure: the machine is back before its old connection is missed."""
    frozen = fleet.processes["paris-1"]
    os.killpg(frozen.pid, signal.SIGSTOP)
    try:
        fleet.start_worker("paris-1", "paris", "--spool", "spool-again", label="again")
        fleet.wait_for("again", "is there, at")
        assert "worker paris-1 at " in fleet.log("scheduler")
        assert "does not answer; another one takes its place" in fleet.log("scheduler")
    finally:
        os.killpg(frozen.pid, signal.SIGCONT)
    fleet.wait_for("paris-1", "another worker is called paris-1")  # it comes back, and waits for its turn
    again = fleet.processes["again"]
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0
    fleet.wait_for("paris-1", "is there, at", 2)


def test_a_scheduler_that_is_lost_is_waited_for(fleet: Commands) -> None:
    scheduler = fleet.processes["scheduler"]
    before = fleet.log("paris-1").count("is there, at")
    os.killpg(scheduler.pid, signal.SIGKILL)
    scheduler.wait()
    fleet.wait_for("paris-1", "the connection to the scheduler ended")
    fleet.wait_for("paris-1", "tries again until it works")
    fleet.start_scheduler()
    fleet.wait_for("paris-1", "is there, at", before + 1)
    assert [each["name"] for each in status(fleet)["workers"]] == ["paris-1"]
    assert "Traceback" not in fleet.log("paris-1") + fleet.log("scheduler")


def test_all_of_them_end_in_order(fleet: Commands) -> None:
    for label in ("paris-1", "scheduler"):
        began = time.monotonic()
        fleet.processes[label].send_signal(signal.SIGTERM)
        assert fleet.processes[label].wait(30) == 0
        assert time.monotonic() - began < 20
    assert "worker paris-1 of site paris is gone, which was at tls://" in fleet.log("scheduler")
    done = fleet.run("scheduler", "--certificates", "ca/scheduler", "--listen", "192.0.2.1:0")
    assert done.returncode == 2
    assert "error: --listen 192.0.2.1:0: " in done.stderr
