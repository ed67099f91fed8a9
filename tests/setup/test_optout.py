"""An owner's opt-out: it wins, it is counted, and it ends."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cli.programs import mongosweep, on_a_free_port

if TYPE_CHECKING:
    from pathlib import Path

TODAY = datetime.now(UTC).date()


def opting_out(cidr: str = "127.93.0.2/31", since: date = TODAY, days: int = 30) -> str:
    """The configuration with one opt-out more."""
    return on_a_free_port() + (
        f'[[optout]]\ncidr = "{cidr}"\nowner = "plant control"\nreason = "fragile"\n'
        f"since = {since}\nexpires = {since + timedelta(days=days)}\n"
    )


def test_it_is_left_alone_and_counted_in_plan_and_manifest(tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text(opting_out())
    plan = json.loads(mongosweep("plan", "--json", cwd=tmp_path).stdout)
    assert plan["opted_out_addresses"] == 2
    assert plan["scope_targets"] == 6
    assert any("opt-out of plant control" in item["reason"] for item in plan["excluded"])
    assert "2 by their owners" in mongosweep("plan", cwd=tmp_path).stdout

    done = mongosweep("sweep", "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    asked = {json.loads(line)["target"]["ip"] for line in done.stdout.splitlines()}
    assert asked == {f"127.93.0.{n}" for n in (0, 1, 4, 5, 6, 7)}
    (manifest,) = tmp_path.glob("runs/2*/manifest.json")
    written = json.loads(manifest.read_bytes())
    assert written["planned"]["opted_out"] == 2
    assert f"optout 127.93.0.2/31 opt-out of plant control from {TODAY}" in "\n".join(
        written["scope"]["entries"]
    )


def test_it_holds_for_a_scope_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text(opting_out())
    (tmp_path / "list.csv").write_text("cidr,kind\n127.93.0.0/30,lab\n")
    plan = json.loads(mongosweep("plan", "--json", "--scope", "list.csv", cwd=tmp_path).stdout)
    assert (plan["scope_targets"], plan["opted_out_addresses"]) == (2, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (opting_out(days=91), "lasts more than 90 days"),
        (opting_out(since=TODAY - timedelta(days=60), days=60), "ask the owner and renew it"),
        (opting_out(since=TODAY + timedelta(days=2)), "in the future"),
        (opting_out(cidr="127.93.0.2/30"), "127.93.0"),
        (opting_out().replace('owner = "plant control"\n', ""), "has no owner"),
        (opting_out().replace('"fragile"', '""'), "reason"),
        (opting_out(cidr="127.93.0.0/28"), "take away every allowed address"),
    ],
)
def test_what_is_over_too_long_or_unsigned_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text(text)
    done = mongosweep("plan", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "mongosweep.toml" in done.stderr
    assert len(done.stderr.splitlines()) <= 2
