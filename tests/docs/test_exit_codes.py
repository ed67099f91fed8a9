"""The exit codes that pages name are those of the program, and say what these say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from scanner.errors import ExitCode
from tests.support.doc_pages import ROOT, TOLD, name_of

if TYPE_CHECKING:
    from pathlib import Path

CODES = {code.value for code in ExitCode}
NAMED = re.compile(r"[Ee]xit codes? (\d+)((?:(?:, | and | or |/)\d+)*)")
TABLE = re.compile(r"^\| code \|.*\n\|[-|: ]+\n((?:\|.*\n?)+)", re.MULTILINE)


@pytest.mark.parametrize("page", TOLD, ids=name_of)
def test_a_code_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {int(each) for found in NAMED.findall(text) for each in re.findall(r"\d+", "".join(found))}
    for rows in TABLE.findall(text):
        named |= {int(code) for code in re.findall(r"^\| (\d+) \|", rows, re.MULTILINE)}
    assert named <= CODES


def test_the_table_for_jobs_has_every_code() -> None:
    """Whoever writes a script meets all of them."""
    (rows,) = TABLE.findall((ROOT / "docs" / "operations.md").read_text(encoding="utf-8"))
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", rows, re.MULTILINE)} == CODES


@pytest.mark.parametrize("code", [code for code in ExitCode if code in (2, 3, 5, 70)])
def test_troubleshooting_has_a_section_for_each_trouble(code: ExitCode) -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert re.search(rf"^## .*exit code {code.value}$", text, re.MULTILINE)
