"""`mongosweep sweep` over every real server at hand, held against what PyMongo reads from the same server."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from results.verdict import Verdict
from tests.accuracy import matrix
from tests.support.kinds import ROOT, State, kinds
from tests.support.lines import read_back
from tests.support.printed import note
from tests.support.processes import command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from results.record import Observation
    from tests.support.real import RealServer


def write_configuration(server: RealServer, folder: Path) -> Path:
    """A configuration that allows this server and nothing else."""
    configuration = folder / "mongosweep.toml"
    configuration.write_text(
        f'[[allow]]\ncidr = "{server.host}/32"\nkind = "lab"\nowner = "tests"\n'
        f"[sweep]\nports = [{server.port}]\n"
    )
    return configuration


def sweep(server: RealServer, folder: Path) -> tuple[int, Observation]:
    """One sweep of one server, as a user would type it: exit code and record."""
    configuration = write_configuration(server, folder)
    asked = command(configuration, "--confirm", "--json", "--quiet")
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.count('"mongosweep.observation/1"') == 1, done.stderr
    return done.returncode, read_back(done.stdout.encode().splitlines())


def test_agrees_with_the_official_driver(
    real_server: RealServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Verdict, product, names, sizes, counts and newest times; and the driver's second opinion agrees."""
    state = real_server.kind.state
    readable = state not in (State.AUTH, State.LOCALHOST_EXCEPTION)
    before = real_server.truth() if readable else None
    code, seen = sweep(real_server, tmp_path)
    columns = matrix.row(real_server, seen, before, real_server.truth() if readable else None)
    note(record_property, matrix.TITLE, columns)
    assert not matrix.wrong(columns), seen.evidence
    assert code == int(seen.verdict.is_open)
    assert seen.evidence
    if seen.verdict is not Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED:
        assert seen.server is not None
        assert seen.server.product == real_server.kind.product.replace("mongod", "mongodb").replace(
            "mongos", "mongodb"
        )
    if seen.verdict.is_open:
        assert seen.confirmation is not None
        assert seen.confirmation.agrees in (True, None), seen.confirmation


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed (Debian package jq)")
@pytest.mark.parametrize("real_server", kinds(State.OPEN, product="secantusdb"), indirect=True, ids=str)
def test_pipes_into_jq(real_server: RealServer, tmp_path: Path) -> None:
    """Without any option, stdout that is not a terminal carries JSONL and nothing else."""
    configuration = write_configuration(real_server, tmp_path)
    with subprocess.Popen(
        command(configuration), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        jq = ["jq", "-r", "select(.verdict) | [.verdict, .target.port] | @tsv"]
        read = subprocess.run(jq, stdin=running.stdout, capture_output=True, text=True, check=True)
    assert read.stdout == f"open\t{real_server.port}\n"
    assert running.returncode == 1


def test_a_missing_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What cannot run says why, and fails where servers are required."""
    from tests.conftest import RealServers
    from tests.support.kinds import SERVERS, Kind

    kind = Kind("ferretdb", State.OPEN, SERVERS / "not-there", "ferretdb")
    monkeypatch.delenv("MONGOSWEEP_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make servers"):
        RealServers(tmp_path).get(kind)
    monkeypatch.setenv("MONGOSWEEP_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="make servers"):
        RealServers(tmp_path).get(kind)
