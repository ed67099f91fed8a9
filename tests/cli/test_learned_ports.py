"""Lists of open ports: what of them a real sweep asks beside its scope, and what it never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.covered import load_covered
from results.lines import from_line, put_together
from results.run import load_manifest
from results.verdict import Verdict
from scanner.lab.estate import find
from scanner.lab.status_page import StatusPageTalk, personality
from scanner.lab.thread import LabThread
from scanner.mongo.console import PORT as PAGE_PORT
from tests.cli.programs import mongosweep
from tests.support.ports import free_address, free_port

if TYPE_CHECKING:
    from pathlib import Path

HOST = """<host><status state="up"/><address addr="{}" addrtype="ipv4"/><ports>{}</ports></host>"""
PORT = """<port protocol="{}" portid="{}"><state state="{}"/></port>"""


def nmap(*hosts: tuple[str, list[tuple[str, int, str]]]) -> str:
    """What `nmap -oX` writes of hosts and their (protocol, port, state)."""
    said = "".join(HOST.format(ip, "".join(PORT.format(*port) for port in ports)) for ip, ports in hosts)
    return f'<?xml version="1.0"?>\n<nmaprun scanner="nmap" version="7.93">{said}</nmaprun>\n'


def configuration(own: int, *, network: str = "127.92.7") -> str:
    return (
        f'[[allow]]\ncidr = "{network}.0/28"\nkind = "lab"\nowner = "tests"\n'
        f'[[allow]]\ncidr = "{network}.4/32"\nkind = "lab"\nowner = "fixed"\nports = [{own}]\n'
        f'[[deny]]\ncidr = "{network}.5/32"\nreason = "pumps"\n'
        f"[sweep]\nports = [{own}]\nreply_timeout = 1.0\nper_prefix_rate = 1000\n"
    )


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


def test_open_ports_in_the_scope_are_asked_and_no_other(tmp_path: Path, ports: tuple[int, int]) -> None:
    """Six servers on the learned port, of which two may be asked; and `verify` asks them without the list."""
    own, other = ports
    (tmp_path / "mongosweep.toml").write_text(configuration(own), encoding="utf-8")
    (tmp_path / "open.xml").write_text(
        nmap(
            ("127.92.7.1", [("tcp", other, "open"), ("tcp", own, "open")]),
            ("127.92.7.2", [("tcp", other, "open")]),
            ("127.92.7.3", [("udp", other, "open"), ("tcp", other, "closed")]),
            ("127.92.7.4", [("tcp", other, "open")]),
            ("127.92.7.5", [("tcp", other, "open")]),
            ("127.92.8.1", [("tcp", other, "open")]),
        ),
        encoding="utf-8",
    )
    names = ("127.92.7.1", "127.92.7.2", "127.92.7.3", "127.92.7.4", "127.92.7.5", "127.92.8.1")
    places = {(ip, other): find("open_8_0") for ip in names}
    with LabThread(places) as lab:
        done = mongosweep("sweep", "--ports-from", "open.xml", "--json", cwd=tmp_path)
        asked = {server.host: server.record.connections for server in lab.servers}
        verified = mongosweep("verify", "--json", cwd=tmp_path)
    found = {
        (each.target.ip, each.target.port): each.verdict
        for each in put_together(map(from_line, done.stdout.encode().splitlines()))
    }
    assert found == {("127.92.7.1", other): Verdict.OPEN, ("127.92.7.2", other): Verdict.OPEN}, done.stderr
    assert done.returncode == 1
    assert {ip for ip, count in asked.items() if count} == {"127.92.7.1", "127.92.7.2"}
    assert (
        "open.xml (nmap XML 7.93): 1 open port at entries whose `ports` do not name it, not asked"
        in done.stderr
    )
    assert "2 of 6 outside the scope of" in done.stderr
    assert "127.92.7.5" in done.stderr
    assert "denied by 127.92.7.5/32 (pumps)" in done.stderr
    assert f"2 targets learned from open ports (port {other}: 2)" in done.stderr
    assert verified.returncode == 1, verified.stderr
    assert verified.stdout.count('"open"') >= 2
    runs = list((tmp_path / "runs").glob("2*"))
    (run,) = (path for path in runs if not load_manifest(path)[0].purpose)
    manifest, _ = load_manifest(run)
    assert manifest.planned.ports == sorted(ports)
    assert manifest.planned.targets == 15 + 2
    covered = load_covered(run, manifest)
    assert covered is not None
    assert covered.contains("127.92.7.1", other)
    assert not covered.contains("127.92.7.3", other)


def test_a_run_goes_on_with_the_same_list_alone(tmp_path: Path, ports: tuple[int, int]) -> None:
    own, other = ports
    (tmp_path / "mongosweep.toml").write_text(
        configuration(own) + '[[canary]]\naddress = "127.92.7.9"\n' + f"port = {own}\n", encoding="utf-8"
    )
    (tmp_path / "open.txt").write_text(f"127.92.7.1:{other}\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text(f"127.92.7.1:{other}\n127.92.7.2:{other}\n", encoding="utf-8")
    first = mongosweep("sweep", "--ports-from", "open.txt", "--all", "--json", cwd=tmp_path)
    assert first.returncode == 3, first.stderr  # its canary is silent, so it may go on
    run = next(path.name for path in (tmp_path / "runs").glob("2*"))
    for words in (["--ports-from", "more.txt"], []):
        refused = mongosweep("sweep", "--resume", run, "--all", "--json", *words, cwd=tmp_path)
        assert refused.returncode not in (0, 1, 3), words
        assert "scope" in refused.stderr
    again = mongosweep("sweep", "--resume", run, "--all", "--json", "--ports-from", "open.txt", cwd=tmp_path)
    assert again.returncode == 3, again.stderr


def test_a_sweep_of_its_port_finds_a_status_page(tmp_path: Path) -> None:
    """Asked from loopback, where it proves nothing; only `/` is asked for, and no run is degraded by it."""
    host = free_address("127.92", PAGE_PORT)
    (tmp_path / "mongosweep.toml").write_text(
        f'[[allow]]\ncidr = "{host}/32"\nkind = "lab"\nowner = "tests"\n[sweep]\nreply_timeout = 1.0\n',
        encoding="utf-8",
    )
    talk = StatusPageTalk()
    with LabThread({(host, PAGE_PORT): personality(talk)}):
        done = mongosweep("sweep", "--ports", f"{PAGE_PORT},{free_port()}", "--json", cwd=tmp_path)
        table = mongosweep("show", "last", cwd=tmp_path)
    (seen,) = put_together(map(from_line, done.stdout.encode().splitlines()))
    assert done.returncode == 0, done.stderr
    assert (seen.target.port, seen.verdict, seen.evidence[0].code) == (
        PAGE_PORT,
        Verdict.UNKNOWN,
        "http-console-on-loopback",
    )
    assert seen.server is not None
    assert seen.server.version == "2.6.12"
    assert "status page" in table.stdout
    assert {line for line in talk.asked if "HTTP" in line} == {"GET / HTTP/1.0"}
    kept = b"".join(path.read_bytes() for path in (tmp_path / "runs").rglob("*.jsonl"))
    assert b"A VALUE OF A DOCUMENT" not in done.stdout.encode() + kept
