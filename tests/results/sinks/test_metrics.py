"""How sinks stand as metrics, read back by Prometheus' own parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from results.durations import instant
from results.sinks.metrics import metrics_text, write_metrics
from results.sinks.status import SinkStatus

if TYPE_CHECKING:
    from pathlib import Path

NOW = instant("2026-03-08T08:30:00Z").timestamp()
GOES_ON = SinkStatus(
    name="soc",
    kind="splunk",
    backlog=3,
    backlog_bytes=4096,
    oldest_at="2026-03-08T08:28:30.000Z",
    delivered=1000,
    passed_over=2,
    set_aside=1,
    attempts_failed=7,
    last_delivered_at="2026-03-08T08:29:59.500Z",
)
STOPPED = SinkStatus(name="archive", kind="file", stopped="permission denied")
LOST = SinkStatus(name="pipe", kind="syslog", problem="its cursor is of another events file")

Samples = dict[tuple[str, ...], float]


def samples(text: str) -> Samples:
    """(name, sink, and the result where there is one) -> value."""
    return {
        (
            sample.name,
            *(sample.labels[key] for key in ("sink", "result") if key in sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_no_time_has_no_sample() -> None:
    odd = GOES_ON._replace(oldest_at="yesterday", last_delivered_at="9" * 40)
    whole, found = samples(metrics_text([GOES_ON], NOW).decode()), samples(metrics_text([odd], NOW).decode())
    gone = {name for name, *_ in whole.keys() - found.keys()}
    assert gone == {
        "mongosweep_sink_oldest_event_age_seconds",
        "mongosweep_sink_last_delivered_timestamp_seconds",
    }


def test_each_fact_is_a_sample_of_its_sink() -> None:
    found = samples(metrics_text([GOES_ON], NOW).decode())
    assert found == {
        ("mongosweep_sink_events_total", "soc", "delivered"): 1000,
        ("mongosweep_sink_events_total", "soc", "set_aside"): 1,
        ("mongosweep_sink_events_total", "soc", "passed_over"): 2,
        ("mongosweep_sink_attempts_failed_total", "soc"): 7,
        ("mongosweep_sink_up", "soc"): 1,
        ("mongosweep_sink_queue_events", "soc"): 3,
        ("mongosweep_sink_queue_bytes", "soc"): 4096,
        ("mongosweep_sink_oldest_event_age_seconds", "soc"): 90,
        ("mongosweep_sink_last_delivered_timestamp_seconds", "soc"): NOW - 0.5,
    }


def test_a_sink_that_waits_for_a_person_is_down_and_what_nobody_knows_has_no_sample() -> None:
    found = samples(metrics_text([STOPPED, LOST], NOW).decode())
    assert found["mongosweep_sink_up", "archive"] == 0
    assert found["mongosweep_sink_up", "pipe"] == 0
    assert found["mongosweep_sink_queue_events", "archive"] == 0
    assert found["mongosweep_sink_oldest_event_age_seconds", "archive"] == 0
    assert ("mongosweep_sink_queue_events", "pipe") not in found
    assert ("mongosweep_sink_last_delivered_timestamp_seconds", "archive") not in found


def test_an_event_of_the_future_is_not_of_a_negative_age() -> None:
    ahead = GOES_ON._replace(oldest_at="2026-03-08T08:31:00.000Z")
    assert (
        samples(metrics_text([ahead], NOW).decode())["mongosweep_sink_oldest_event_age_seconds", "soc"] == 0
    )


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "sinks.prom"
    path.write_text("old", encoding="utf-8")
    reader = path.open(encoding="utf-8")
    write_metrics(str(path), [GOES_ON], NOW)
    with reader:
        assert reader.read() == "old"
    assert path.read_bytes() == metrics_text([GOES_ON], NOW)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="No such file"):
        write_metrics(str(tmp_path / "no" / "sinks.prom"), [GOES_ON], NOW)
