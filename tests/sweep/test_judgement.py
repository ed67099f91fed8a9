"""How a run is judged: from plain facts to its state, its reasons and the exit code."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from scanner.errors import ExitCode
from scanner.sweep.judgement import UNLOOKED, LastingFacts, RunFacts, exit_code, judge_run, lasting_faults

VANISHED = (
    "servers answered before the run was resumed, and not since: their lines stand in the journal, and no"
    " count has them"
)
MISSED = "servers may have been missed for lost or refused packets:"
LOST = "packets were lost: asked again, 5 of 50 silent targets answered"


def test_a_run_to_which_nothing_happened_is_complete_without_a_word() -> None:
    assert judge_run(RunFacts()) == ("complete", [])


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"not_reached": 3}, "3 targets were not reached: stopped"),
        ({"not_reached": 3, "stop_reason": "no route"}, "3 targets were not reached: no route"),
        (
            {"not_reached": 3, "given_up": 3, "local_fault": "descriptors: EMFILE"},
            "3 targets were not reached: this machine could not ask them (descriptors: EMFILE)",
        ),
        ({"not_reached": 3, "given_up": 3}, "3 targets were not reached: our own code failed on them"),
        ({"excluded": 2}, "2 targets left the scope while the sweep ran"),
        ({"doubtful": True, "missed_at_most": 4}, f"{MISSED} at most 4 (99 % confidence)"),
        ({"doubtful": True, "missed_at_most": None}, f"{MISSED} nobody can say how many (99 % confidence)"),
        ({"vanished": 2}, f"2 {VANISHED}"),
        (
            {"rounds_cut": True, "stop_reason": "interrupted"},
            "who did not answer was not asked again to the end: interrupted",
        ),
        (
            {"blind": "9 were silent, 0 unreachable"},
            (
                "nobody beyond this machine answered (9 were silent, 0 unreachable): that cannot be told from"
                " a firewall in front of it; a [[canary]] in the configuration would tell"
            ),
        ),
        ({"masked": ("10.0.0.0/24: all",)}, "masked by a middlebox: 10.0.0.0/24: all"),
        ({"stage_trouble": "the SYN stage broke off: killed"}, "the SYN stage broke off: killed"),
        (
            {"stdout_lost": "standard output: No space left on device"},
            (
                "standard output: No space left on device; lines are missing there,"
                " and the run directory has them all"
            ),
        ),
    ],
)
def test_whatever_is_missing_keeps_a_run_from_being_complete(facts: dict[str, Any], said: str) -> None:
    assert judge_run(RunFacts(**facts)) == ("degraded", [said])


@pytest.mark.parametrize(
    ("lasting", "said"),
    [
        ({"spoiled": ("it was so before",)}, "it was so before"),
        ({"canary_failures": ("canary own (at the end): expected open, got filtered",)}, "canary own"),
        ({"unlooked": True}, UNLOOKED),
        ({"unlooked": True, "spoiled": (UNLOOKED,)}, UNLOOKED),
        ({"stage_ran": True, "outages": ("eth0 was down for 2.0 s",)}, "while the SYN stage ran"),
        ({"stage_ran": True, "outage": "eth0 is down"}, "eth0 is down, while the SYN stage ran"),
        ({"bugs": Counter({"ValueError at read:7": 2})}, "2 failures of our own code"),
        ({"not_understood": 3}, "3 servers accepted and did not answer in time"),
        ({"send_failures": 6}, "this machine itself dropped 6 packets"),
    ],
)
def test_what_no_resume_can_mend_degrades_the_run_and_is_remembered(
    lasting: dict[str, Any], said: str
) -> None:
    facts = LastingFacts(**lasting)
    (fault,) = lasting_faults(facts)
    assert said in fault
    assert judge_run(RunFacts(lasting=facts)) == ("degraded", [fault])


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"suspensions": 2}, "the program stood still 2 times"),
        ({"suspensions": 1}, "the program stood still 1 time ("),
        ({"halvings": 4}, "the pace was halved 4 times under stress"),
        ({"times_busy": 3}, "this machine was busy 3 times"),
        ({"halvings": 1}, "the pace was halved 1 time under"),
        ({"times_busy": 1}, "this machine was busy 1 time, and"),
        ({"loss": (LOST,)}, LOST),
        ({"lines_left_out": 5}, "5 lines that would only have repeated others were left out"),
        ({"lasting": LastingFacts(outages=("eth0 was down for 2.0 s",))}, "what it touched was asked again"),
    ],
)
def test_a_remark_takes_nothing_from_the_result(facts: dict[str, Any], said: str) -> None:
    state, (reason,) = judge_run(RunFacts(**facts))
    assert state == "complete"
    assert said in reason


def test_only_a_run_that_left_something_out_was_interrupted() -> None:
    assert judge_run(RunFacts(interrupted=True))[0] == "complete"
    assert judge_run(RunFacts(interrupted=True, not_reached=1))[0] == "interrupted"
    assert judge_run(RunFacts(interrupted=True, excluded=1))[0] == "degraded"
    assert judge_run(RunFacts(interrupted=True, rounds_cut=True))[0] == "interrupted"


@pytest.mark.parametrize(
    ("state", "found_open", "fail_on", "code"),
    [
        ("complete", 0, "open", ExitCode.CLEAN),
        ("complete", 1, "open", ExitCode.OPEN),
        ("complete", 1, "never", ExitCode.CLEAN),
        ("degraded", 0, "open", ExitCode.INCOMPLETE),
        ("degraded", 1, "never", ExitCode.INCOMPLETE),
        ("interrupted", 1, "open", ExitCode.INCOMPLETE),
    ],
)
def test_exit_code(state: Any, found_open: int, fail_on: str, code: ExitCode) -> None:
    assert exit_code(state, found_open, fail_on) is code
