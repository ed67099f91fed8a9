"""The workflows: pinned actions, no more rights than a job needs, and what is run is there."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.deploy.places import ROOT
from tests.support.receivers.installed import brought

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[Any, Any]] = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = [
    pytest.param(job, id=f"{name}-{key}")
    for name, flow in WORKFLOWS.items()
    for key, job in flow["jobs"].items()
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_and_says_which_version_that_is(path: Any) -> None:
    used = [line.strip() for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.fullmatch(r"- uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_workflow_has_rights_of_its_own(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_and_has_only_the_rights_it_needs(job: dict[str, Any]) -> None:
    """What may sign or write runs nothing of the repository: it does not even have it."""
    assert 0 < job["timeout-minutes"] <= 60
    writes = {right for right, kind in job["permissions"].items() if kind == "write"}
    checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert not (writes and checkouts)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("job", JOBS)
def test_what_a_job_runs_is_there(job: dict[str, Any]) -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in job["steps"]:
        run = step.get("run", "")
        assert set(re.findall(r"\bmake ([a-z-]+)", run)) <= verbs
        assert all((ROOT / file).exists() for file in re.findall(r"[\w./-]*(?:\.ci/|deploy/)[\w./-]+", run))
        assert "${{" not in run, "what others may choose goes in by env, where no shell reads it as code"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_auditor_of_workflows_finds_nothing(path: Any) -> None:
    """zizmor, which knows how workflows were broken into; it asks nobody."""
    words = [brought("deploy/bin/zizmor", "pip"), "--offline", "--no-progress", "--persona=pedantic", path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
