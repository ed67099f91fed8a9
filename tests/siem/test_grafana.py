"""The dashboard of Grafana and the rules of Prometheus: both over the metrics that there are, by promtool."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from results.sinks.metrics import metrics_text
from results.sinks.status import SinkStatus
from tests.support.receivers.promtool import promtool
from tests.support.siem import SIEM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = "2026-11-24T09:15:02.000Z"
STATUS = SinkStatus(
    "soc", "splunk", "https://siem.example.com", backlog=3, oldest_at=AT, last_delivered_at=AT
)
TEXT = metrics_text([STATUS], 1_795_511_800.0)
NAME = re.compile(r"\bmongosweep_\w+")


def names_of_metrics() -> set[str]:
    return set(re.findall(r"^(\w+)\{", TEXT.decode(), re.MULTILINE))


def dashboard() -> Any:
    return json.loads((SIEM / "grafana" / "dashboard.json").read_text())


def expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_metrics_are_what_prometheus_takes() -> None:
    """promtool finds nothing to say about names, units and helps."""
    assert promtool("check", "metrics", stdin=TEXT) == ""


def test_every_metric_that_is_shown_or_alerted_on_exists() -> None:
    """And each of those that there are is shown."""
    rules = (SIEM / "grafana" / "alerts.yml").read_text()
    shown = {name for text in expressions() for name in NAME.findall(text)}
    assert shown == names_of_metrics()
    assert set(re.findall(r"mongosweep_sink_\w+", rules)) <= names_of_metrics()
    queries = [each["query"] for each in dashboard()["templating"]["list"] if each["type"] == "query"]
    assert {name for each in queries for name in NAME.findall(each["query"])} <= names_of_metrics()


def test_expressions_of_the_dashboard_are_read_by_prometheus(tmp_path: Path) -> None:
    """Each as a rule of its own, with Grafana's variable filled in."""
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$sink", ".*")}
        for number, text in enumerate(expressions())
    ]
    assert len(rules) == 8
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert "8 rules found" in promtool("check", "rules", file)


def test_the_dashboard_has_what_grafana_asks_for() -> None:
    """Panels that do not lie over each other, each with an id, a place, a unit and a source that exists."""
    told = dashboard()
    assert told["schemaVersion"] >= 36
    assert {"title", "uid", "panels", "templating", "time"} <= told.keys()
    variables = {each["name"] for each in told["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(told))) - {"__all"}
    assert used == variables
    taken: set[tuple[int, int]] = set()
    for panel in told["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
        assert panel["type"] in ("stat", "timeseries")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["id"] for panel in told["panels"]}) == len(told["panels"])


def test_alerts_come_when_they_should(tmp_path: Path) -> None:
    """By promtool's own clock: a sink that stopped, one that is behind, and one that set something aside."""
    of = '{sink="soc"}'
    series = {
        f"mongosweep_sink_up{of}": "0x120",
        f"mongosweep_sink_oldest_event_age_seconds{of}": "3000+60x120",
        'mongosweep_sink_events_total{sink="soc",result="set_aside"}': "0x60 1x60",
        f"mongosweep_sink_last_delivered_timestamp_seconds{of}": "0x120",
        'mongosweep_sink_up{sink="well"}': "1x120",
    }
    times = {
        "MongosweepSinkStopped": ("4m", "6m"),
        "MongosweepSinkBehind": ("19m", "22m"),
        "MongosweepEventsSetAside": ("59m", "63m"),
    }
    checks = [
        {
            "eval_time": at,
            "alertname": name,
            "exp_alerts": [{"exp_labels": {"sink": "soc", **labels}}] * count,
        }
        for name, moments in times.items()
        for labels in [_labels(name)]
        for count, at in enumerate(moments)
    ]
    file = tmp_path / "test.yml"
    file.write_text(
        json.dumps(
            {
                "rule_files": [str(_without_words(tmp_path))],
                "evaluation_interval": "1m",
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [{"series": name, "values": told} for name, told in series.items()],
                        "alert_rule_test": checks,
                    }
                ],
            }
        )
    )
    assert "SUCCESS" in promtool("test", "rules", file)


def _labels(name: str) -> dict[str, str]:
    found = {"severity": "critical" if name == "MongosweepSinkStopped" else "warning"}
    return found | ({"result": "set_aside"} if name == "MongosweepEventsSetAside" else {})


def _without_words(folder: Path) -> Path:
    """The rules without their annotations, which promtool would compare word by word."""
    text = (SIEM / "grafana" / "alerts.yml").read_text()
    file = folder / "alerts.yml"
    file.write_text(re.sub(r" +annotations:\n +summary: .*\n", "", text))
    return file
