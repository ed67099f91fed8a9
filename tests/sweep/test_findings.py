"""Which findings make an exit code: the kinds of `--fail-on`, and what none of them changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.verdict import Severity, Verdict
from scanner.errors import ExitCode
from scanner.setup.choices import FAIL_ON
from scanner.sweep.findings import Findings, exit_code_for, open_severities
from tests.results.examples import observation, open_server
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Findings(new=0)
CASES = {
    "open": Findings(open=1, severities={"low": 1}, new=0),
    "new": Findings(open=2, severities={"low": 2}, new=1),
    "critical": Findings(open=1, severities={"critical": 1}, new=0),
    "high": Findings(open=1, severities={"high": 1}, new=0),
    "unknown": Findings(unknown=1, new=0),
}
ALSO = {"open": {"new", "critical", "high"}, "high": {"critical"}}
"""By kind: of which others' cases it is 1, too."""


@pytest.mark.parametrize("kind", FAIL_ON[:-1])
def test_each_kind_is_about_its_own_findings(kind: str) -> None:
    for case, findings in CASES.items():
        expected = case == kind or case in ALSO.get(kind, ())
        assert exit_code_for(0, findings, (kind,)) == expected, case
    assert exit_code_for(1, NOTHING, (kind,)) == ExitCode.CLEAN
    assert exit_code_for(1, CASES[kind], ()) == ExitCode.CLEAN


def test_several_kinds_are_each_enough_and_never_is_none() -> None:
    assert exit_code_for(0, CASES["unknown"], ("new", "unknown")) == ExitCode.OPEN
    assert exit_code_for(0, CASES["open"], ("new", "unknown")) == ExitCode.CLEAN


def test_where_nobody_can_tell_what_is_new_all_that_is_open_is() -> None:
    assert exit_code_for(0, Findings(open=1), ("new",)) == ExitCode.OPEN
    assert exit_code_for(0, Findings(), ("new",)) == ExitCode.CLEAN


@pytest.mark.parametrize("code", [2, 3, 4, 5, 70])
def test_what_the_run_did_not_do_stays(code: int) -> None:
    for fail_on in ((), ("open", "new", "critical", "high", "unknown")):
        assert exit_code_for(code, CASES["new"], fail_on) == code
        assert exit_code_for(code, NOTHING, fail_on) == code


def test_severities_are_of_open_servers_each_counted_once(tmp_path: Path) -> None:
    run = RunOnDisk(tmp_path, "run-1", "2026-03-01T04:00:00.000Z").begin()
    for ip, severity in (
        ("192.0.2.7", Severity.HIGH),
        ("192.0.2.8", Severity.LOW),
        ("192.0.2.7", Severity.CRITICAL),
    ):
        run.see(open_server(ip, run_id="run-1", severity=severity))
    run.see(observation("192.0.2.9", "run-1", verdict=Verdict.UNKNOWN)).end()
    assert open_severities(run.path) == {"critical": 1, "low": 1}
