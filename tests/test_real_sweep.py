"""`mongosweep sweep` over every real server at hand, held against what PyMongo reads from the same server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.record import Observation
from results.verdict import Verdict
from tests.support.kinds import ROOT, State, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.real import RealServer, Truth

VERDICT = {
    State.OPEN: Verdict.OPEN,
    State.REPLICA_SET: Verdict.OPEN,
    State.TLS: Verdict.OPEN,
    State.EMPTY: Verdict.OPEN_NO_DATA,
    State.AUTH: Verdict.AUTH_REQUIRED,
    State.LOCALHOST_EXCEPTION: Verdict.AUTH_REQUIRED,
    State.CLIENT_CERTIFICATE: Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
}


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
    command = [sys.executable, "-m", "scanner", "sweep", "-c", str(configuration), "-o", str(folder / "runs")]
    done = subprocess.run(
        [*command, "--confirm", "--json", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.count("\n") == 1, done.stderr
    return done.returncode, msgspec.json.decode(done.stdout, type=Observation)


def test_agrees_with_the_official_driver(real_server: RealServer, tmp_path: Path) -> None:
    """Verdict, product, names, sizes, counts and newest times; and the driver's second opinion agrees."""
    state = real_server.kind.state
    readable = state not in (State.AUTH, State.LOCALHOST_EXCEPTION)
    before = real_server.truth() if readable else None
    code, seen = sweep(real_server, tmp_path)
    assert seen.verdict is expected(real_server, before), seen.evidence
    assert code == int(seen.verdict.is_open)
    assert seen.evidence
    if seen.verdict is not Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED:
        assert seen.server is not None
        assert seen.server.product == real_server.kind.product.replace("mongod", "mongodb").replace(
            "mongos", "mongodb"
        )
    if seen.verdict.is_open:
        assert before is not None
        assert seen.confirmation is not None
        assert seen.confirmation.agrees in (True, None), seen.confirmation
        holds_what_was_read(seen, before, real_server.truth())


def expected(server: RealServer, truth: Truth | None) -> Verdict:
    """The verdict by state. An empty MongoDB still lists its own databases, and is open."""
    if server.kind.state is State.EMPTY and truth is not None and truth.databases:
        return Verdict.OPEN
    return VERDICT[server.kind.state]


def holds_what_was_read(seen: Observation, before: Truth, after: Truth) -> None:
    """Every name, count and newest time is PyMongo's.

    Sizes lie between two readings: FerretDB's statistics commands let SQLite write statistics of its own.
    """
    assert seen.exposure is not None
    databases = {each.name: each for each in seen.exposure.databases}
    assert set(databases) == set(before.databases)
    for name, database in databases.items():
        size = database.size_bytes or 0
        assert before.databases[name] <= size <= after.databases[name] or name in ("local", "config"), name
        for collection in database.collections:
            where = (name, collection.name)
            if name in ("local", "config", "admin") or where not in before.documents:
                continue
            assert collection.documents == before.documents[where], where
            newest = before.newest.get(where)
            if newest is not None:
                assert collection.last_write is not None, where
                assert abs((collection.last_write.at - newest).total_seconds()) <= 1, where


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed (Debian package jq)")
@pytest.mark.parametrize("real_server", kinds(State.OPEN, product="secantusdb"), indirect=True, ids=str)
def test_pipes_into_jq(real_server: RealServer, tmp_path: Path) -> None:
    """Without any option, stdout that is not a terminal carries JSONL and nothing else."""
    configuration = write_configuration(real_server, tmp_path)
    command = [
        sys.executable,
        "-m",
        "scanner",
        "sweep",
        "-c",
        str(configuration),
        "-o",
        str(tmp_path / "runs"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        jq = ["jq", "-r", "[.verdict, .target.port] | @tsv"]
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
