"""When a schedule is due, through a year with its changes of the clocks; its jitter."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from scanner.service.schedule import Schedule
from scanner.setup.service_settings import ScheduleSettings

MINUTE = timedelta(minutes=1)
EVERY_HOUR = frozenset(range(24))
RULES: dict[str, tuple[frozenset[int], frozenset[int]]] = {  # cron -> its minutes and hours, told once more
    "30 2 * * *": (frozenset({30}), frozenset({2})),
    "0,30 1-3 * * *": (frozenset({0, 30}), frozenset({1, 2, 3})),
    "15 0 * * *": (frozenset({15}), frozenset({0})),
    "*/20 * * * *": (frozenset({0, 20, 40}), EVERY_HOUR),
    "10 * * * *": (frozenset({10}), EVERY_HOUR),
    "*/30 2 * * *": (frozenset({0, 30}), frozenset({2})),
}
ZONES = {  # zone -> days on which its clocks change in 2026
    "Europe/Paris": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),  # by half an hour
    "Africa/Cairo": ("2026-04-24", "2026-10-29"),  # at midnight
    "Asia/Kolkata": ("2026-06-01", "2026-06-02"),  # never
}

# cronsim counts whole hours, and passes over 2:00 where the clocks change by half of one.
ROWS = sorted({(cron, zone) for cron in RULES for zone in ZONES} - {("*/30 2 * * *", "Australia/Lord_Howe")})


def made(cron: str, zone: str = "UTC", *, name: str = "nightly", jitter: str = "") -> Schedule:
    return Schedule(ScheduleSettings(name=name, cron=cron, zone=zone, jitter=jitter))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def by_the_manual(cron: str, zone: ZoneInfo, begin: datetime, end: datetime) -> list[float]:
    """What cron(8) of Debian says. A wildcard in minute or hour: whenever the clock on the wall shows it.
    Else: each time of the calendar once, when it comes first, or after the gap that holds it."""
    minutes, hours = RULES[cron]
    if "*" in "".join(cron.split()[:2]):
        found, at = [], begin
        while at < end:
            shown = at.astimezone(zone)
            if shown.minute in minutes and shown.hour in hours:
                found.append(at.timestamp())
            at += MINUTE
        return found
    once = set()
    day = begin.astimezone(zone).date() - timedelta(days=1)
    while day <= end.astimezone(zone).date():
        for there in (datetime.combine(day, time(hour, minute)) for hour in hours for minute in minutes):
            while there.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != there:
                there += MINUTE
            once.add(there.replace(tzinfo=zone).timestamp())
        day += timedelta(days=1)
    return sorted(at for at in once if begin.timestamp() <= at < end.timestamp())


def compare(cron: str, zone: str, begin: datetime, end: datetime) -> None:
    last = end.timestamp()
    found = list(takewhile(lambda at: at < last, made(cron, zone).dues(begin.timestamp() - 1)))
    assert found == by_the_manual(cron, ZoneInfo(zone), begin, end)


@pytest.mark.parametrize(("cron", "zone"), ROWS)
def test_around_the_changes_of_the_clocks_it_is_as_in_debians_cron(cron: str, zone: str) -> None:
    for day in ZONES[zone]:
        begin = datetime.fromisoformat(day + "T00:00:00+00:00") - timedelta(days=1)
        compare(cron, zone, begin, begin + timedelta(days=3))


@pytest.mark.exhaustive
@pytest.mark.parametrize("cron", ["30 2 * * *", "0,30 1-3 * * *", "*/30 2 * * *"])
@pytest.mark.parametrize("zone", ["Europe/Paris", "Africa/Cairo"])
def test_a_whole_year_is_as_in_debians_cron(cron: str, zone: str) -> None:
    compare(cron, zone, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        ("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T03:00:00+02:00"),  # 2:30 is skipped
        ("30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T02:30:00+02:00"),  # and made up for once
        ("30 2 * * *", "2026-10-25T00:29:59Z", "2026-10-25T00:30:00Z"),  # 2:30 comes twice
        ("30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),  # and counts once
        ("30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"),  # asked in the second 2:10
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-28T23:00:00Z"),
        ("0 2 L * *", "2026-02-01T00:00:00Z", "2026-02-28T01:00:00Z"),
        ("0 2 13 * 5", "2026-02-01T00:00:00Z", "2026-02-06T01:00:00Z"),  # the 13th, and each Friday
    ],
)
def test_the_next_due(cron: str, after: str, due: str) -> None:
    schedule = made(cron, "Europe/Paris")
    assert schedule.due_after(seconds(after)) == seconds(due)
    assert schedule.due_by(seconds(due), seconds(after)) == seconds(due)
    assert schedule.due_by(seconds(due) - 1, seconds(after)) is None


@pytest.mark.parametrize("cron", ["*/7 * * * *", "30 2 * * *", "0 4 1 * *", "0 0 29 2 *"])
def test_the_last_due_is_found_however_long_ago_it_was(cron: str) -> None:
    schedule = made(cron, "America/New_York")
    begin = seconds("2023-01-01T00:00:00Z")
    chance = random.Random(7)
    for _ in range(20):
        at = begin + chance.random() * 3 * 365 * 86400
        found = schedule.due_by(at, 0)
        assert found is not None
        assert found <= at
        following = next(schedule.dues(found))
        assert following > at
        assert schedule.due_after(at) == following
        assert schedule.due_by(at, found) is None
        assert schedule.due_by(at, found - 1) == schedule.due_by(at, found - 1) == found


class TestJitter:
    def test_a_start_is_put_off_by_less_than_the_jitter_by_another_amount_each_time(self) -> None:
        schedule = made("0 2 * * *", jitter="15m")
        dues = list(islice(schedule.dues(seconds("2026-01-01T00:00:00Z")), 365))
        delays = [schedule.start_of(due) - due for due in dues]
        assert all(0 <= delay < 900 for delay in delays)
        assert len(set(delays)) > 250
        assert 400 < sum(delays) / len(delays) < 500

    def test_it_is_the_same_for_the_same_name_and_due_in_every_process(self) -> None:
        at = seconds("2026-01-01T02:00:00Z")
        assert made("0 2 * * *", jitter="15m").start_of(at) == at + 138
        assert made("0 2 * * *", jitter="15m", name="other").start_of(at) != at + 138

    def test_it_never_reaches_the_next_due(self) -> None:
        schedule = made("*/10 * * * *", jitter="2h")
        starts = list(islice(schedule.starts(seconds("2026-03-28T22:00:00Z")), 200))
        assert all(due <= start < due + 600 for due, start in starts)
        assert [due for due, _ in starts] == sorted({due for due, _ in starts})

    def test_a_due_that_still_waits_for_its_jitter_is_among_the_next_starts(self) -> None:
        schedule = made("0 2 * * *", jitter="1h")
        due = seconds("2026-05-05T02:00:00Z")
        start = schedule.start_of(due)
        assert next(schedule.starts(start - 1)) == (due, start)
        assert next(schedule.starts(start))[0] == due + 86400
