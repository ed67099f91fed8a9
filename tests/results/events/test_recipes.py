"""The recipes of docs/events.md, run by jq over a log as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from results.events.publish import bring_up
from results.ledger.intake import catch_up
from tests.support.published import live

PAGE = Path(__file__).parents[3] / "docs" / "events.md"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed (Debian package jq)")
def test_recipes(tmp_path: Path) -> None:
    live(tmp_path / "runs")
    catch_up(tmp_path / "runs")
    bring_up(tmp_path / "runs")
    (text,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ran = []
    for recipe in text.split("\n\n"):
        recipe = recipe.replace("$(date -u -d '1 day ago' +%FT%T)", "2026-12-11T06:00:00")
        done = subprocess.run(["sh", "-c", recipe], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        ran.append(done.stdout.splitlines())
    ended, opened, missed = ran
    assert len(ended) == 10
    assert ended[-1].split("\t") == ["2026-12-12T05:00:00.000Z", "complete", "0", "1"]
    assert opened == ["192.0.2.7\t27017\tweb on-call\tweb@example.com"] * 2
    assert missed == []
