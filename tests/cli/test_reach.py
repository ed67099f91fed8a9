"""One ledger of sweeps from two vantages: what `exposures`, `show`, `diff` and the log of events say."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from results.events.log import EVENTS_FILE
from results.events.publish import bring_up
from results.ledger.intake import catch_up
from results.record import Reason
from results.verdict import Severity, Verdict
from scanner.cli import main
from tests.results.examples import database, observation, open_server
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from results.record import Observation

SHOP = database("shop", documents=1000, size=10_000)


def look(here: Path, day: int, vantage: str, verdict: Verdict = Verdict.OPEN) -> None:
    """A complete sweep of that day from a vantage, and what it saw of 192.0.2.1."""
    at, run_id = f"2026-03-{day:02}T04:00:00.000Z", f"2026030{day}T040000Z-{day:08x}"
    seen: Observation
    if verdict is Verdict.OPEN:
        severity = Severity.CRITICAL if vantage == "internet" else Severity.HIGH
        seen = open_server(
            "192.0.2.1", SHOP, run_id=run_id, observed_at=at, severity=severity, vantage=vantage
        )
    else:
        evidence = [Reason(code=verdict.value)]
        told = {"observed_at": at, "verdict": verdict, "evidence": evidence, "vantage": vantage}
        seen = observation("192.0.2.1", run_id, **told)
    RunOnDisk(here / "runs", run_id, at, vantage=vantage).begin().see(seen).end()


def exposures(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    main(["exposures", "--format", "jsonl", *words])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_firewall_that_opens_and_shuts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    look(here, 1, "office")
    look(here, 2, "internet", Verdict.FILTERED)
    (one,) = exposures(capsys)
    assert (one["reach"], one["open_from"], one["not_open_from"]) == ("one_vantage", ["office"], ["internet"])
    assert (one["severity"], one["state"]) == ("high", "new")
    assert exposures(capsys, "--vantage", "internet") == []
    look(here, 3, "internet")
    (one,) = exposures(capsys, "--reach", "internet")
    assert (one["reach"], one["reach_since"], one["severity"]) == (
        "internet",
        "2026-03-03T04:00:00.000Z",
        "critical",
    )
    look(here, 4, "internet", Verdict.FILTERED)
    assert exposures(capsys, "--reach", "internet") == []
    (one,) = exposures(capsys, "--reach", "one_vantage", "--reach", "differs")
    assert one["severity"] == "high"

    assert main(["exposures"]) == 1
    shown = capsys.readouterr().out
    assert "open from" in shown
    assert "office only" in shown
    assert main(["exposures", "--format", "csv"]) == 1
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["reach"], row["vantages_open"], row["not_open_from"]) == ("one_vantage", "office", "internet")
    assert main(["exposures", "--format", "md"]) == 1
    assert "| open from |" in capsys.readouterr().out

    assert main(["show", one["exposure_id"]]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Open from office only; not from the internet (asked 2026-03-04 04:00 UTC: filtered)." in told
    assert "Its reach changed: it is open from the internet now." in told
    assert "Its reach changed: it is not open from the internet any more." in told

    assert main(["diff", "--from", "2026-03-02", "--to", "2026-03-03", "--format", "jsonl"]) in (0, 1)
    kinds = [json.loads(line).get("kind") for line in capsys.readouterr().out.splitlines()]
    assert "reach_changed" in kinds
    assert main(["diff", "--from", "2026-03-02", "--to", "2026-03-03", "--fail-on", "worse"]) == 1
    assert "reach changed" in capsys.readouterr().out
    assert main(["diff", "--from", "2026-03-04", "--to", "2026-03-05", "--fail-on", "worse"]) == 0


def test_each_change_of_reach_is_told_once(here: Path) -> None:
    for day, vantage, verdict in (
        (1, "office", Verdict.OPEN),
        (2, "internet", Verdict.FILTERED),
        (3, "internet", Verdict.OPEN),
        (4, "internet", Verdict.FILTERED),
    ):
        look(here, day, vantage, verdict)
        catch_up(here / "runs")
        bring_up(here / "runs")
    bring_up(here / "runs")
    events = [json.loads(line) for line in (here / "runs" / EVENTS_FILE).read_text().splitlines()]
    told = [event for event in events if event["schema"] == "mongosweep.change/1"]
    assert [(each["kind"], each.get("reach")) for each in told] == [
        ("opened", None),
        ("reach_changed", "internet"),
        ("reach_changed", "one_vantage"),
    ]
    opened, shut = told[1:]
    assert (opened["severity"], opened["open_from"], opened["snapshot"]["verdict"]) == (
        "critical",
        ["internet", "office"],
        "open",
    )
    assert (shut["severity"], shut["not_open_from"], shut["snapshot"]["verdict"]) == (
        "high",
        ["internet"],
        "filtered",
    )
    assert shut["snapshot"]["state"] == "changed"
    assert [event.get("changes") for event in events if event["kind"] == "ended"][2] == {"reach_changed": 1}
