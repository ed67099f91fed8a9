"""The pace: never above the rate in any window, no jump after a pause, caps that hold for each prefix."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.pace import BURST_SECONDS, BUSY, LOSS_COUNT, MAX_BURST, Bucket, Pace, PrefixCaps


@settings(max_examples=200)
@given(st.floats(1, 50_000), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_window_holds_more_than_the_rate(rate: float, gaps: list[float]) -> None:
    bucket = Bucket(rate, 0.0)
    now, sent = 0.0, []
    for gap in gaps:
        now += gap
        count = bucket.available(now)
        bucket.take(count)
        sent.append((now, count))
    burst = min(max(1.0, rate * BURST_SECONDS), MAX_BURST)
    for start, (began, _) in enumerate(sent):
        total = 0
        for at, count in sent[start:]:
            total += count
            assert total <= rate * (at - began) + burst + 1


def test_nothing_is_saved_up_in_a_pause() -> None:
    bucket = Bucket(1000, 0.0)
    bucket.take(bucket.available(1.0))
    assert bucket.available(3600.0) <= 100


def test_the_rate_is_reached() -> None:
    bucket, sent = Bucket(1000, 0.0), 0
    for step in range(1, 10_001):
        count = bucket.available(step / 1000)
        bucket.take(count)
        sent += count
    assert 9_990 <= sent <= 10_101


@settings(max_examples=100)
@given(st.floats(1, 200), st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 3)), max_size=300))
def test_no_prefix_gets_more_than_its_cap(rate: float, asks: list[tuple[float, int]]) -> None:
    caps = PrefixCaps(rate)
    now, sent = 0.0, dict[int, list[float]]()
    for gap, prefix in asks:
        now += gap
        if caps.delay(prefix, now) == 0.0:
            sent.setdefault(prefix, []).append(now)
    burst = 1 + rate * max(BURST_SECONDS, 1 / rate)
    for times in sent.values():
        for start, began in enumerate(times):
            for count, at in enumerate(times[start:], start=1):
                assert count <= rate * (at - began) + burst + 1e-6


@settings(max_examples=100)
@given(st.floats(1, 500), st.lists(st.floats(0, 0.3), max_size=200))
def test_a_cap_above_the_sweeps_rate_never_binds(rate: float, gaps: list[float]) -> None:
    """So it need not be asked. Once the prefix has shown loss it is asked, whatever the rate."""
    bucket, caps = Bucket(rate, 0.0), PrefixCaps(rate * 1.001)
    assert not caps.can_bind(rate)
    assert caps.can_bind(rate * 1.1)
    now = 0.0
    for gap in gaps:
        now += gap
        count = bucket.available(now)
        bucket.take(count)
        assert all(caps.delay(1, now) == 0.0 for _ in range(count))
    for _ in range(LOSS_COUNT):
        caps.observe(1, lost=True)
    caps.review()
    assert caps.can_bind(rate)


def test_a_delayed_connect_may_go_when_it_was_told() -> None:
    caps = PrefixCaps(10)
    now = 0.0
    while not (delay := caps.delay(1, now)):
        now += 0.0001
    assert caps.delay(1, now + delay + 1e-9) == 0.0


@pytest.mark.parametrize("ticks", [1, 7, 50, 333])
def test_a_delay_always_moves_the_clock(ticks: int) -> None:
    """The loop's clock counts milliseconds: a delay that only rounding makes would be waited for ever."""
    caps = PrefixCaps(20)
    now = 4_000.0
    for step in range(4_000):
        now = 4_000.0 + step * ticks / 1000
        for _ in range(3):
            delay = caps.delay(1, now)
            assert delay == 0.0 or now + delay > now
            assert delay == 0.0 or delay >= 0.001


def test_families_do_not_share_a_prefix() -> None:
    caps = PrefixCaps(10)
    assert caps.key(4, 0x0A000001) != caps.key(6, 0x0A000001)
    assert caps.key(4, 0x0A000001) == caps.key(4, 0x0A0000FF)
    assert caps.key(6, 1 << 64) != caps.key(6, 2 << 64)


def test_quiet_prefixes_are_forgotten() -> None:
    caps = PrefixCaps(100)
    for step in range(200_000):
        caps.delay(step, step * 0.001)
    assert len(caps._free_at) < 5_000


def windows(pace: Pace, count: int) -> None:
    for _ in range(count):
        pace.now += pace.window + 0.01
        pace.review(pace.now)


def test_stress_halves_and_quiet_recovers_but_never_above_the_ceiling() -> None:
    pace = Pace(1000, 0.0)
    pace.stress.local_drops = 3
    windows(pace, 1)
    assert pace.bucket.rate == 500
    assert "dropped" in pace.note
    windows(pace, 20)
    assert pace.bucket.rate == 1000
    assert pace.note == ""


def test_growing_round_trips_slow_the_sweep() -> None:
    pace = Pace(1000, 0.0)
    for seconds in (0.01, 0.2):
        for _ in range(100):
            pace.observe_round_trip(seconds)
        windows(pace, 1)
    assert pace.bucket.rate == 500
    assert "round trips" in pace.note


class Simulated:
    """A sweep on a clock of its own: so many connects a second, and for how much of each we are late."""

    def __init__(self, ceiling: float) -> None:
        self.pace = Pace(ceiling, 0.0)
        self.now = self.late = 0.0

    def window(self, connects: float, late: float, round_trip: float = 0.01) -> None:
        step = self.pace.window / 100
        for _ in range(100):
            self.now += step
            self.late += late * step
            room = self.pace.bucket.available(self.now)
            self.pace.bucket.take(min(room, int(connects * step)))
            self.pace.observe_round_trip(round_trip)
        self.now += 0.001
        self.pace.review(self.now, self.late)


def test_where_this_machine_is_the_limit_the_pace_follows_it_once_and_is_not_called_congested() -> None:
    sweep = Simulated(1000)
    sweep.window(900, late=0.1)
    assert (sweep.pace.bucket.rate, sweep.pace.note) == (1000, "")
    for _ in range(20):
        sweep.window(200, late=0.9)
        assert sweep.pace.bucket.rate == pytest.approx(200, rel=0.1)
        assert sweep.pace.note == BUSY
    assert (sweep.pace.halvings, sweep.pace.times_busy) == (0, 1)
    sweep.window(200, late=0.1)
    assert (sweep.pace.bucket.rate, sweep.pace.note) == (1000, "")


def test_a_busy_machine_does_not_hide_that_the_network_suffers() -> None:
    sweep = Simulated(1000)
    sweep.window(900, late=0.0)
    sweep.window(900, late=0.9, round_trip=0.2)
    assert "round trips" in sweep.pace.note
    assert (sweep.pace.bucket.rate, sweep.pace.halvings, sweep.pace.times_busy) == (500, 1, 1)
    sweep.window(400, late=0.0)
    assert sweep.pace.bucket.rate == 600, "what the network bears is found again slowly"


def test_a_busy_machine_goes_on_asking() -> None:
    sweep = Simulated(1000)
    sweep.window(0, late=1.0)
    assert sweep.pace.bucket.rate == pytest.approx(1000 / 64)


def test_a_prefix_that_drops_packets_is_slowed_and_recovers() -> None:
    caps = PrefixCaps(100.0)
    hurt, well = caps.key(4, 0x0A000000), caps.key(4, 0x0A000100)
    for _ in range(3):
        for number in range(30):
            caps.observe(hurt, lost=number % 2 == 0)
            caps.observe(well, lost=number == 0)
        caps.review()
    assert caps.halvings == 3
    assert caps.note == "1 prefixes drop packets"

    def admitted(key: int, now: float) -> int:
        return sum(caps.delay(key, now + tick / 1000) == 0.0 for tick in range(2000))

    assert admitted(well, 100.0) > 180
    assert admitted(hurt, 100.0) < 200 / 8 + 12
    for _ in range(30):
        caps.review()
    assert caps.note == ""
    assert admitted(hurt, 200.0) > 180


def test_routers_that_refuse_slow_a_sweep_only_when_few_hosts_answer() -> None:
    pace = Pace(1000, 0.0)
    pace.stress.unreachable, pace.stress.refused = 40, 4000
    windows(pace, 1)
    assert pace.bucket.rate == 1000
    pace.stress.unreachable = 40
    windows(pace, 1)
    assert pace.bucket.rate == 500
