"""What a run did and what is open, as Prometheus metrics: families for a scrape or for a file.

Names and units by prometheus.io/docs/practices/naming. Labels come from closed sets and from the
configuration; nothing that a server said is ever one.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from results.durations import instant
from results.ledger.tracked import ReachWord, State
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.core import Metric

    from results.ledger.tracked import TrackedExposure
    from results.manifest import Manifest

MOST_OWNERS: Final = 100
OTHER_OWNERS: Final = "(others)"
"""The label of all owners together that are beyond `MOST_OWNERS`."""
_LAST_SUCCESS: Final = "mongosweep_run_last_success_timestamp_seconds"
_MOST_BYTES: Final = 1 << 20  # of a file that is looked at before it is replaced


def exposition(families: Iterable[Metric]) -> bytes:
    """The text of a scrape."""
    return generate_latest(_registry(families))


def write_exposition(path: str, families: Iterable[Metric]) -> None:
    """The same into a file, which is replaced as a whole. Raises `OSError`."""
    write_to_textfile(path, _registry(families))


class _Given(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _registry(families: Iterable[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(list(families)))
    return registry


def seconds(at: str) -> float | None:
    """A time of a record in seconds since 1970; None of what is no time."""
    try:
        return instant(at).timestamp()
    except ValueError:
        return None


def run_families(runs: Sequence[tuple[str, Manifest, float | None]]) -> Iterator[Metric]:
    """How the last run of each schedule and purpose ended, by its manifest; with each the time of the last
    one that was complete, in seconds, None where that is not known."""
    ended = _gauge("run_end_timestamp_seconds", "When the last run ended.", "schedule", "kind")
    success = GaugeMetricFamily(
        _LAST_SUCCESS, "When the last run ended that was complete.", labels=["schedule", "kind"]
    )
    duration = _gauge("run_duration_seconds", "How long the last run took.", "schedule", "kind")
    complete = _gauge("run_complete", "1 where the last run was complete, else 0.", "schedule", "kind")
    targets = _gauge(
        "run_targets",
        "Targets of the last run: asked, excluded or not reached.",
        "schedule",
        "kind",
        "result",
    )
    outcomes = _gauge(
        "run_outcomes", "Targets of the last run, by their verdict.", "schedule", "kind", "verdict"
    )
    missed = _gauge(
        "run_missed_at_most",
        "Servers that the last run may have missed for lost packets, with 99 % confidence.",
        "schedule",
        "kind",
    )
    for schedule, manifest, last_success in runs:
        named = [schedule, manifest.purpose or "sweep"]
        began, end = seconds(manifest.created_at), seconds(manifest.ended_at)
        if end is not None:
            ended.add_metric(named, end)
            if began is not None:
                duration.add_metric(named, max(0.0, end - began))
        if manifest.state == "complete":
            last_success = end
        if last_success is not None:
            success.add_metric(named, last_success)
        complete.add_metric(named, float(manifest.state == "complete"))
        if (coverage := manifest.coverage) is not None:
            targets.add_metric([*named, "asked"], coverage.outcomes)
            targets.add_metric([*named, "excluded"], coverage.excluded)
            targets.add_metric([*named, "not_reached"], coverage.not_reached)
        for verdict in Verdict:
            outcomes.add_metric([*named, verdict.value], manifest.outcomes.get(verdict.value, 0))
        if manifest.loss is not None and manifest.loss.missed_at_most is not None:
            missed.add_metric(named, manifest.loss.missed_at_most)
    yield from (ended, success, duration, complete, targets, outcomes, missed)


def exposure_families(exposures: Sequence[TrackedExposure]) -> Iterator[Metric]:
    """How many exposures there are, by state and severity, those not closed by reach, and by owner and state,
    zeros among them; what is overdue, and how much lies open. Of owners the `MOST_OWNERS` with the most that
    is open."""
    counted = Counter((each.state, each.severity) for each in exposures)
    by_state = _gauge("exposures", "Exposures by state and severity.", "state", "severity")
    for state in get_args(State):
        for severity in Severity:
            by_state.add_metric([state, severity.value], counted[state, severity])
    reached = Counter(each.reach for each in exposures if each.is_open)
    by_reach = _gauge("exposures_open", "Exposures that are not closed, by their reach.", "reach")
    for reach in get_args(ReachWord):
        by_reach.add_metric([reach], reached[reach])
    yield from (by_state, by_reach)
    yield from _owner_families(exposures)


def _owner_families(exposures: Sequence[TrackedExposure]) -> Iterator[Metric]:
    open_of = Counter(each.owner.owner for each in exposures if each.is_open)
    owners = sorted({each.owner.owner for each in exposures}, key=lambda owner: (-open_of[owner], owner))
    label = {owner: owner if place < MOST_OWNERS else OTHER_OWNERS for place, owner in enumerate(owners)}
    states = Counter((label[each.owner.owner], each.state) for each in exposures)
    late = Counter(label[each.owner.owner] for each in exposures if each.overdue)
    size: Counter[str] = Counter()
    for each in exposures:
        if each.is_open:
            size[label[each.owner.owner]] += each.bytes or 0
    by_owner = _gauge("owner_exposures", "Exposures by owner and state.", "owner", "state")
    overdue = _gauge("owner_exposures_overdue", "Open exposures past their deadline.", "owner")
    exposed = _gauge("owner_exposed_bytes", "Bytes that lie open, where a server gave a figure.", "owner")
    for owner in dict.fromkeys(label.values()):
        for state in get_args(State):
            by_owner.add_metric([owner, state], states[owner, state])
        overdue.add_metric([owner], late[owner])
        exposed.add_metric([owner], size[owner])
    yield from (by_owner, overdue, exposed)


def write_run(path: str, manifest: Manifest) -> None:
    """The metrics of one run into a file for node_exporter's textfile collector; the file's name without its
    ending is the label `schedule`, so that two files of one machine do not contradict each other.

    The time of the last success is kept from the file that is replaced. Raises `OSError`.
    """
    schedule, kind = Path(path).stem, manifest.purpose or "sweep"
    write_exposition(path, run_families([(schedule, manifest, _success_in(path, kind))]))


def _success_in(path: str, kind: str) -> float | None:
    """What a file says that is about to be replaced; None where it is not ours."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            families = list(text_string_to_metric_families(file.read(_MOST_BYTES)))
    except (OSError, ValueError, KeyError):
        return None
    for family in families:
        for sample in family.samples:
            if sample.name == _LAST_SUCCESS and sample.labels.get("kind") == kind:
                return float(sample.value)
    return None


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"mongosweep_{name}", about, labels=labels)
