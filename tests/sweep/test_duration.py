"""How a sweep goes over time: windows wait, what they cover is asked behind them, nothing is asked twice."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.launch_queue import MAX_HELD
from scanner.setup.settings import Blackout
from scanner.sweep.duration import course
from targets.entries import Entry
from targets.scope import Scope

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()  # a Tuesday
HOUR = 3600.0


def scope_of(*texts: str) -> Scope:
    """A scope of one port."""
    return Scope([Entry.of(text) for text in texts])


def test_without_windows_it_ends_when_the_caps_say() -> None:
    found = course(scope_of("10.20.0.0/24"), (), NOON, 256, 100.0)
    assert found.end == pytest.approx(NOON + 100)
    assert [(each.asked, each.share, each.waits) for each in found.stretches] == [(256, 0.0, False)]


def test_a_window_over_all_of_it_is_waited_for() -> None:
    lunch = Blackout(cidr="10.0.0.0/8", start="12:00", to="14:00")
    found = course(scope_of("10.20.0.0/24"), [lunch], NOON, 256, 600.0)
    assert found.end == pytest.approx(NOON + 2 * HOUR + 600)
    assert found.waiting == pytest.approx(2 * HOUR)
    assert [(each.share, each.waits) for each in found.stretches] == [(1.0, True), (0.0, False)]


def test_a_window_over_a_part_delays_only_that_part() -> None:
    """Half of the scope is asked meanwhile at the full pace; the other half comes behind the window."""
    lunch = Blackout(cidr="10.20.0.0/24", start="12:00", to="14:00")
    found = course(scope_of("10.20.0.0/23"), [lunch], NOON, 512, 600.0)
    assert found.end == pytest.approx(NOON + 2 * HOUR + 300)
    assert found.stretches[0].asked == pytest.approx(256)
    assert found.waiting == pytest.approx(2 * HOUR - 300)


def test_a_window_that_opens_and_closes_meanwhile_costs_nothing_when_the_rest_takes_as_long() -> None:
    window = Blackout(cidr="10.20.0.0/24", start="12:10", to="12:20")
    found = course(scope_of("10.20.0.0/23"), [window], NOON, 512, 2 * HOUR)
    assert found.end == pytest.approx(NOON + 2 * HOUR)
    assert found.waiting == 0


def test_too_much_that_is_put_aside_holds_the_order_up() -> None:
    """A checkpoint has room for so many; then the free part waits as well."""
    window = Blackout(cidr="10.0.0.0/9", start="12:00", to="18:00")
    whole = 2**24
    found = course(scope_of("10.0.0.0/8"), [window], NOON, whole, 2 * HOUR)
    first = found.stretches[0]
    assert first.asked == pytest.approx(MAX_HELD, rel=1e-6)  # as many of the free half
    assert found.stretches[1].waits
    assert found.end > NOON + 6 * HOUR + 1.9 * HOUR


def test_windows_that_never_leave_it_time() -> None:
    always = Blackout(cidr="10.20.0.0/24", start="00:00", to="24:00")
    found = course(scope_of("10.20.0.0/23"), [always], NOON, 512, 600.0)
    assert math.isinf(found.end)
    assert found.stretches[-1].asked == pytest.approx(256)


_windows = st.builds(
    lambda third, length, start, hours: Blackout(
        cidr=f"10.20.{third}.0/{length}", start=f"{start:02}:00", to=f"{(start + hours) % 24:02}:00"
    ),
    st.sampled_from([0, 4, 8]),
    st.sampled_from([22, 24]),
    st.integers(0, 23),
    st.integers(1, 20),
)


@settings(max_examples=150)
@given(st.lists(_windows, max_size=4), st.floats(1.0, 200_000.0))
def test_everything_is_asked_once_and_time_only_goes_on(windows: list[Blackout], seconds: float) -> None:
    scope = scope_of("10.20.0.0/20", "fd00::/120")
    found = course(scope, windows, NOON, len(scope), seconds)
    edges = [NOON, *(each.end for each in found.stretches)]
    assert [each.start for each in found.stretches] == edges[:-1]
    assert edges == sorted(edges)
    asked = [0.0, *(each.asked for each in found.stretches)]
    assert asked == sorted(asked)
    if not math.isinf(found.end):
        assert asked[-1] == pytest.approx(len(scope))
        assert found.end - NOON == pytest.approx(seconds + found.waiting, rel=1e-6, abs=1e-3)
