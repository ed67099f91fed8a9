"""Reminders: what stays open is told again, and what somebody answers for is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.events.event import ChangeEvent
from results.events.publish import bring_up
from results.ledger.actions import Actions
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from tests.support.published import live, seen, told

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400


def reminders(output: Path) -> list[ChangeEvent]:
    return [event for event in told(output) if isinstance(event, ChangeEvent) and event.kind == "reminder"]


def test_what_stays_open_is_told_again_every_so_often(tmp_path: Path) -> None:
    for day in range(1, 10):
        live(tmp_path, range(day, day + 1))
        catch_up(tmp_path)
        bring_up(tmp_path, remind_every=2 * DAY)
    assert [event.run_id for event in reminders(tmp_path)] == ["run-03", "run-05", "run-07", "run-09"]
    third = reminders(tmp_path)[2]
    assert (third.at, third.severity, third.snapshot.state) == ("2026-12-07T04:30:00.000Z", "high", "changed")
    assert third.observation_id == seen("7_one_recreated", 7).event_id
    kinds = [event.kind for event in told(tmp_path) if event.run_id == "run-07"]
    assert kinds == ["started", "changed", "reminder", "ended"]
    assert bring_up(tmp_path, remind_every=2 * DAY).appended == 0


def test_of_several_that_are_due_only_the_last_is_told(tmp_path: Path) -> None:
    live(tmp_path, range(1, 10))
    catch_up(tmp_path)
    bring_up(tmp_path, remind_every=2 * DAY)
    assert [event.run_id for event in reminders(tmp_path)] == ["run-09"]


@pytest.mark.parametrize("last", [10, 12])
def test_what_is_closed_or_out_of_reach_is_not_told_again(tmp_path: Path, last: int) -> None:
    live(tmp_path, range(1, last + 1))
    catch_up(tmp_path)
    bring_up(tmp_path, remind_every=DAY // 24)
    assert reminders(tmp_path) == []


def test_what_somebody_took_upon_themselves_is_told_again_when_that_is_over(tmp_path: Path) -> None:
    live(tmp_path, range(1, 4))
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        (exposure,) = ledger.exposures()
    Actions.open(tmp_path, write=True).append(
        "accepted",
        [exposure.exposure_id],
        at="2026-12-03T08:00:00.000Z",
        by="web on-call",
        until="2026-12-05T00:00:00.000Z",
    )
    bring_up(tmp_path, remind_every=DAY)
    assert reminders(tmp_path) == []
    live(tmp_path, range(4, 6))
    catch_up(tmp_path)
    bring_up(tmp_path, remind_every=DAY)
    assert [event.run_id for event in reminders(tmp_path)] == ["run-05"]
