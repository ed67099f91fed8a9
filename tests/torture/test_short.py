"""A short torture for every change: fifty deaths, ten losses of power. `make torture` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import netns
from tests.torture import boundaries, kills, power, shutdown, stage
from tests.torture.lab import Ground, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.trial import Tally

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # ten seconds each on an idle machine


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with fleet() as running:
        yield running


def require_sound(tally: Tally, deaths: int) -> None:
    """So many deaths, and nothing lost or violated."""
    assert tally.deaths >= deaths
    assert tally.lost == 0
    assert tally.violations == []


def test_kills_at_random_instants_lose_nothing(ground: Ground, place: Path) -> None:
    tally = kills.torture(ground, place, 24)
    require_sound(tally, 24)
    assert tally.resumes > 0


def test_death_at_a_file_call_loses_nothing(ground: Ground, place: Path) -> None:
    """Every ninth call of a sweep, before it and after it."""
    tally = boundaries.torture(ground, place, range(1, 110, 9))
    require_sound(tally, 22)


def test_loss_of_power_loses_nothing(ground: Ground, place: Path) -> None:
    require_sound(power.torture(ground, place, 6), 6)


def test_a_sweep_without_fsync_is_caught_by_the_loss_of_power(ground: Ground, place: Path) -> None:
    """The harness around the whole sweep sees what it is there for."""
    tally = power.torture(ground, place, 12, mutant="no fsync of segments")
    assert tally.violations


@pytest.mark.netns
def test_the_shutdown_of_a_real_file_system_loses_nothing(ground: Ground, place: Path) -> None:
    if why := shutdown.missing():
        pytest.skip(why)
    tally = shutdown.torture(ground, place, 5)
    require_sound(tally, 5)
    assert tally.notes, "no sweep was running when the power went"


@netns.required
def test_kills_of_the_syn_engine_lose_nothing(place: Path) -> None:
    tally = stage.torture(place, 7)
    require_sound(tally, 7)
    assert tally.notes[stage.GOES_ON], "no stage went on from a snapshot"
