"""Ports from the configuration: each is asked, and 28017 for the old console as well."""

from __future__ import annotations

import subprocess
from pathlib import Path

from results.lines import from_line, put_together
from results.verdict import Verdict
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.mongo.console import PORT as CONSOLE_PORT
from tests.accuracy.surroundings import surroundings
from tests.support.ports import free_address, free_port
from tests.support.processes import command

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_configured_port_is_asked(tmp_path: Path) -> None:
    """One address, four servers on four ports, one of them given to this entry alone."""
    console = next(s.server for s in surroundings() if s.proof.rule == "http-console-login")
    host = free_address("127.98", CONSOLE_PORT)
    first, second, third = free_port(), free_port(), free_port()
    places = {
        (host, first): find("open_8_0"),
        (host, second): find("auth_7_1"),
        (host, third): find("ssh"),
        (host, CONSOLE_PORT): console,
    }
    configuration = tmp_path / "mongosweep.toml"
    configuration.write_text(
        f'[[allow]]\ncidr = "{host}/32"\nkind = "lab"\nowner = "tests"\nports = [{first}, {second}, {third},'
        f' {CONSOLE_PORT}]\n[[allow]]\ncidr = "127.97.3.1/32"\nkind = "lab"\nowner = "tests"\n'
        f"[sweep]\nports = [{first}]\nreply_timeout = 1.0\n"
    )
    with LabThread(places):
        done = subprocess.run(
            command(configuration, "--json", "--quiet"), cwd=ROOT, capture_output=True, text=True, check=False
        )
    lines = list(put_together(map(from_line, done.stdout.encode().splitlines())))
    assert {(o.target.ip, o.target.port): o.verdict for o in lines} == {
        (host, first): Verdict.OPEN,
        (host, second): Verdict.AUTH_REQUIRED,
        (host, third): Verdict.NOT_MONGODB,
        (host, CONSOLE_PORT): Verdict.AUTH_REQUIRED,
    }, done.stderr
    assert done.returncode == 1
    assert {o.event_id for o in lines} != {lines[0].event_id}
