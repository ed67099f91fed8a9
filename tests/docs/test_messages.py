"""The messages that the page on trouble quotes are those that the program prints."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from tests.support.doc_pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
TABLES = re.findall(r"^\| it says \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
QUOTED = [
    message
    for table in TABLES
    for row in table.splitlines()
    for message in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    if message not in ("serve", "forward")
]
GAP = "\0"
PROVOKED = {
    "does not exist; name the right file": ("", "plan -c another.toml"),
    "is public address space without authorisation": ('[[allow]]\ncidr = "8.8.8.0/24"\n', "plan"),
    "mongodb:// URI is no target": ('[[allow]]\ncidr = "10.20.0.0/16"\n', "plan mongodb://10.20.1.17:27017"),
}
"""What the program puts together of several texts: a configuration and a command that bring it about."""


@cache
def printed() -> tuple[str, ...]:
    """Every text of the program, with a gap where it puts something in."""
    found = []
    for room in ("scanner", "results", "targets"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [each.value if isinstance(each, ast.Constant) else GAP for each in node.values]
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                    found.append(node.value)
    return tuple(found)


def test_there_are_messages() -> None:
    assert len(QUOTED) > 25


@pytest.mark.xdist_group("texts of the program")  # one worker reads every file, and once
@pytest.mark.parametrize("message", sorted(set(QUOTED) - set(PROVOKED)))
def test_it_is_printed(message: str) -> None:
    """Each piece between two ellipses stands in a text of the program."""
    pieces = [piece.strip(" :;") for piece in message.split("…") if piece.strip(" :;")]
    missing = [piece for piece in pieces if not any(piece in text for text in printed())]
    assert not missing


@pytest.mark.parametrize("message", PROVOKED)
def test_it_is_brought_about(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in [quoted.strip("… ") for quoted in QUOTED]
    monkeypatch.chdir(tmp_path)
    configuration, words = PROVOKED[message]
    (tmp_path / "mongosweep.toml").write_text(configuration, encoding="utf-8")
    assert main(words.split()) == 2
    assert message in capsys.readouterr().err
