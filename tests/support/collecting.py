"""A folder as sweeps leave it, and a collector beside it, for tests of what is sent between the two."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from results.record import Owner
from results.verdict import Severity, Verdict
from scanner.setup.sink_settings import secret_variable
from tests.results.examples import database, exposure, observation
from tests.support.ledgers import RunOnDisk
from tests.support.receivers.beside import beside
from tests.support.receivers.hec import TOKEN, HecReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = secret_variable("soc")
SPLUNK = '[[sink]]\nkind = "splunk"\nname = "soc"\nurl = "{url}"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a finished run that found two open servers, and the token in the
    environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith("MONGOSWEEP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(SECRET, TOKEN)
    swept(tmp_path, 1, {1: Severity.CRITICAL, 2: Severity.LOW})
    return tmp_path


@pytest.fixture
def hec(folder: Path) -> Iterator[HecReceiver]:
    """A collector, and a configuration that names it."""
    receiver = HecReceiver()
    with beside(receiver):
        configure(folder, SPLUNK.format(url=receiver.origin))
        yield receiver


def swept(folder: Path, day: int, found: dict[int, Severity], *, ended: bool = True) -> RunOnDisk:
    """A run of one day, complete, that found these servers open; or one that goes on still."""
    outcomes = {"refused": 256 - len(found)} | ({"open": len(found)} if found else {})
    at = f"2026-03-{day:02}T04"
    run = RunOnDisk(
        folder / "runs", f"run-{day}", f"{at}:00:00.000Z", organisation="Example", outcomes=outcomes
    )
    run.begin()
    for last, severity in found.items():
        seen = observation(
            f"192.0.2.{last}",
            f"run-{day}",
            observed_at=f"{at}:1{last}:00.000Z",
            verdict=Verdict.OPEN,
            severity=severity,
            severity_number=severity.number,
            owner=Owner(owner="web platform", site="paris"),
            exposure=exposure(database("shop", size=1000 * last)),
        )
        run.see(seen)
    return run.end() if ended else run


def configure(folder: Path, sinks: str, patience: float = 10) -> None:
    text = f'[organisation]\nname = "Example"\n[forward]\npatience = {patience}\n{sinks}'
    (folder / "mongosweep.toml").write_text(text, encoding="utf-8")


def kinds(receiver: HecReceiver) -> list[str]:
    """What was taken, in its order."""
    return [taken["event"]["kind"] for taken in receiver.taken]


def ids(receiver: HecReceiver) -> list[str]:
    return [taken["event"]["event_id"] for taken in receiver.taken]


FIRST = ["started", "opened", "opened", "ended"]
