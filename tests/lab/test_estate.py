"""The estate as a whole: addresses, truth, scope file, fleet, real servers, and how it ends."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from results.verdict import Verdict
from scanner.lab import real
from scanner.lab.data import DECOY
from scanner.lab.estate import Estate, LabError, catalogue, find
from scanner.lab.fleet import Fleet
from scanner.lab.personality import Group
from scanner.lab.run import run_lab, table
from tests.lab.client import Client, msg, query
from tests.support.real import free_port

ROOT = Path(__file__).resolve().parents[2]
HELLO = {"isMaster": 1, "helloOk": True}


def test_the_lab_knows_nothing_of_the_scanner() -> None:
    """It is the second implementation that ours is held against, so it may share the verdicts and no more."""
    imported = set()
    for path in (ROOT / "scanner" / "lab").rglob("*.py"):
        if path.name == "demo.py":
            continue  # it drives the command line, and no server uses it
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            imported |= {name for name in names if name.startswith(("scanner", "targets", "results"))}
    allowed = ("scanner.lab.", "results.verdict.Verdict")
    assert {name for name in imported if not name.startswith(allowed)} <= {"scanner.lab"}


def test_catalogue_has_every_kind_once() -> None:
    everything = catalogue(Group)
    assert len({each.name for each in everything}) == len(everything)
    assert next(each.name for each in catalogue()) == "magazine"
    verdicts = {each.verdict for each in catalogue()}
    assert verdicts == {
        Verdict.OPEN,
        Verdict.OPEN_NO_DATA,
        Verdict.AUTH_REQUIRED,
        Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
        Verdict.NOT_MONGODB,
        Verdict.UNKNOWN,
    }


async def test_each_server_has_an_address_and_an_owner(tmp_path: Path) -> None:
    estate = Estate(base="127.88.0.0", port=free_port(), groups=Group)
    async with estate:
        places = estate.truth()
        assert len({each.ip for each in places}) == len(places)
        scope_file = tmp_path / "lab.toml"
        estate.write_scope(scope_file)
        async with Client(estate.at("magazine").ip, estate.port) as client:
            assert (await client.ask(query(HELLO))).document["ismaster"] is True
        assert estate.server("magazine").record.connections == 1
        assert estate.off_limits.record.connections == 0
    scope = tomllib.loads(scope_file.read_text())
    allowed = {entry["cidr"]: entry for entry in scope["allow"]}
    assert {f"{each.ip}/32" for each in places} < set(allowed)
    assert all(entry["kind"] == "lab" and entry["contact"] for entry in allowed.values())
    assert allowed["127.88.0.1/32"]["owner"] == places[0].owner
    assert scope["deny"][0]["cidr"] == estate.denied_network()
    assert scope["sweep"]["ports"] == [estate.port]


async def test_an_address_that_is_taken_is_named_and_nothing_stays_behind() -> None:
    with socket.socket() as taken:
        taken.bind(("127.88.1.3", 0))
        taken.listen()
        port = taken.getsockname()[1]
        estate = Estate(base="127.88.0.0", port=port)
        with pytest.raises(LabError, match=rf"127\.88\.1\.3 port {port}.*--port"):
            await estate.start()
    with socket.socket() as free:
        free.bind(("127.88.0.1", port))


@pytest.mark.parametrize("base", ["10.0.0.0", "127.255.255.0", "nowhere", "::1", "0.0.0.0"])
def test_the_lab_stands_on_loopback_only(base: str) -> None:
    with pytest.raises(LabError, match=r"loopback|127"):
        Estate(base=base)


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(LabError, match="no personality"):
        find("no_such_server")


async def test_a_fleet_answers_for_a_whole_prefix() -> None:
    mix = {"open_8_0": 1.0, "auth_7_1": 3.0}
    async with Fleet("127.89.0.0/24", mix=mix, seed=5) as fleet:
        seen = {}
        for last in range(1, 41):
            async with Client(f"127.89.0.{last}", fleet.port) as client:
                document = (await client.ask(msg({"listDatabases": 1}))).document
                seen[f"127.89.0.{last}"] = "open_8_0" if document["ok"] else "auth_7_1"
        truth = {ip: fleet.truth(ip) for ip in seen}
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            async with Client("127.89.1.1", fleet.port) as client:
                await client.ask(query(HELLO))
        assert fleet.record.failures == []
    assert {ip: each.name for ip, each in truth.items() if each is not None} == seen
    assert set(seen.values()) == set(mix)
    assert fleet.truth("127.90.0.1") is None


def test_fleets_differ_by_seed_and_follow_their_weights() -> None:
    ips = [f"127.89.{high}.{low}" for high in range(16) for low in range(256)]
    fleets = [Fleet("127.89.0.0/16", mix={"empty": 1, "auth_7_1": 3}, seed=seed) for seed in (1, 2)]
    chosen = [[each.name for ip in ips if (each := fleet.truth(ip))] for fleet in fleets]
    assert chosen[0] != chosen[1]
    assert abs(chosen[0].count("empty") / len(ips) - 0.25) < 0.03


def test_a_fleet_stands_on_loopback_only() -> None:
    with pytest.raises(LabError, match=r"127\.0\.0\.0/8"):
        Fleet("10.0.0.0/8")


def start_lab(folder: Path, *more: str) -> tuple[subprocess.Popen[str], int]:
    """The lab as a process of its own; returns it and its port, once it runs."""
    port = free_port()
    code = (
        "import sys; from pathlib import Path; from scanner.lab.run import run_lab; "
        f"run_lab(base='127.87.0.0', port={port}, secantus={'True' if more else 'False'}, "
        f"scope_path=Path({str(folder / 'lab.toml')!r}), ready=lambda _: print('up', flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n", process.communicate()[1]
    return process, port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    process, port = start_lab(tmp_path)
    with socket.create_connection(("127.87.0.1", port), 5):
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    assert f"127.87.0.1:{port}" in told
    assert "magazine" in told
    assert "Traceback" not in told
    assert (tmp_path / "lab.toml").read_text().startswith("#")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.87.0.1", port), 5)


def test_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    port = free_port()
    lab = f"from scanner.lab.run import run_lab; run_lab(base='127.86.0.0', port={port}, secantus=False)"
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {lab!r}], stderr=subprocess.PIPE)\n"
        "while b'until Ctrl-C' not in child.stderr.readline(): pass\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(0.2)\n"
    )
    with (tmp_path / "out").open("w+") as out:
        subprocess.run([sys.executable, "-c", parent], cwd=ROOT, stdout=out, check=True, timeout=40)
        out.seek(0)
        pid = int(out.read())
    until = time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < until
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process still runs (one that nobody has waited for counts as ended)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_wrong_wishes_are_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "installed", lambda: False)
    with pytest.raises(LabError, match="pip install"):
        run_lab(secantus=True)


def test_the_table_tells_where_to_go(tmp_path: Path) -> None:
    shown = table(Estate(base="127.88.0.0"), tmp_path / "x.toml").splitlines()
    assert shown[0].split() == ["address", "server", "verdict", "what", "it", "is"]
    assert shown[1].split()[:3] == ["127.88.0.1:27017", "magazine", "open"]
    assert "mongosweep sweep -c" in shown[-2]
    narrow = table(Estate(base="127.88.0.0"), width=80).splitlines()
    assert max(map(len, narrow)) <= 80
    assert narrow[1].split()[:3] == shown[1].split()[:3]
    assert narrow[2].strip() == shown[1].split(maxsplit=3)[3], "the rest is below"


def secantus_names(ip: str, port: int, **more: Any) -> list[str]:
    with MongoClient[dict[str, Any]](
        ip, port, directConnection=True, serverSelectionTimeoutMS=8_000, **more
    ) as client:
        return client.list_database_names()


@pytest.mark.servers
@pytest.mark.skipif(not real.installed(), reason="SecantusDB is not installed (the lab extra)")
def test_real_servers_join_and_end_with_the_lab(tmp_path: Path) -> None:
    process, port = start_lab(tmp_path, "with SecantusDB")
    try:
        children = [
            int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ]
        assert len(children) == 2
        assert "newsroom" in secantus_names("127.87.4.1", port)
        with pytest.raises(OperationFailure):
            secantus_names("127.87.4.2", port)
        assert "newsroom" in secantus_names("127.87.4.2", port, username=real.USER, password=real.PASSWORD)
    finally:
        os.kill(process.pid, signal.SIGKILL)  # the harshest end: nobody can say goodbye
        process.communicate(timeout=20)
    until = time.monotonic() + 20
    while any(alive(pid) for pid in children):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_decoys_are_told_apart_from_everything_else() -> None:
    """The mark of a leaked document occurs in no name, so finding it in an output proves a leak."""
    for each in catalogue(Group):
        assert DECOY not in repr((each.name, each.description, each.truth))
