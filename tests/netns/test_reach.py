"""A firewall that is opened and shut between an inside and an outside: each step is a change of reach."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from results.events.log import EVENTS_FILE
from tests.cli.programs import ROOT
from tests.netns.oracle import Program, estate, serving
from tests.support import netns

if TYPE_CHECKING:
    from tests.support.netns import Namespace

OPEN, LOCKED = "10.77.0.9", "10.77.0.5"
SETTINGS = """
[[allow]]
cidr = "10.77.0.0/28"
owner = "x"
site = "paris"
[sweep]
rate = 4000
per_prefix_rate = 4000
connect_timeout = 0.5
reply_timeout = 2.0
"""


def shut(corp: Namespace) -> None:
    """Let nobody outside reach the open server."""
    corp.nft(
        "table inet firewall {\nchain c {\ntype filter hook input priority 0\n"
        f"iifname {corp.device} ip daddr {OPEN} tcp dport 27017 drop\n}}\n}}\n"
    )


def why(exposure: dict[str, Any]) -> set[str]:
    """The reasons of its severity."""
    return {reason["code"] for reason in exposure["severity_reasons"]}


@netns.required
@pytest.mark.slow
@pytest.mark.timeout(110)
def test_a_firewall_that_is_opened_and_shut_again(tmp_path: Any) -> None:
    def sweep(vantage: str, ends: int) -> None:
        program = Program(corp if vantage == "office" else scan, tmp_path)
        done = program.run("--vantage", vantage)
        assert done.returncode == ends, done.stderr

    def exposed() -> dict[str, Any]:
        words = [
            sys.executable,
            "-m",
            "scanner",
            "exposures",
            "-o",
            str(tmp_path / "runs"),
            "--format",
            "jsonl",
        ]
        done = corp.run(words, check=False, cwd=ROOT, env=os.environ | {"HOME": str(tmp_path)})
        (line,) = done.stdout.splitlines()
        one: dict[str, Any] = json.loads(line)
        return one

    with estate() as (scan, corp), serving(corp, f"{OPEN}=open_4_4", f"{LOCKED}=auth_7_1"):
        Program(scan, tmp_path).configure(SETTINGS)
        shut(corp)
        sweep("office", 1)
        assert exposed().get("reach") is None
        sweep("internet", 0)
        inside = exposed()
        assert (inside["reach"], inside["open_from"]) == ("one_vantage", ["office"])
        corp.run(["nft", "delete", "table", "inet", "firewall"])
        sweep("internet", 1)
        everybody = exposed()
        assert (everybody["reach"], everybody["open_from"]) == ("internet", ["internet", "office"])
        assert why(everybody) - why(inside) == {"open-to-the-internet"}
        shut(corp)
        sweep("internet", 0)
        again = exposed()
    assert (again["reach"], again["open_from"], again["not_open_from"]) == (
        "one_vantage",
        ["office"],
        ["internet"],
    )
    assert why(again) == why(inside)
    events = [json.loads(line) for line in (tmp_path / "runs" / EVENTS_FILE).read_text().splitlines()]
    told = [event for event in events if event["schema"] == "mongosweep.change/1"]
    assert [(each["kind"], each.get("reach", "")) for each in told] == [
        ("opened", ""),
        ("reach_changed", "internet"),
        ("reach_changed", "one_vantage"),
    ]
