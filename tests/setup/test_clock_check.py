"""A clock that cannot be right is refused by every command that judges by it what has expired."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scanner.cli import main
from scanner.clock import SystemClock
from scanner.errors import RefusedError
from scanner.setup.clock_check import SLACK, clock_fault, require_clock, witnesses
from targets import special

DAY = 86400.0
MADE = datetime.fromisoformat(special.AS_OF).replace(tzinfo=UTC).timestamp()


class At(SystemClock):
    """A wall clock that stands at one moment."""

    def __init__(self, moment: float) -> None:
        self.wall = lambda: moment


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MONGOSWEEP_OUTPUT", raising=False)
    return tmp_path


def test_a_clock_before_this_version_was_made_is_wrong_without_a_witness() -> None:
    fault = clock_fault(MADE - 1, [])
    assert fault is not None
    assert "before this version was made" in fault.found
    assert "NTP" in fault.remedy
    assert clock_fault(MADE, []) is None
    assert clock_fault(MADE + 100 * 365 * DAY, []) is None


def test_what_was_changed_later_than_now_proves_it_wrong(here: Path) -> None:
    """By when the kernel changed the file, not by the date that an archive or a checkout gave it."""
    file = here / "list.txt"
    file.write_text("10.20.0.0/24\n")
    changed = file.stat().st_ctime
    os.utime(file, (changed + 400 * DAY, changed + 400 * DAY))
    changed = file.stat().st_ctime
    assert clock_fault(max(changed, MADE), [file, here / "absent"]) is None
    if changed - SLACK <= MADE:
        pytest.skip("this machine's own clock is before this version was made")
    assert clock_fault(max(changed - SLACK + 60, MADE), [file]) is None
    fault = clock_fault(max(changed - SLACK - 60, MADE), [file])
    assert fault is not None
    assert str(file) in fault.found
    assert f"touch {file}" in fault.remedy
    with pytest.raises(RefusedError, match="touch"):
        require_clock(At(max(changed - SLACK - 60, MADE)), [file])


def test_the_witnesses_are_all_that_was_there_before(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "mongosweep.toml").write_text("")
    found = witnesses(None, "list.txt", "out", "RUN")
    assert {Path("mongosweep.toml"), Path("list.txt"), Path("out"), Path("out/RUN/manifest.json")} <= {*found}
    assert any(path.name == "__init__.py" for path in found)
    monkeypatch.setenv("MONGOSWEEP_OUTPUT", "elsewhere")
    assert Path("elsewhere") in witnesses(None, None)


LIST = """
[[allow]]
cidr = "127.94.3.0/30"
owner = "web platform"
kind = "lab"
authorised_by = "CHG-1"
expires = {expires}
[sweep]
ports = [{port}]
"""
COMMANDS = ["plan", "sweep", "sweep --resume {run}", "doctor", "doctor --fence nftables --user 1000"]


def clock_at(moment: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "wall", staticmethod(lambda: moment))


def status(line: str) -> int:
    """The exit code of a command line."""
    return main(line.split())


def sweep_once(here: Path, port: int, capfd: pytest.CaptureFixture[str]) -> str:
    """A finished run, of a time when its entry had not expired."""
    later = datetime.now(UTC).date() + timedelta(days=2)
    (here / "mongosweep.toml").write_text(LIST.format(expires=later, port=port))
    assert status("sweep -q") == 0, capfd.readouterr()
    (manifest,) = here.glob("runs/2*/manifest.json")
    return manifest.parent.name


@pytest.mark.parametrize("back", [365, 20])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_a_clock_that_is_behind(
    here: Path,
    port: int,
    command: str,
    back: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A year back is before this version was made; twenty days back, the allow-list is from the future."""
    run = sweep_once(here, port, capfd)
    file = here / "mongosweep.toml"
    changed = datetime.fromtimestamp(file.stat().st_ctime, UTC)  # by the kernel's clock, whatever ours says
    file.write_text(LIST.format(expires=changed.date() - timedelta(days=3), port=port))
    clock_at(changed.timestamp() - back * DAY, monkeypatch)
    capfd.readouterr()
    assert status(command.format(run=run)) == 2
    said = "".join(capfd.readouterr())
    assert "the clock says" in said
    assert "set the clock" in said
    assert len([*here.glob("runs/2*/manifest.json")]) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_an_authorisation_that_has_expired(
    here: Path, port: int, command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = sweep_once(here, port, capfd)
    clock_at(time.time() + 4 * DAY, monkeypatch)
    assert status(command.format(run=run)) == 2
    said = "".join(capfd.readouterr())
    assert "expired on" in said
    assert len([*here.glob("runs/2*/manifest.json")]) == 1
