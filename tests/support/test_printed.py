"""Rows from tests become tables at the end of the run, also when the test failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.printed import aligned

ROOT = Path(__file__).resolve().parent.parent.parent
CONFTEST = """
from tests.support.printed import PrintedTables

def pytest_configure(config):
    config.pluginmanager.register(PrintedTables())
"""
TESTS = """
from tests.support.printed import note

def test_good(record_property):
    note(record_property, "things", {"thing": "one"})

def test_bad(record_property):
    note(record_property, "things", {"thing": "two"})
    assert 0
"""


def test_columns_are_aligned() -> None:
    rows = [{"server": "a", "verdict": "open"}, {"server": "longer", "names": "ok"}]
    assert aligned(rows) == ["server  verdict  names", "a       open", "longer           ok"]


def test_prints_rows_of_passed_and_failed_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_things.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    table = done.stdout.partition(" things ")[2].splitlines()
    assert table[1:4] == ["thing", "one", "two"]
