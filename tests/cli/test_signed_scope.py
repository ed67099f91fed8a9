"""Signed allow-lists as a user meets them: in the plan, in a run's manifest, and while a sweep runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from tests.cli.programs import mongosweep
from tests.support.ports import free_port
from tests.support.signing import WHO, minisign, minisign_key, ssh_key, ssh_sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIST = '[[allow]]\ncidr = "127.93.0.0/{length}"\nkind = "lab"\nowner = "web platform"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a configuration and one signed allow-list."""
    (tmp_path / "allowed_signers").write_text(
        f"{WHO} {ssh_key(tmp_path / 'key')}\nb@example.com minisign {minisign_key(tmp_path)}\n",
        encoding="utf-8",
    )
    (tmp_path / "mongosweep.toml").write_text(
        '[scope]\nfiles = ["estate.toml"]\nsigners = "allowed_signers"\n'
        f"[sweep]\nports = [{free_port()}]\nper_prefix_rate = 1000\n",
        encoding="utf-8",
    )
    (tmp_path / "estate.toml").write_text(LIST.format(length=28), encoding="utf-8")
    ssh_sign(tmp_path / "estate.toml", tmp_path / "key")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_plan_and_the_manifest_say_who_signed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 0
    said = capsys.readouterr().out
    assert f"signed allow-lists:\n  estate.toml by {WHO}, SHA256:" in said
    assert main(["plan", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["signatures"]
    done = mongosweep("sweep", cwd=here)
    assert done.returncode == 0, done.stderr
    (manifest,) = here.glob("runs/2*/manifest.json")
    assert json.loads(manifest.read_bytes())["signatures"] == [found]
    assert mongosweep("audit", manifest.parent.name, cwd=here).returncode == 0


def test_a_signature_of_minisign_does_as_well(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "estate.toml.sig").unlink()
    minisign(here / "estate.toml", here)
    assert main(["plan"]) == 0
    assert "estate.toml by b@example.com, minisign:" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["plan"], ["sweep", "--no-ledger"], ["plan", "--scope", "estate.toml"]])
def test_an_unsigned_list_ends_with_code_two(
    here: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (here / "estate.toml.sig").unlink()
    assert main(command) == 2
    assert "estate.toml: is not signed, and allowed_signers says who must sign it" in capsys.readouterr().err
    assert not list(here.glob("runs/*"))


def test_a_reload_of_an_altered_list_pauses_and_adds_nothing(here: Path) -> None:
    (here / "estate.toml").write_text(LIST.format(length=22), encoding="utf-8")
    ssh_sign(here / "estate.toml", here / "key")
    command = [sys.executable, "-P", "-m", "scanner", "sweep", "--rate", "20", "--all"]
    with (here / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=said)
    try:
        _until(lambda: bool(list(here.glob("runs/2*/progress.json"))))
        (here / "estate.toml").write_text(LIST.format(length=16), encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        _until(lambda: "could not be reloaded, paused: " in (here / "said").read_text(encoding="utf-8"))
        assert "estate.toml: is not what was signed" in (here / "said").read_text(encoding="utf-8")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 3
    (manifest,) = here.glob("runs/2*/manifest.json")
    assert json.loads(manifest.read_bytes())["planned"]["targets"] == 1024


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
