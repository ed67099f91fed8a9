"""`mongosweep fleet init` and `fleet issue`: what they make, what they say, and what they refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from scanner.clock import SystemClock
from scanner.fleet.authority import read_own

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "fleet"


def test_a_fleet_from_nothing_to_a_renewal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "init", "fleet", "--site", "paris", "--site", "paris:p2", "--days", "30"]) == 0
    said = capsys.readouterr().err
    now = SystemClock.wall()
    for place, role in (
        ("coordinator", "coordinator"),
        ("scheduler", "scheduler"),
        ("workers/paris-1", "worker"),
        ("workers/p2", "worker"),
    ):
        target = "scheduler" if role == "scheduler" else "fleet"
        assert f"scp -p fleet/{place}/* {role.upper()}:/etc/mongosweep/{target}/" in said
        own = read_own(folder / place, role, now)  # type: ignore[arg-type]
        assert abs(own.identity.not_after - now - 30 * 86400) < 120
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert main(["fleet", "init", "fleet", "--site", "paris", "--site", "oslo:o1"]) == 0
    said = capsys.readouterr().err
    assert "there is an authority already in fleet" in said
    assert "3 certificates left as before; `mongosweep fleet issue fleet --renew` renews all" in said
    assert {path: path.read_bytes() for path in files} == files
    assert read_own(folder / "workers" / "o1", "worker", now, "oslo")

    assert main(["fleet", "issue", "fleet", "--renew", "worker", "--site", "paris"]) == 0
    said = capsys.readouterr().err
    assert re.findall(r"scp -p (\S+)", said) == [
        "fleet/workers/p2/own.pem",
        "fleet/workers/paris-1/own.pem",
    ]
    changed = {path.name for path, data in files.items() if path.read_bytes() != data}
    assert changed == {"own.pem"}
    assert main(["fleet", "issue", "fleet", "worker", "--site", "oslo", "--name", "o2", "--name", "o3"]) == 0
    assert main(["fleet", "issue", "fleet", "scheduler", "--new-key"]) == 0
    assert "fleet/scheduler/* SCHEDULER" in capsys.readouterr().err
    assert read_own(folder / "scheduler", "scheduler", now)


REFUSED = {
    "a place that is full": (["init", "."], "holds fleet and no authority"),
    "a site that is no word": (["init", "new", "--site", "a b"], "'a b' is no site of a fleet"),
    "an empty site": (["init", "new", "--site", ":w"], "'' is no site of a fleet"),
    "an empty worker": (["init", "new", "--site", "paris:"], "'' is no name of a fleet"),
    "two of one name": (["init", "new", "--site", "a:w", "--site", "b:w"], "two workers of one name"),
    "no authority": (["issue", "new", "scheduler"], "new cannot be used: no such file or directory"),
    "for nobody": (["issue", "fleet"], "worker, scheduler or coordinator; or write --renew"),
    "for which worker": (["issue", "fleet", "worker"], "say which worker: --name paris-1"),
    "a site that is unknown": (["issue", "fleet", "worker", "--name", "w"], "worker w is new; write --site"),
    "nothing to renew": (["issue", "fleet", "worker", "--renew"], "has no such certificate to renew"),
    "a name and all": (["issue", "fleet", "worker", "--renew", "--name", "w"], "leave --renew out"),
    "for ever": (["issue", "fleet", "scheduler", "--days", "99999"], "1<=x<=1825"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, expected = REFUSED[what]
    assert main(["fleet", "init", "fleet"]) == 0
    capsys.readouterr()
    assert main(["fleet", *words]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.startswith("error: ")
    assert not (folder.parent / "new" / "ca.key").exists()
