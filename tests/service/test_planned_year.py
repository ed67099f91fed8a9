"""What starts in a year, and whatever befalls the service."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise, takewhile

import msgspec
import pytest

from tests.support.scheduling import HOUR, TRADING, Service, at, schedule


def test_a_year_of_three_schedules() -> None:
    """Through both changes of the clocks: every due is dealt with once and in order, one sweep at a time,
    none in its blackout, and nobody waits for ever."""
    begin, end = at("2026-01-01"), at("2027-01-01")
    takes = 25 * 60.0
    service = Service(
        begin,
        schedule("night", "30 2 * * *", "Europe/Paris", sites=("paris",), jitter="20m"),
        schedule("noon", "0 12 * * *", "Europe/Paris", sites=("paris",)),
        schedule("often", "0 */4 * * *", "America/New_York", sites=("london",), jitter="5m"),
        blackout=(TRADING,),
        takes=takes,
    )
    service.run(end)
    assert service.missed == []
    for name, starts in (("night", 365), ("noon", 365), ("often", 6 * 365)):
        every = service.planner.schedules[name]
        dues = list(takewhile(lambda due: due < end, every.dues(begin)))
        assert len(dues) == starts
        assert [each.due for each in service.begun if each.name == name] == dues
    for each, following in pairwise(service.begun):
        due = service.planner.schedules[each.name]
        assert each.at >= due.start_of(each.due)
        assert each.end <= following.at
    waits = Counter(round((each.at - each.due) / HOUR) for each in service.begun if each.name == "noon")
    assert waits == {6: 261, 0: 104}, "on weekdays it waits for six in the evening"
    late = max(each.at - due.start_of(each.due) for each in service.begun if each.name != "noon")
    assert late <= 2 * takes


@pytest.mark.parametrize("seed", range(10))
def test_whatever_befalls_it_no_due_starts_twice_and_afterwards_all_goes_on(seed: int) -> None:
    """Sweeps of any length, downtime, clocks that go back and forth, by years too, pauses: made up."""
    chance = random.Random(seed)
    names = ("night", "often", "hourly")
    service = Service(
        at("2026-10-20"),
        schedule("night", "30 2 * * *", "Europe/Paris", sites=("paris",), jitter="40m"),
        schedule("often", "*/10 * * * *", sites=("london",), jitter="15m", catch_up=""),
        schedule("hourly", "5 * * * *", "America/New_York", catch_up="2h"),
        blackout=(TRADING,),
    )
    newest = service.now
    corrected = 0  # so often the clock went back by so much that what it said before is forgotten
    begun: dict[tuple[int, str, float], float] = {}
    for _ in range(300):
        known = len(service.begun)
        service.takes = chance.choice([30.0, 900.0, 5 * HOUR])
        decision = service.look()
        for each in service.begun[known:]:
            assert service.planner.schedules[each.name].start_of(each.due) <= each.at
            assert service.planner.free_from(each.name, each.at) == each.at
            assert not service.states[each.name].paused_by
            assert begun.setdefault((corrected, each.name, each.due), each.at) == each.at, "twice"
        name = chance.choice(names)
        by = chance.choice(["", "", "ann"])
        service.states[name] = msgspec.structs.replace(service.states[name], paused_by=by)
        move = chance.random()
        if move < 0.7:
            service.now = min(decision.look_at, service.running.end if service.running else math.inf)
        elif move < 0.9:
            service.now += chance.random() * chance.choice([60.0, HOUR, 100 * HOUR])
        elif move < 0.98:
            service.now = min(service.now, newest - chance.random() * 2.9 * HOUR)
        else:
            service.now += chance.choice([-1, 1]) * 400 * 24 * HOUR
            service.running = None
            corrected += 1
            newest = service.now
        newest = max(newest, service.now)
    for name in names:
        service.states[name] = msgspec.structs.replace(service.states[name], paused_by="")
    service.takes = 60.0
    calm = service.now + 5 * HOUR
    service.run(calm + 48 * HOUR)
    for name in names:
        assert any(each > calm for each in service.began(name)), name
