"""What starts, what waits and what is missed: downtime, blackouts, clocks that jump."""

from __future__ import annotations

import math

import msgspec
import pytest

from scanner.cli.sweep import command
from scanner.service.planner import Planner, Running, next_turn, words_of
from scanner.setup.fleet_settings import FleetSettings
from scanner.setup.service_settings import ScheduleSettings, ServiceSettings
from scanner.setup.settings import Blackout, Settings
from targets.entries import Deny, Entry
from targets.grammar import parse_span
from targets.ranges import Ranges
from targets.scope import Scope
from tests.support.scheduling import HOUR, SCOPE, TRADING, Service, at, schedule

NIGHTLY = schedule("night", "0 2 * * *")


class TestDowntime:
    def test_what_was_missed_is_made_up_for_once_within_its_time(self) -> None:
        service = Service(at("2026-05-01"), NIGHTLY, schedule("hourly", "30 * * * *", sites=("london",)))
        service.run(at("2026-05-02T01:00"))
        service.begun.clear()
        service.now = at("2026-05-05T11:00")  # three days later
        service.run(at("2026-05-05T11:29"))
        assert [(each.name, each.due) for each in service.begun] == [
            ("night", at("2026-05-05T02:00")),
            ("hourly", at("2026-05-05T10:30")),
        ]
        assert service.missed == []

    def test_what_is_too_late_is_missed_and_said(self) -> None:
        service = Service(at("2026-05-01"), NIGHTLY)
        service.now = at("2026-05-05T15:00")
        decision = service.look()
        assert service.begun == []
        (missed,) = decision.missed
        assert missed.due == at("2026-05-05T02:00")
        assert missed.reason == "it is 780 minutes late, and catch_up = 12h"
        assert decision.next_starts == {"night": at("2026-05-06T02:00")}
        assert service.look().missed == (), "once"

    @pytest.mark.parametrize(("late", "starts"), [(0, 1), (59, 1), (61, 0)])
    def test_without_catch_up_a_start_may_be_a_minute_late(self, late: int, starts: int) -> None:
        service = Service(at("2026-05-01"), schedule("night", "0 2 * * *", catch_up=""))
        service.now = at("2026-05-05T02:00") + late
        service.look()
        assert len(service.begun) == starts
        assert len(service.missed) == 1 - starts

    def test_what_waited_goes_on_waiting_after_a_restart_but_not_for_ever(self) -> None:
        closed = Blackout(cidr="10.1.0.0/16", start="00:00", to="24:00", days=("sat", "sun"))
        for back, starts in (("2026-05-03T20:00", 1), ("2026-05-06T10:00", 0)):
            service = Service(
                at("2026-05-01"), schedule("weekly", "0 2 * * 6", sites=("paris",)), blackout=(closed,)
            )
            service.run(at("2026-05-03T12:00"))  # wanted since Saturday at 2, longer than catch_up
            assert service.look().starts == ()
            service.now = at(back)
            service.run(at("2026-05-07"))
            assert [each.due for each in service.begun] == [at("2026-05-02T02:00")] * starts
            assert len(service.missed) == 1 - starts

    def test_a_jitter_outlives_a_restart(self) -> None:
        service = Service(at("2026-05-01"), schedule("night", "0 2 * * *", jitter="1h"))
        due = at("2026-05-02T02:00")
        start = service.planner.schedules["night"].start_of(due)
        service.now = due + 1
        assert service.look().next_starts == {"night": start}
        service.now = start - 1
        service.run(start + 1)
        assert service.began("night") == [start]


class TestClocksThatJump:
    def test_an_hour_that_comes_twice_starts_nothing_twice(self) -> None:
        service = Service(at("2026-05-01T12:00"), NIGHTLY)
        service.run(at("2026-05-02T02:30"))
        service.now = at("2026-05-02T01:30")
        assert service.look().next_starts == {"night": at("2026-05-03T02:00")}
        service.run(at("2026-05-03T01:00"))
        assert service.began("night") == [at("2026-05-02T02:00")]

    def test_an_hour_that_is_skipped_is_made_up_for(self) -> None:
        service = Service(at("2026-05-01T12:00"), NIGHTLY)
        service.run(at("2026-05-02T01:30"))
        service.now = at("2026-05-02T02:30")
        service.run(at("2026-05-03T01:00"))
        assert service.began("night") == [at("2026-05-02T02:30")]

    def test_a_clock_that_was_years_ahead_keeps_nothing_from_starting_afterwards(self) -> None:
        service = Service(at("2026-05-01T12:00"), NIGHTLY)
        service.now = at("2099-05-01T03:00")
        service.run(at("2099-05-01T03:30"))
        assert len(service.begun) == 1
        service.running = None
        service.now = at("2026-05-01T12:00")
        service.run(at("2026-05-03T12:00"))
        assert service.began("night")[1:] == [at("2026-05-02T02:00"), at("2026-05-03T02:00")]

    def test_a_wish_of_a_future_that_was_none_is_forgotten(self) -> None:
        service = Service(at("2026-05-01"), schedule("night", "0 2 * * *", jitter="1h"))
        service.now = at("2099-05-01T02:00")
        assert service.look().starts == ()
        service.now = at("2026-05-01T12:00")
        decision = service.look()
        assert decision.states["night"].wanted == 0
        assert decision.next_starts["night"] < at("2026-05-02T03:00")


class TestWaiting:
    def test_the_whole_part_in_a_blackout_waits_for_its_end_and_another_does_not(self) -> None:
        service = Service(
            at("2026-05-04T00:00"),  # a Monday
            schedule("paris", "0 9 * * *", "Europe/Paris", sites=("paris",)),
            schedule("london", "30 9 * * *", "Europe/Paris", sites=("london",)),
            blackout=(TRADING,),
        )
        service.run(at("2026-05-04T07:01"))
        decision = service.look()
        assert decision.waits == {
            "paris": "every address of its part is in a blackout until Mon 2026-05-04 18:00 CEST"
        }
        assert service.planner.obstacle("paris", service.now, []) == decision.waits["paris"]
        service.run(at("2026-05-04T20:00"))
        assert service.began("london") == [at("2026-05-04T07:30")]
        assert service.began("paris") == [at("2026-05-04T16:00")]

    def test_a_part_of_which_something_may_be_asked_starts(self) -> None:
        service = Service(at("2026-05-04"), schedule("all", "0 9 * * *"), blackout=(TRADING,))
        service.run(at("2026-05-04T10:00"))
        assert service.began("all") == [at("2026-05-04T09:00")]

    def test_blackouts_that_follow_one_another_are_waited_for_together(self) -> None:
        windows = [("00:00", "08:00"), ("08:00", "20:00"), ("19:00", "21:00")]
        closed = tuple(Blackout(cidr="10.1.0.0/24", start=start, to=end) for start, end in windows)
        service = Service(at("2026-05-04"), schedule("paris", "0 2 * * *", sites=("paris",)), blackout=closed)
        service.run(at("2026-05-05T01:00"))
        assert service.began("paris") == [at("2026-05-04T21:00")]

    def test_the_first_address_that_is_out_of_its_blackout_ends_the_wait(self) -> None:
        halves = (
            Blackout(cidr="10.1.0.0/25", start="00:00", to="08:00"),
            Blackout(cidr="10.1.0.128/25", start="00:00", to="06:00"),
        )
        service = Service(at("2026-05-04"), schedule("paris", "0 2 * * *", sites=("paris",)), blackout=halves)
        service.run(at("2026-05-05T01:00"))
        assert service.began("paris") == [at("2026-05-04T06:00")]

    def test_a_part_that_is_always_in_a_blackout_never_starts_and_says_so(self) -> None:
        closed = Blackout(cidr="10.1.0.0/24", start="00:00", to="24:00")
        service = Service(
            at("2026-05-04"), schedule("paris", "0 2 * * *", sites=("paris",)), blackout=(closed,)
        )
        service.run(at("2026-06-04"))
        assert service.begun == []
        assert service.look().waits == {"paris": "every address of its part is in a blackout for good"}

    def test_a_part_of_which_deny_leaves_nothing_never_starts_and_says_so(self) -> None:
        scope = Scope([Entry.of("10.1.0.0/24", site="paris")], [Deny.of("10.1.0.0/24")])
        service = Service(at("2026-05-04"), schedule("paris", "0 2 * * *", sites=("paris",)), scope=scope)
        service.run(at("2026-05-05"))
        reason = "deny and opt-outs leave no address of its part"
        assert service.look().waits == {"paris": reason}
        assert service.planner.obstacle("paris", service.now, []) == reason
        assert service.begun == []

    def test_one_after_the_other_the_longest_due_first_and_each_says_for_whom_it_waits(self) -> None:
        service = Service(
            at("2026-05-04"),
            schedule("b", "0 2 * * *", sites=("paris",)),
            schedule("a", "5 2 * * *", sites=("london",)),
            schedule("c", "1 2 * * *"),
            takes=HOUR,
        )
        service.run(at("2026-05-04T02:10"))
        running = [Running("the sweep of b")]
        reason = "it is the turn of the sweep of b: sweeps go one after the other"
        assert service.look().waits == {"a": reason, "c": reason}
        assert service.planner.obstacle("a", service.now, running) == reason
        assert service.planner.obstacle("a", service.now, []) == ""
        service.run(at("2026-05-04T12:00"))
        assert [each.name for each in service.begun] == ["b", "c", "a"]

    def test_nobody_is_passed_over_where_sweeps_take_longer_than_the_time_between_them(self) -> None:
        service = Service(
            at("2026-05-04"), schedule("a", "* * * * *"), schedule("b", "* * * * *"), takes=90.0
        )
        service.run(at("2026-05-04T06:00"))
        names = [each.name for each in service.begun]
        assert names == ["a", "b"] * (len(names) // 2) + ["a"] * (len(names) % 2)


class TestAtOnce:
    """Schedules of three prefixes, of which two share one, where four sweeps may go on at once."""

    NOW = at("2026-05-04T02:00")
    SCOPE = Scope(
        [
            Entry.of("10.1.0.0/25", site="a"),
            Entry.of("10.1.0.128/25", site="b"),
            Entry.of("10.2.0.0/24", site="c"),
            Entry.of("fd00::/120", site="d"),
        ]
    )

    def planner(self, *parts: str, at_once: int = 4) -> Planner:
        schedules = tuple(
            schedule("".join(part), f"{minute} 1 * * *", sites=tuple(part))
            for minute, part in enumerate(parts)
        )
        settings = Settings(schedule=schedules, service=ServiceSettings(sweeps_at_once=at_once))
        return Planner(settings, self.SCOPE)

    def decide(self, planner: Planner, *running: Running) -> tuple[list[str], dict[str, str]]:
        states = planner.decide(self.NOW - 2 * HOUR, {}, []).states
        decision = planner.decide(self.NOW, states, running)
        return [start.name for start in decision.starts], decision.waits

    def test_what_shares_no_prefix_starts_at_once(self) -> None:
        assert self.decide(self.planner("a", "c", "d")) == (["a", "c", "d"], {})

    def test_what_shares_a_prefix_waits_though_no_address_is_the_same(self) -> None:
        waits = {"b": "it is the turn of the sweep of a, which asks 10.1.0.0/24, too"}
        assert self.decide(self.planner("a", "b", "c")) == (["a", "c"], waits)

    def test_a_sweep_by_hand_is_waited_for_where_it_shares_a_prefix(self) -> None:
        hand = Running("the run R", Ranges.of([parse_span("10.2.0.7")]))
        waits = {"c": "it is the turn of the run R, which asks 10.2.0.0/24, too"}
        assert self.decide(self.planner("a", "c"), hand) == (["a"], waits)

    def test_one_of_which_nobody_can_tell_what_it_asks_is_waited_for_by_all(self) -> None:
        reason = "it is the turn of the run R: nobody can tell what that asks"
        planner = self.planner("a", "c")
        assert self.decide(planner, Running("the run R")) == ([], {"a": reason, "c": reason})
        assert planner.obstacle("c", self.NOW, [Running("the run R")]) == reason

    def test_who_waits_keeps_its_place_before_those_that_came_later(self) -> None:
        hand = Running("the run R", Ranges.of([parse_span("10.1.0.7")]))
        starts, waits = self.decide(self.planner("ac", "c", "d"), hand)
        assert starts == ["d"]
        assert waits["c"] == "it comes after ac, which is due longer and asks 10.2.0.0/24, too"

    def test_no_more_go_on_than_may(self) -> None:
        reason = "it is the turn of the sweep of a: no more than [service] sweeps_at_once = 2 go on at once"
        assert self.decide(self.planner("a", "c", "d", at_once=2)) == (["a", "c"], {"d": reason})


class TestChanges:
    def test_a_schedule_that_is_new_or_changed_has_nothing_to_make_up_for(self) -> None:
        service = Service(at("2026-05-04T12:00"), NIGHTLY)
        assert service.begun == []
        changed = schedule("night", "0 13 * * *")
        service.planner = Planner(Settings(schedule=(changed,)), SCOPE)
        service.now = at("2026-05-04T14:00")
        assert service.look().next_starts == {"night": at("2026-05-05T13:00")}
        assert service.begun == []
        assert service.missed == []

    def test_one_that_is_gone_is_forgotten(self) -> None:
        service = Service(at("2026-05-04T12:00"), NIGHTLY)
        service.planner = Planner(Settings(), SCOPE)
        decision = service.look()
        assert (decision.states, decision.next_starts) == ({}, {})

    def test_paused_it_starts_nothing_and_resumed_it_makes_up_for_nothing(self) -> None:
        service = Service(at("2026-05-04T12:00"), NIGHTLY)
        service.states["night"] = msgspec.structs.replace(service.states["night"], paused_by="ann")
        service.run(at("2026-05-06T03:00"))
        decision = service.look()
        assert decision.next_starts == {}
        assert decision.states["night"].paused_by == "ann"
        service.states["night"] = msgspec.structs.replace(service.states["night"], paused_by="")
        service.run(at("2026-05-07T03:00"))
        assert service.began("night") == [at("2026-05-07T02:00")]
        assert service.missed == []

    def test_paused_while_it_waits_it_does_not_start_when_what_it_waits_for_is_over(self) -> None:
        service = Service(at("2026-05-04T01:00"), NIGHTLY, schedule("long", "59 1 * * *"), takes=HOUR)
        service.run(at("2026-05-04T02:10"))
        assert service.look().waits
        service.states["night"] = msgspec.structs.replace(service.states["night"], paused_by="ann")
        service.run(at("2026-05-04T12:00"))
        assert [each.name for each in service.begun] == ["long"]


class TestTurns:
    @pytest.mark.parametrize(
        ("every", "last", "turn"),
        [
            ("", 0.0, math.inf),
            ("15m", 0.0, 10_000.0),  # never before: now
            ("15m", 9_900.0, 10_800.0),
            ("15m", 100.0, 10_000.0),  # long ago: now, once
            ("15m", 90_000.0, 10_900.0),  # a clock that went back
        ],
    )
    def test_what_is_done_every_so_often(self, every: str, last: float, turn: float) -> None:
        assert next_turn(every, last, 10_000.0) == turn


def test_the_words_of_a_schedule_are_those_of_the_command_line() -> None:
    each = ScheduleSettings(
        name="a",
        cron="0 2 * * *",
        sites=("paris", "--all"),
        owners=("web shop",),
        stop_after="6h",
        fleet=True,
    )
    fleet = FleetSettings(scheduler="tls://scheduler.example.com:8786")
    words = words_of(each, fleet)
    assert words == (
        "--site=paris",
        "--site=--all",
        "--owner=web shop",
        "--stop-after=6h",
        "--fleet=tls://scheduler.example.com:8786",
    )
    with command.make_context("sweep", list(words)) as context:
        assert context.params["sites"] == ("paris", "--all")
        assert context.params["owners"] == ("web shop",)
        assert context.params["stop_after"] == 6 * 3600
        assert context.params["fleet"] == "tls://scheduler.example.com:8786"
    assert words_of(schedule("b", "0 2 * * *"), fleet) == ()
