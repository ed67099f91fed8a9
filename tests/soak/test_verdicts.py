"""What a soak calls wrong: samples in which one figure grows, and samples in which none does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.soak import figures, verdicts

MINUTES = 30
MANIFEST = {
    "state": "complete",
    "reasons": [],
    "coverage": {"planned": 500_000, "outcomes": 500_000, "excluded": 0, "not_reached": 0},
}
SEEN = {"rss": 60.0, "descriptors": 50, "threads": 5, "workers_rss": 90.0, "workers_descriptors": 20}
TOLD = {"tasks": 8, "slots": 30, "lag": 0.001, "blocks": 260.0, "given_out": 10.0}


def wrong(key: str = "", an_hour: float = 0.0) -> list[str]:
    """The verdicts on half an hour in which one figure grows by so much an hour. Workers end first."""

    def at(seconds: int, quiet: dict[str, Any]) -> dict[str, Any]:
        grown = {key: quiet[key] + an_hour * seconds / 3600} if key in quiet else {}
        return {**quiet, **grown, "at": float(seconds)}

    times = range(0, MINUTES * 60, 5)
    seen = [at(seconds, SEEN) for seconds in times]
    seen[-1] |= {"workers_rss": 0.0}
    return verdicts(figures(seen, [at(seconds, TOLD) for seconds in times]), MANIFEST)


def test_nothing_is_wrong_where_nothing_grows() -> None:
    assert wrong() == []


@pytest.mark.parametrize(
    ("key", "an_hour", "said"),
    [
        ("blocks", 60, "more thousand blocks of Python's an hour"),
        ("given_out", 8, "more MiB given out by the C library an hour"),
        ("workers_rss", 6, "more MiB resident in the workers an hour"),
        ("rss", 20, "stay resident"),
        ("descriptors", 40, "others grow"),
        ("threads", 40, "threads grow"),
        ("tasks", 40, "tasks grow"),
    ],
)
def test_what_grows_is_called(key: str, an_hour: float, said: str) -> None:
    (sentence,) = wrong(key, an_hour)
    assert said in sentence


@pytest.mark.parametrize("key", ["blocks", "given_out", "workers_rss"])
def test_what_may_be_is_borne(key: str) -> None:
    assert wrong(key, 3) == []
