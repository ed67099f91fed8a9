"""The fault cases, and which tests of other rooms prove some of them.

Tests marked `fault` name their case themselves. docs/reliability.md names the cases without a test.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Case(NamedTuple):
    """One fault; `required` is what the program must do."""

    fault: str
    required: str
    starred: bool


def _rows(name: str) -> list[list[str]]:
    """The rows of a table beside this file, without its first line, which explains it."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()[1:]
    return [line.split(" | ") for line in lines]


CASES = {
    number[:3]: Case(fault, required, number.endswith("*")) for number, fault, required in _rows("cases.txt")
}

LATER = frozenset(f"F{number}" for number in (*range(17, 21), *range(23, 31), 80))
"""Cases of parts that do not exist yet: the ledger, delivery, the dashboard."""


def _proofs() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for case, test, how in _rows("proofs.txt"):
        found.setdefault(test, []).append((case, how))
    return found


PROOFS = _proofs()
"""Test (without its parameters) -> the cases that it proves, each with how the fault is injected."""
