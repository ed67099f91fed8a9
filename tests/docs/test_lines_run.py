"""Every command line of every page runs, against servers on loopback, unless a row says why it cannot."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.doc_commands import Line, lines
from tests.support.doc_pages import ROOT
from tests.support.doc_world import World, servers
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_HERE = {
    r"serve\b": ("a service that goes on until it is stopped", "tests/service"),
    r"lab --write-scope": ("servers that stand until Ctrl-C", "tests/cli/test_demo.py"),
    r"fleet (init|issue)\b": (
        "certificates of a fleet, a folder each",
        "tests/cli/test_fleet_certificates.py",
    ),
    r"fleet (scheduler|worker|status|shard)\b": ("needs the other machines of a fleet", "tests/fleet"),
    r"sweep .*--(fleet|ssh)\b": ("needs the other machines of a fleet", "tests/fleet"),
    r"scope .*\bnetbox\b": ("needs a NetBox", "tests/cli/test_scope_from_netbox.py"),
    r"scope import - --inventory": (
        "needs an account of a cloud",
        "tests/targets/sources/test_inventories.py",
    ),
    r"data (update|export (tables|mine))\b": (
        "needs tables that somebody made and signed",
        "tests/cli",
    ),
    r"sweep --resume": ("needs a run that was stopped", "tests/docs/test_codes_brought_about.py"),
    r"scope prove\b": ("asks registries", "tests/cli/test_scope_prove.py"),
    r"forward --follow": ("goes on until it is stopped", "tests/cli/test_forward.py"),
    r"verify .*--until-closed": ("goes on until everything is closed", "tests/cli/test_verify_command.py"),
    r"users (add|password)\b": ("asks for a password on a terminal", "tests/cli/test_users.py"),
    r"sweep .*--confirm": ("asks by the official driver, which takes seconds", "tests/cli/test_demo.py"),
}
"""What is not run here: the beginning of the command, why, and which tests run it."""
NOTHING_TO_SHOW = {"select(.wiped_count > 0)", "select(.can_resume)"}
"""Recipes that find nothing in whole sweeps of servers to which nothing happened."""
FIRST: dict[str, Line] = {}
for each in lines():
    FIRST.setdefault(re.sub(r"\s+", " ", each.text), each)
LINES = list(FIRST.values())


def reason(line: Line) -> str:
    """The row that says why a line is not run; "" for none."""
    return next((row for row in NOT_HERE if re.search(rf"\bmongosweep {row}", line.text)), "")


RUN = [line for line in LINES if not reason(line)]


@pytest.fixture
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[World]:
    """The folder as the working directory, with its servers standing, swept twice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    made = World(tmp_path, free_port())
    with servers(made.port):
        made.prepare(capfd)
        yield made


def fault(line: Line, world: World, capture: pytest.CaptureFixture[str]) -> str:
    """What is wrong with a line, "" for nothing: it does its work, or finds something open, is not refused,
    nothing is left undone, and a recipe shows something."""
    recipe = re.search(r"(?:^|\| )jq ", line.text)
    if recipe and shutil.which("jq") is None:
        return ""
    done = world.run(line.text, capture)
    if done.code not in (0, 1) or "Traceback" in done.err:
        return f"exit code {done.code}: {done.err}{done.out[-2000:]}"
    if recipe and not any(empty in line.text for empty in NOTHING_TO_SHOW):
        return "" if set((done.piped or "").split()) - {"null"} else f"the recipe shows nothing: {done.err}"
    return ""


@pytest.mark.slow
def test_they_run(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """One after the other in the order of the pages: what a line leaves, a later one may need."""
    faults = {f"{line.page}: {line.text}": wrong for line in RUN if (wrong := fault(line, world, capfd))}
    assert faults == {}


def test_what_is_not_run_is_run_elsewhere() -> None:
    """Each row is needed, and its tests are there."""
    for row, (_, tests) in NOT_HERE.items():
        assert any(reason(line) == row for line in LINES), row
        assert (ROOT / tests).exists()
