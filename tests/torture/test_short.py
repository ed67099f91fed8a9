"""A short torture for every change, a longer one in `make test-all`; `make torture` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import netns
from tests.torture import boundaries, kills, power, shutdown, stage
from tests.torture.fleet import torture as torture_fleet
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


def short_or_long(short: int, long: int, *marks: pytest.MarkDecorator) -> pytest.MarkDecorator:
    """How many deaths; the long torture begins with those of the short one."""
    return pytest.mark.parametrize(
        "deaths", [short, pytest.param(long, marks=[pytest.mark.exhaustive, *marks])]
    )


@short_or_long(5, 24, pytest.mark.long)
def test_kills_at_random_instants_lose_nothing(ground: Ground, place: Path, deaths: int) -> None:
    tally = kills.torture(ground, place, deaths)
    require_sound(tally, deaths)
    assert tally.resumes > 0


@short_or_long(3, 12, pytest.mark.long)
def test_kills_of_a_sweep_with_workers_and_of_these_lose_nothing(
    ground: Ground, place: Path, deaths: int
) -> None:
    tally = kills.torture(ground, place, deaths, first=1000, workers=2)
    require_sound(tally, deaths)
    assert tally.resumes > 0


@pytest.mark.parametrize(
    "first", [1, *(pytest.param(first, marks=pytest.mark.exhaustive) for first in range(10, 55, 9))]
)
def test_death_at_a_file_call_loses_nothing(ground: Ground, place: Path, first: int) -> None:
    """Every ninth call of a sweep, before it and after it; here every 54th, from one of six on."""
    calls = range(first, 110, 54)
    require_sound(boundaries.torture(ground, place, calls), 2 * len(calls) - 2)


@short_or_long(3, 6)
def test_loss_of_power_loses_nothing(ground: Ground, place: Path, deaths: int) -> None:
    require_sound(power.torture(ground, place, deaths), deaths)


def test_a_sweep_without_fsync_is_caught_by_the_loss_of_power(ground: Ground, place: Path) -> None:
    """The harness around the whole sweep sees what it is there for."""
    tally = power.torture(ground, place, 12, mutant="no fsync of segments")
    assert tally.violations


@pytest.mark.netns
@short_or_long(3, 5)
def test_the_shutdown_of_a_real_file_system_loses_nothing(ground: Ground, place: Path, deaths: int) -> None:
    if why := shutdown.missing():
        pytest.skip(why)
    tally = shutdown.torture(ground, place, deaths)
    require_sound(tally, deaths)
    assert tally.notes, "no sweep was running when the power went"


@netns.required
@short_or_long(3, 7)
def test_kills_of_the_syn_engine_lose_nothing(place: Path, deaths: int) -> None:
    tally = stage.torture(place, deaths)
    require_sound(tally, deaths)
    assert tally.notes[stage.GOES_ON], "no stage went on from a snapshot"


@netns.required
@pytest.mark.exhaustive
@pytest.mark.xdist_group("dask")
def test_deaths_and_frosts_in_a_fleet_lose_nothing(place: Path) -> None:
    require_sound(torture_fleet(place, 4), 4)
