"""`explain` for people and for programs, and for codes that nobody knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

import pytest

from results.diff.difference import ORDER
from results.ledger.tracked import ChangeKind, State
from scanner.cli import main

if TYPE_CHECKING:
    from collections.abc import Sequence


def explain(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What `explain` prints."""
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("databases-listed", "Databases were listed without a login."),
        ("open_no_data", "nothing is readable"),
        ("newest_object_id", "Does not prove: When it was inserted"),
        ("clock-skew", "clock_skew_seconds"),
        ("CVE-2025-14847", "Known to be exploited."),
    ],
)
def test_a_code_in_any_spelling(code: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = explain([code], capsys)
    assert words in told
    for other in (code.upper(), code.replace("-", "_"), code.replace("_", "-").title()):
        assert explain([other], capsys) == told


def test_every_state_and_every_change_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for state in get_args(State):
        assert "(the state of an exposure)" in explain([state], capsys)
    for kind in {*ORDER, *get_args(ChangeKind)}:
        assert "(what happened to an exposure)" in explain([kind], capsys)
    told = explain(["unreachable"], capsys)
    assert "A router on the way" in told, "the verdict of this name is something else"
    assert "no proof that it was closed" in told


def test_several_at_once_and_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    both = explain(["silent", "gone"], capsys)
    assert both.index("silent") < both.index("gone")
    listed = explain([], capsys)
    assert "databases-listed" in listed
    assert "CVE-2025-14847" in listed


def test_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    (meaning,) = json.loads(explain(["--json", "CVE-2025-14847"], capsys))
    assert meaning["known_exploited"] is True
    assert "4.4.0 to before 4.4.30" in meaning["affected"]
    every = json.loads(explain(["--json"], capsys))
    assert {"open", "databases-listed", "process_start"} <= {meaning["code"] for meaning in every}


@pytest.mark.parametrize(
    ("code", "words"), [("databases-lsted", "did you mean databases-listed"), ("qqq", "lists them all")]
)
def test_an_unknown_code_is_refused_with_a_guess(
    code: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", code]) == 2
    assert words in capsys.readouterr().err
    assert main(["explain", "\x1b[31m"]) == 2
    assert "\x1b" not in capsys.readouterr().err
