"""The score of a line: by the weights of the configuration, whoever writes it, and spread over an estate."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.verdict import Severity, Verdict
from scanner.lab.estate import catalogue
from scanner.lab.thread import LabThread
from scanner.mongo.weights import Weights
from scanner.setup.settings import Settings
from tests.support.sweeps import FAST, estate, found, scope_of, sweep

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("workers", [1, 2])
def test_every_line_is_scored_by_the_weights_in_force(tmp_path: Path, port: int, workers: int) -> None:
    """Written at length, from a template (for those that answer alike), and by a worker."""
    arbiter, shop = (next(iter(estate({name}).values())) for name in ("arbiter", "open_9_0"))
    places = {(f"127.92.0.{number}", port): arbiter for number in range(1, 9)}
    places[("127.92.0.9", port)] = shop
    weights = Weights(open=20, open_no_data=70, telling_names=60, size=0, liveness=0, end_of_life=0, high=66)
    with LabThread(places):
        summary, _ = sweep(
            scope_of(port, "127.92.0.0/28"), tmp_path, Settings(sweep=FAST, severity=weights), workers=workers
        )
    lines = found(summary.run_dir)
    assert {lines[f"127.92.0.{number}"].score for number in range(1, 9)} == {70}
    assert {lines[f"127.92.0.{number}"].severity for number in range(1, 9)} == {Severity.HIGH}
    one = lines["127.92.0.9"]
    assert [(each.code, each.points) for each in one.severity_reasons] == [
        ("telling-names", 40),
        ("verdict", 20),
    ]
    assert (one.score, one.severity) == (60, Severity.MEDIUM)


def test_no_level_holds_more_than_half_of_what_is_open_in_the_estate(tmp_path: Path, port: int) -> None:
    """Where nearly all is as grave, nobody knows where to begin. Without the one that answers slowly. Beside
    other work a server's last answers may come late, and what they would have told raises no score."""
    patient = msgspec.structs.replace(FAST, connect_timeout=5, reply_timeout=10, host_timeout=60)
    makers = [each for each in catalogue() if each.name != "slow"]
    places = {(f"127.92.1.{number}", port): each for number, each in enumerate(makers, start=1)}
    with LabThread(places):
        summary, _ = sweep(scope_of(port, "127.92.1.0/26"), tmp_path, Settings(sweep=patient))
    seen = found(summary.run_dir).values()
    open_now = [each for each in seen if each.verdict.is_open]
    assert len(open_now) >= 29
    levels = Counter(each.severity for each in open_now)
    assert max(levels.values()) <= len(open_now) / 2, levels
    assert len({each.score for each in open_now}) >= 12, "within a level, too, something comes first"
    assert all(each.severity.rank <= 1 for each in open_now if each.verdict is Verdict.OPEN)
    assert all(each.score is not None for each in seen)
