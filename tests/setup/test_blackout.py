"""Blackout windows: within a day, across midnight, and across changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.setup.blackout import Calendar, describe, problems
from scanner.setup.settings import DAYS, Blackout, Day


def window(start: str, to: str, zone: str = "UTC", days: tuple[Day, ...] = DAYS) -> Blackout:
    """A blackout of one prefix."""
    return Blackout(cidr="10.20.0.0/16", start=start, to=to, zone=zone, days=days)


def at(text: str) -> float:
    """Seconds since 1970 of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("2026-11-24T07:59:59", False),
        ("2026-11-24T08:00:00", True),
        ("2026-11-24T17:59:59", True),
        ("2026-11-24T18:00:00", False),
        ("2026-11-28T12:00:00", False),  # a Saturday
    ],
)
def test_a_window_holds_from_its_start_to_just_before_its_end(moment: str, active: bool) -> None:
    calendar = Calendar([window("08:00", "18:00", days=("mon", "tue", "wed", "thu", "fri"))])
    assert bool(calendar.active(at(moment))) is active


def test_a_window_across_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    calendar = Calendar([window("22:00", "06:00", days=("sun",))])
    assert calendar.active(at("2026-11-22T23:00:00"))  # Sunday
    assert calendar.active(at("2026-11-23T05:59:00"))
    assert not calendar.active(at("2026-11-23T23:00:00"))
    assert not calendar.active(at("2026-11-22T05:00:00"))


def test_a_whole_day_is_written_to_24_00() -> None:
    calendar = Calendar([window("00:00", "24:00", days=("tue",))])
    assert calendar.active(at("2026-11-24T00:00:00"))
    assert calendar.active(at("2026-11-24T23:59:59"))
    assert not calendar.active(at("2026-11-25T00:00:00"))


class TestChangesOfTheClock:
    """Europe/Paris in 2026: forward on 29 March at 01:00 UTC, back on 25 October at 01:00 UTC."""

    def test_a_start_that_does_not_exist_is_taken_early(self) -> None:
        calendar = Calendar([window("02:30", "05:00", "Europe/Paris")])
        assert calendar.active(at("2026-03-29T00:30:00"))
        assert not calendar.active(at("2026-03-29T00:29:00"))
        assert calendar.active(at("2026-03-29T02:59:00"))
        assert not calendar.active(at("2026-03-29T03:00:00"))

    def test_a_start_that_comes_twice_is_the_first(self) -> None:
        calendar = Calendar([window("02:30", "04:00", "Europe/Paris")])
        assert calendar.active(at("2026-10-25T00:30:00"))

    def test_an_end_that_comes_twice_is_the_second(self) -> None:
        calendar = Calendar([window("01:00", "02:30", "Europe/Paris")])
        assert calendar.active(at("2026-10-25T01:29:00"))
        assert not calendar.active(at("2026-10-25T01:30:00"))

    def test_the_same_local_hours_before_and_after(self) -> None:
        calendar = Calendar([window("08:00", "09:00", "Europe/Paris")])
        assert calendar.active(at("2026-10-24T06:30:00"))
        assert calendar.active(at("2026-10-26T07:30:00"))
        assert not calendar.active(at("2026-10-26T06:30:00"))


def test_a_window_is_described_in_its_own_zone() -> None:
    (found,) = Calendar([window("08:00", "18:00", "Europe/Paris")]).active(at("2026-11-24T12:00:00"))
    assert describe(found) == ("10.20.0.0/16 from Tue 2026-11-24 08:00 to Tue 18:00 Europe/Paris (07:00 UTC)")


def test_a_window_shorter_than_a_host_may_take_is_refused() -> None:
    ((place, reason),) = problems([window("08:00", "08:01")], 90)
    assert place == ("blackout", 0, "to")
    assert "shorter" in reason
    assert not list(problems([window("08:00", "08:01"), window("00:00", "24:00")], 20))


_clock = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda hm: f"{hm[0]:02}:{hm[1]:02}")


@given(
    start=_clock,
    to=_clock,
    zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    moment=st.floats(1.7e9, 1.9e9),
)
def test_a_day_without_a_change_of_the_clock_is_a_plain_comparison(
    start: str, to: str, zone: str, moment: float
) -> None:
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    calendar = Calendar([window(start, to, zone)])
    active = bool(calendar.active(moment))
    assert active == any(
        each.start <= moment < each.end for each in calendar.between(moment - 9e5, moment + 9e5)
    )
    offsets = {
        datetime.fromtimestamp(moment + days * 86400, ZoneInfo(zone)).utcoffset() for days in (-2, 0, 2)
    }
    if len(offsets) == 1:
        now = f"{local:%H:%M}"
        assert active == (start <= now < to if start < to else now >= start or now < to)
