"""How sinks stand as Prometheus metrics: text for a scrape, or a file for node_exporter's textfile collector.

Names and units by prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from results.metrics import exposition, seconds, write_exposition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client.core import Metric

    from results.sinks.status import SinkStatus


def metrics_text(found: Sequence[SinkStatus], now: float) -> bytes:
    """The text of a scrape. `now` is wall time in seconds."""
    return exposition(sink_families(found, now))


def write_metrics(path: str, found: Sequence[SinkStatus], now: float) -> None:
    """The same into a file, which is replaced as a whole. Raises `OSError`."""
    write_exposition(path, sink_families(found, now))


def sink_families(found: Sequence[SinkStatus], now: float) -> tuple[Metric, ...]:
    """A family for each fact, a sample for each sink. What is not known has no sample."""
    events = CounterMetricFamily(
        "mongosweep_sink_events", "Events of a sink that are done with.", labels=["sink", "result"]
    )
    failed = CounterMetricFamily(
        "mongosweep_sink_attempts_failed", "Sendings that failed and are tried again.", labels=["sink"]
    )
    going = _gauge("up", "Whether the sink goes on by itself: 0 until a person has done something.")
    queue = _gauge("queue_events", "Events that are not delivered yet.")
    size = _gauge("queue_bytes", "Bytes of events that are not delivered yet.")
    age = _gauge("oldest_event_age_seconds", "Age of the oldest event that is not delivered; 0 for none.")
    last = _gauge("last_delivered_timestamp_seconds", "When the receiver took something last.")
    for each in found:
        sink = [each.name]
        for result in ("delivered", "set_aside", "passed_over"):
            events.add_metric([each.name, result], getattr(each, result))
        failed.add_metric(sink, each.attempts_failed)
        going.add_metric(sink, 0 if each.stopped or each.problem else 1)
        if not each.problem:
            queue.add_metric(sink, each.backlog)
            size.add_metric(sink, each.backlog_bytes)
            oldest = seconds(each.oldest_at) if each.oldest_at else now
            if oldest is not None:
                age.add_metric(sink, max(0.0, now - oldest))
        if (delivered := seconds(each.last_delivered_at)) is not None:
            last.add_metric(sink, delivered)
    return events, failed, going, queue, size, age, last


def _gauge(name: str, about: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"mongosweep_sink_{name}", about, labels=["sink"])
