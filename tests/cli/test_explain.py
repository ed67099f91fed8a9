"""`explain` for people and for programs, and for codes that nobody knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

import pytest

from results.diff.difference import ORDER
from results.ledger.tracked import ChangeKind, State
from results.record import Reason
from results.verdict import Severity
from scanner.cli import main
from tests.support.two_runs import TwoRuns, new, old, shut

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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


def test_the_points_of_a_finding_add_up_to_its_score(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = [Reason(code="telling-names", detail="\x1busers", points=60), Reason(code="verdict", points=48)]
    told = {"severity": Severity.CRITICAL, "severity_reasons": reasons, "score": 100}
    locked = shut(new("192.0.2.2"), severity_reasons=[Reason(code="end-of-life", points=5)], score=5)
    TwoRuns(here / "runs").write([old("192.0.2.1")], [new("192.0.2.1", **told), locked])
    text = explain(["192.0.2.1:27017"], capsys)
    assert "Critical: 100 of 100, by the look of 2026-03-08T04:10:00Z." in text
    lines = [line.split("  ", 2)[-1].strip() for line in text.splitlines()]
    assert r"60  names hint at personal or secret data: \x1busers" in lines
    assert lines[-2] == "108  in all, of which 100 count"
    assert main(["exposures", "--format", "jsonl"]) == 1
    exposure = json.loads(capsys.readouterr().out)
    assert (exposure["score"], exposure["severity_reasons"][0]["points"]) == (100, 60)
    assert explain([exposure["exposure_id"]], capsys) == text
    assert "5  in all\n" in explain(["192.0.2.2"], capsys), "what is not open is of the newest run"
    (one,) = json.loads(explain(["192.0.2.2", "--json"], capsys))
    assert (one["score"], one["points"][0]["code"]) == (5, "end-of-life")
    for unknown in ("192.0.2.77", "[2001:db8::1]:27017", "mx_00"):
        assert main(["explain", unknown]) == 2
        assert "there is no exposure" in capsys.readouterr().err


def test_an_older_run_has_no_score_and_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    TwoRuns(here / "runs").write([], [new("192.0.2.1")])
    assert "High: no score was computed then," in explain(["192.0.2.1"], capsys)


def test_what_each_ground_weighs_here(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "     74  and more: critical\n" in explain(["severity"], capsys)
    (here / "mongosweep.toml").write_text("[severity]\ncritical = 91\nransom = 7\n")
    text = explain(["severity"], capsys)
    assert "     91  and more: critical\n" in text
    assert "      7  ransom: an extortionist's note" in text
    for level in ("critical", "High", "score"):
        assert text.partition("(how a score is made)")[2] in explain([level], capsys)


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
