"""The build hook: imports go through the outer package, and nothing else in a file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.deploy_programs import load

HOOK = load("package/build_hook.py")
ROOT = Path(__file__).resolve().parents[2]


BEFORE = """\
from scanner.clock import Clock
from scanner import __version__
from targets.errors import (
    one_line,
)
import scanner
import results as seen
import results.report as report
def later():
    import targets; from results import cut
é = "é"; from results import cut
from scannerlib import x
import resultset
from . import scanner
from mongosweep import sweep
text = "from scanner import x", \'\'\'
import targets
\'\'\'  # import results
"""
AFTER = """\
from mongosweep.scanner.clock import Clock
from mongosweep.scanner import __version__
from mongosweep.targets.errors import (
    one_line,
)
from mongosweep import scanner
from mongosweep import results as seen
import mongosweep.results.report as report
def later():
    from mongosweep import targets; from mongosweep.results import cut
é = "é"; from mongosweep.results import cut
from scannerlib import x
import resultset
from . import scanner
from mongosweep import sweep
text = "from scanner import x", \'\'\'
import targets
\'\'\'  # import results
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_imports_are_rewritten_and_nothing_else(end: str) -> None:
    assert HOOK.moved(BEFORE.replace("\n", end).encode()) == AFTER.replace("\n", end).encode()


@pytest.mark.parametrize(
    "source",
    [
        "import scanner.clock\n",
        "import os, scanner\n",
        "from  scanner import x\n",
        "from\\\n scanner import x\n",
    ],
)
def test_a_form_that_cannot_be_moved_stops_the_build(source: str) -> None:
    with pytest.raises(HOOK.ImportFormError, match=r"^line 1: write `"):
        HOOK.moved(source.encode())


def test_the_checkout_can_be_moved(tmp_path: Path) -> None:
    """Seconds before a wheel is built, and with the file's name: else `pip install .` is what fails."""
    HOOK.lay_out(ROOT, tmp_path)
    assert (tmp_path / "scanner" / "__init__.py").is_file()
    for path in (ROOT / "docs" / "siem").rglob("*.conf"):
        assert (tmp_path / path.relative_to(ROOT)).is_file()
