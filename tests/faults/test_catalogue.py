"""The table of fault cases is whole: starred cases have tests, named tests exist, the page names the rest."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.cli.programs import ROOT
from tests.faults.catalogue import CASES, LATER, PROOFS


def marked() -> set[str]:
    """The cases that tests anywhere name in a mark."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                found.add(ast.literal_eval(node.args[0]))
    return found


def proved() -> set[str]:
    """Cases with at least one test."""
    return marked() | {case for proofs in PROOFS.values() for case, _ in proofs}


def test_every_starred_case_has_a_test() -> None:
    starred = {number for number, case in CASES.items() if case.starred}
    assert starred - LATER - proved() == set()


def test_every_case_that_is_named_exists() -> None:
    assert len(CASES) == 81
    assert proved() <= set(CASES)


@pytest.mark.parametrize("test", sorted(PROOFS))
def test_a_test_that_is_said_to_prove_a_case_is_there(test: str) -> None:
    path, *names = test.split("::")
    tree: ast.AST = ast.parse(Path(ROOT, path).read_text(encoding="utf-8"))
    for name in names:
        (tree,) = [
            node
            for node in ast.iter_child_nodes(tree)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
        ]


def test_the_page_names_what_has_no_test() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    missing = page.partition("## Cases without a test")[2]
    assert set(re.findall(r"\bF\d\d\b", missing)) == set(CASES) - proved()
