"""Every row of docs/threat-model.md names the tests that hold it, and each of them is there and runs."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
WHO = (
    *("database server", "browser tab", "colleague without the role", "stolen token", "network", "took over"),
    *("write the allow-list", "in a fleet", "between the source and an installation"),
)


def rows() -> list[tuple[str, str, list[str]]]:
    """What is tried, what stops it, and the tests."""
    found = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[2] != "held by":
            found.append((cells[0], cells[1], re.findall(r"`(tests/[\w/]+\.py::\w+)`", cells[2])))
    return found


@cache
def known_in(file: str) -> dict[str, list[str]]:
    """The tests of a file, each with its decorators."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {
        node.name: [ast.unparse(each) for each in node.decorator_list]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_each_row_is_held_by_tests_that_run() -> None:
    assert len(rows()) > 30
    for tried, stops, tests in rows():
        assert tests, f"{tried}: no test"
        assert stops, tried
        for test in tests:
            file, _, name = test.partition("::")
            assert name in known_in(file), f"{tried}: there is no {test}"
            skipped = [each for each in known_in(file)[name] if "skip(" in each or "xfail" in each]
            assert not skipped, f"{tried}: {test} does not run"


def test_everybody_who_attacks_has_a_section() -> None:
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    for who in WHO:
        assert [each for each in sections if who in each.lower()], who
