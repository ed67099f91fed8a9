"""No string of the program is the name of a module of ours: an installed one has another name."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOVED = ("results", "scanner", "targets")
INSTALLED = "mongosweep."  # what stands before the name of a moved package once it is installed
NAMED = re.compile(rf"\b(?:{re.escape(INSTALLED)})?(?:{'|'.join(MOVED)})(?:\.[a-z_][a-z0-9_]*)*\b")


def is_module(name: str) -> bool:
    """Whether a dotted name is a module of ours, or the beginning of one (`scanner.cli.fleet_`)."""
    if name.startswith(INSTALLED):
        return True
    parts = name.split(".")
    folder = ROOT.joinpath(*parts[:-1])
    return len(parts) > 1 and folder.is_dir() and any(folder.glob(f"{parts[-1]}*"))


def names_in(source: str) -> list[tuple[int, str]]:
    """(line, name) of each module in a string that is no docstring; after `-m`, of each package, too."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            names = NAMED.findall(node.value)
            found += [(node.lineno, name) for name in names if is_module(name)]
        if isinstance(node, ast.Tuple | ast.List):
            words = [each.value if isinstance(each, ast.Constant) else None for each in node.elts]
            found += [
                (node.lineno, str(word))
                for option, word in pairwise(words)
                if option == "-m" and str(word).partition(".")[0] in MOVED
            ]
    return found


@pytest.mark.parametrize("room", ["mongosweep", *MOVED])
def test_no_string_is_the_name_of_a_module(room: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in (ROOT / room).rglob("*.py")
        for line, name in names_in(path.read_text(encoding="utf-8"))
    }
    assert not found, "write __package__, __name__, or what scanner/program.py offers"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('run("scanner.cli.sweep")', ["scanner.cli.sweep"]),
        ('run(f"results.formats.{name}")', ["results.formats"]),
        ('prefix = "scanner.cli.fleet_"', ["scanner.cli.fleet_"]),
        ('words = (python, "-P", "-m", "scanner", "sweep")', ["scanner"]),
        ('words = ["-m", "targets"]', ["targets"]),
        ('getLogger("mongosweep.results")', ["mongosweep.results"]),
        ('"""As scanner.cli.sweep does it."""', []),
        ('say("many targets. results follow", "targets", "scanner.example.com")', []),
    ],
)
def test_what_is_found(source: str, names: list[str]) -> None:
    assert sorted(name for _, name in names_in(source)) == names
