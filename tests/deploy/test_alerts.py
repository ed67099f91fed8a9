"""Rules for Prometheus: over metrics that there are, and with the alerts that they promise, by promtool."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from results.metrics import exposition, exposure_families, run_families
from scanner.service.jobs import ServiceStatus
from scanner.service.web.api.metrics import JobTally, service_families
from tests.deploy.places import DEPLOY, ROOT
from tests.results.examples import manifest
from tests.support.exposures import exposure
from tests.support.receivers.promtool import promtool

if TYPE_CHECKING:
    from pathlib import Path

RULES = DEPLOY / "prometheus" / "alerts.yml"
STATUS = ServiceStatus(started_at="2026-03-01T00:00:00.000Z", beat_at="2026-03-01T00:00:00.000Z", version="1")


def metric_names() -> set[str]:
    """Every metric that a scrape can have but those of sinks."""
    text = exposition(
        [
            *service_families(STATUS, JobTally(), 0.0),
            *run_families([("nightly", manifest(), None)]),
            *exposure_families([exposure()]),
        ]
    ).decode()
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def test_rules_and_documents_speak_of_metrics_that_there_are() -> None:
    known = metric_names()
    expressions = re.findall(r"expr: (.*)", RULES.read_text())
    assert len(expressions) == 6
    used = {name for each in expressions for name in re.findall(r"mongosweep_\w+", each)}
    assert used <= known
    table = re.findall(r"`(mongosweep_\w+)`", (ROOT / "docs" / "service.md").read_text())
    assert set(table) <= known | {"mongosweep_jobs_total"}


def test_alerts_come_when_they_should(tmp_path: Path) -> None:
    """By promtool's own clock, once before and once after."""
    assert "6 rules found" in promtool("check", "rules", RULES)
    owner, run = '{owner="shop"}', '{schedule="nightly",kind="sweep"}'
    series = {
        'mongosweep_exposures{state="new",severity="high"}': "0x9 2x200",
        f"mongosweep_owner_exposures_overdue{owner}": "3x200",
        f"mongosweep_run_last_success_timestamp_seconds{run}": "0x1700",
        'mongosweep_run_targets{schedule="nightly",kind="sweep",result="not_reached"}': "0x9 7x200",
        "mongosweep_service_beat_timestamp_seconds": "0x200",
        "mongosweep_service_warnings": "1x200",
    }
    told = {
        "MongosweepExposed": ("5m", "11m", {"severity": "critical"}),
        "MongosweepOverdue": ("59m", "61m", {"severity": "warning", "owner": "shop"}),
        "MongosweepNoCompleteSweep": (
            "1559m",
            "1561m",
            {"severity": "critical", "schedule": "nightly", "kind": "sweep"},
        ),
        "MongosweepNotReached": (
            "60m",
            "72m",
            {"severity": "warning", "schedule": "nightly", "kind": "sweep", "result": "not_reached"},
        ),
        "MongosweepServiceSilent": ("5m", "6m", {"severity": "critical"}),
        "MongosweepServiceWarns": ("14m", "16m", {"severity": "warning"}),
    }
    checks = [
        {"eval_time": at, "alertname": name, "exp_alerts": [{"exp_labels": labels}] * count}
        for name, (before, after, labels) in told.items()
        for count, at in enumerate((before, after))
    ]
    rules = tmp_path / "alerts.yml"
    rules.write_text(re.sub(r" +annotations:\n +summary: .*\n", "", RULES.read_text()))
    file = tmp_path / "test.yml"
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": checks,
    }
    file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", file)
