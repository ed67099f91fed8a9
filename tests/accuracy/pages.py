"""Makes docs/verdicts.md from the tests that prove it (`make accuracy`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from results.verdict import MEANING, Verdict
from scanner.mongo.judge import RULES
from tests.accuracy.proofs import PROOFS, TRAPS
from tests.mongo.list_cases import LIST_CASES

if TYPE_CHECKING:
    from collections.abc import Iterable

VERDICTS = "docs/verdicts.md"
MODULES = ("tests.accuracy.test_verdicts", "tests.accuracy.test_traps")
_GOLDEN = "tests/mongo/test_judge_golden.py::test_list_databases"

_HEAD = """\
# What each verdict rests on

<!-- Made by `make accuracy` from the tests named here. Change the tests, not this page. -->

A verdict is one answer about one address and port. Each row below is a server that a test starts, asks over a
real socket, and holds against this table. "Recording" means that the bytes are those of a real server of that
version; "simulated" means the lab's own server.
"""


def verdicts_page() -> str:
    """The whole page."""
    for name in MODULES:
        importlib.import_module(name)
    parts = [_HEAD, _meanings()]
    for verdict in (v for v in Verdict if not v.is_connection_outcome):
        rows = [(p.state, f"`{p.rule}`", p.wire, p.seen) for p in PROOFS if p.verdict is verdict]
        parts.append(
            f"## {verdict.value}\n\n"
            + table(("How the server stands", "Rule", "On the wire", "Seen on"), rows)
        )
    tests = sorted({p.test for p in PROOFS})
    parts.append("Proven by " + ", ".join(f"`{test}`" for test in tests) + ".\n")
    parts += [_answers(), _traps(), _rules()]
    return "\n".join(parts)


def _meanings() -> str:
    rows = [(f"`{v.value}`", MEANING[v].sentence, MEANING[v].severity.value) for v in Verdict]
    return "## The verdicts\n\n" + table(("Verdict", "Meaning", "Severity by itself"), rows)


def _answers() -> str:
    """Documents to listDatabases, one by one: what no whole server above says."""
    rows = [
        (name, _said(listed), f"`{verdict.value}`", f"`{rule}`")
        for name, listed, _, verdict, rule in LIST_CASES
    ]
    head = f"## Single answers to listDatabases\n\nProven by `{_GOLDEN}`.\n\n"
    return head + table(("Case", "Answer", "Verdict", "Rule"), rows)


def _said(document: dict[str, Any]) -> str:
    names = document.get("databases")
    parts = [
        f"{key}: {document[key]!r}" for key in ("ok", "code", "codeName", "errmsg", "$err") if key in document
    ]
    if isinstance(names, list):
        parts.append(f"a list of {len(names)}")
    elif names is not None:
        parts.append("databases that are no list")
    return f"`{', '.join(parts) or 'nothing'}`"


def _traps() -> str:
    rows = [(what, f"`{test}`") for what, test in sorted(TRAPS)]
    return "## Traps that real servers set\n\n" + table(("What misleads", "Test"), rows)


def _rules() -> str:
    rows = [(str(n), f"`{rule.name}`", f"`{rule.verdict.value}`") for n, rule in enumerate(RULES, start=1)]
    text = "## The rules in their order\n\nThe first that applies decides (`scanner/mongo/judge.py`).\n\n"
    return text + table(("", "Rule", "Verdict"), rows)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    ]
    return "\n".join(lines) + "\n"
