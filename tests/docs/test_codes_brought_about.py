"""Each exit code of the table for jobs, brought about as that table says, in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import results.schema
from results.lock import Lock
from scanner.cli import main
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

OPEN = "127.77.2.1"
CONFIGURATION = """\
[[allow]]
cidr = "127.77.2.0/29"
owner = "web platform"
kind = "lab"

[sweep]
ports = [{port}]
per_prefix_rate = 10000
"""


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A port on which nobody listens yet, and a configuration that asks it, where we stand."""
    chosen = free_port()
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION.format(port=chosen), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return chosen


@pytest.mark.usefixtures("port")
def test_0_complete_and_nothing_is_open(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "-q"]) == 0
    assert capfd.readouterr() == ("", "")


def test_1_complete_and_something_is_open_and_never(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    with LabThread({(OPEN, port): find("open_8_0")}):
        assert main(["sweep", "-q"]) == 1
        assert main(["sweep", "-q", "--fail-on", "never"]) == 0
    observed = map(json.loads, capfd.readouterr().out.splitlines())
    assert {each["verdict"] for each in observed if "verdict" in each} == {"open"}


@pytest.mark.usefixtures("port")
def test_2_refused_and_nothing_was_sent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "10.20.1.17"]) == 2
    assert "outside the scope" in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_3_not_everything_was_covered_and_resume_goes_on(
    port: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mongosweep.toml").write_text(
        CONFIGURATION.format(port=port) + "rate = 0.5\n", encoding="utf-8"
    )
    assert main(["sweep", "-q", "--stop-after", "1s"]) == 3
    assert "targets were not reached" in capfd.readouterr().err
    (run,) = (tmp_path / "runs").glob("2*")
    assert json.loads((run / "manifest.json").read_bytes())["state"] == "interrupted"
    assert main(["sweep", "-q", "--rate", "1000", "--resume", run.name]) == 0


@pytest.mark.usefixtures("port")
def test_4_audit_uses_it_for_what_was_edited(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "-q", "--all"]) == 0
    (segment,) = tmp_path.glob("runs/2*/observations-0001.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"refused", b"refuted", 1))
    assert main(["audit", "last"]) == 4
    assert "EDITED" in capfd.readouterr().out


@pytest.mark.usefixtures("port")
def test_5_another_run_asks_the_same_prefix(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "-q"]) == 0
    (run,) = (tmp_path / "runs").glob("2*")
    lock = Lock.acquire(run, "a sweep that goes on")
    try:
        assert main(["sweep", "-q"]) == 5
    finally:
        lock.release()
    assert "another run holds this directory" in capfd.readouterr().err


def test_70_a_bug_of_ours_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails() -> str:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(results.schema, "text", fails)
    assert main(["schema"]) == 70
    said = capfd.readouterr().err
    (kept,) = tmp_path.glob("mongosweep-error-*")
    assert said.startswith("internal error: ZeroDivisionError: on purpose; ")
    assert said.endswith(f"{kept}\n")
    assert "['schema']" in kept.read_text(encoding="utf-8")
