"""From where an exposure is open: which looks count, for how long, and which changes of it are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.ledger.dossier import dossier, headline
from results.verdict import Severity, Verdict
from tests.support.visits import SEEN, Diary, at, only, place, told

if TYPE_CHECKING:
    from results.ledger.tracked import Change, TrackedExposure


def turns(diary: Diary) -> list[Change]:
    return [change for change in told(diary).changes if change.kind == "reach_changed"]


def sentence(exposure: TrackedExposure) -> str:
    (section,) = [each for each in dossier(exposure).sections if each.key == "vantages"]
    return section.sentences[0]


def office_and_internet() -> Diary:
    return Diary().run(0, vantage="office").open().run(1, vantage="internet").sees(Verdict.FILTERED)


def test_one_look_from_one_vantage_says_nothing_of_others() -> None:
    for vantage in ("", "office"):
        exposure = only(Diary().run(0, vantage=vantage).open())
        assert (exposure.reach, turns(Diary().run(0, vantage=vantage).open())) == ("unknown", [])
    assert only(Diary().run(0, vantage="internet").open()).reach == "internet"


@pytest.mark.parametrize(
    ("verdict", "found"),
    [
        (Verdict.FILTERED, "filtered"),
        (Verdict.REFUSED, "refused"),
        (Verdict.UNREACHABLE, "unreachable"),
        (Verdict.NOT_MONGODB, "not mongodb"),
        (None, "heard of nothing"),
    ],
)
def test_open_from_the_office_alone_says_what_the_internet_found(verdict: Verdict | None, found: str) -> None:
    diary = Diary().run(0, vantage="office").open().run(1, vantage="internet")
    if verdict is not None:
        diary.sees(verdict)
    exposure = only(diary.run(2, vantage="office").open())
    assert (exposure.reach, exposure.open_from, exposure.not_open_from) == (
        "one_vantage",
        ["office"],
        ["internet"],
    )
    assert "Open from office only; not from the internet (asked 2026-03-03 04:" in sentence(exposure)
    assert sentence(exposure).endswith(f": {found}).")
    assert "is open to office only without a password" in headline(exposure)
    assert turns(diary) == []


@pytest.mark.parametrize(
    ("state", "verdict", "evidence"),
    [
        ("degraded", Verdict.FILTERED, ["filtered"]),
        ("interrupted", Verdict.REFUSED, ["refused"]),
        ("complete", Verdict.UNKNOWN, ["silent"]),
        ("complete", Verdict.REFUSED, ["refused", "masked-prefix"]),
        ("complete", Verdict.REFUSED, ["refused", "driver-says-open"]),
    ],
)
def test_what_proves_nothing_says_nothing_of_the_reach(
    state: str, verdict: Verdict, evidence: list[str]
) -> None:
    diary = Diary().run(0, vantage="office").open()
    diary.run(1, state, vantage="internet").sees(verdict, evidence=evidence)
    exposure = only(diary.run(2, vantage="office").open())
    assert (exposure.reach, exposure.not_open_from) == ("unknown", [])


def test_a_refusal_of_a_firewall_is_no_reach_and_no_closure() -> None:
    diary = Diary().run(0, vantage="internet").open()
    for day in (1, 2):
        diary.run(day, vantage="internet").sees(Verdict.REFUSED, evidence=["refused", "icmp-refused"])
    exposure = only(diary.run(3, vantage="office").open())
    assert (exposure.reach, exposure.state) == ("one_vantage", "changed")
    assert {each.vantage: each.state for each in exposure.vantages} == {
        "internet": "unreachable",
        "office": "open",
    }


def test_a_look_of_a_run_that_does_not_cover_the_place_is_none() -> None:
    diary = Diary().run(0, vantage="office").open().run(1, vantage="internet", covered=False)
    assert only(diary.run(2, vantage="office").open()).reach == "unknown"


def test_all_vantages_and_differs() -> None:
    diary = Diary().run(0, vantage="office").open().run(1, vantage="lab").open()
    exposure = only(diary)
    assert exposure.reach == "all_vantages"
    assert sentence(exposure) == "Open from every vantage that looked, lab and office."
    exposure = only(diary.run(2, vantage="branch").sees(Verdict.FILTERED))
    assert exposure.reach == "differs"
    assert sentence(exposure).startswith("Open from lab and office; not from branch (asked ")
    assert turns(diary) == []  # each looked for the first time


def test_a_firewall_that_opens_and_shuts_is_told_once_each() -> None:
    diary = office_and_internet().run(2, vantage="office").open()
    diary.run(3, vantage="internet").open(severity=Severity.CRITICAL)
    (opened,) = turns(diary)
    assert [(each.code, each.detail) for each in opened.reasons] == [("open-from", "internet")]
    assert (opened.at, opened.after, opened.reach) == (at(3 + SEEN), at(1 + SEEN), "internet")
    assert [(each.kind, each.reach) for each in told(diary).changes] == [
        ("opened", "unknown"),
        ("reach_changed", "internet"),
    ]
    assert (opened.severity, opened.open_from) == (Severity.CRITICAL, ["internet", "office"])
    exposure = only(diary)
    assert (exposure.reach, exposure.reach_since, exposure.state) == ("internet", at(3 + SEEN), "changed")
    assert (
        sentence(exposure)
        == "Open from the internet, since 2026-03-05 04:30 UTC at the latest; and from office."
    )
    assert "is open to the internet without a password" in headline(exposure)
    diary.run(4, vantage="office").open().run(5, vantage="internet").open(severity=Severity.CRITICAL)
    assert turns(diary) == [opened]
    assert only(diary).severity is Severity.CRITICAL
    diary.run(6, vantage="internet").sees(Verdict.FILTERED)
    assert [change.event_id for change in turns(diary)][:1] == [opened.event_id]
    shut = turns(diary)[-1]
    assert [(each.code, each.detail) for each in shut.reasons] == [("not-open-from", "internet")]
    assert (shut.after, shut.reach, shut.severity) == (at(5 + SEEN), "one_vantage", Severity.HIGH)
    exposure = only(diary)
    assert (exposure.reach, exposure.severity) == ("one_vantage", Severity.HIGH)
    diary.run(7, vantage="internet").sees(Verdict.FILTERED).run(8, vantage="office").open()
    assert len(turns(diary)) == 2


def test_the_first_look_from_the_internet_that_sees_it_is_told() -> None:
    diary = Diary().run(0, vantage="office").open().run(1, vantage="internet").open()
    (turn,) = turns(diary)
    assert (turn.after, turn.reach) == ("", "internet")
    # but where the internet saw it first, its opening says that
    assert turns(Diary().run(0, vantage="internet").open().run(1, vantage="office").open()) == []


def test_silence_is_compared_for_a_month_and_being_open_until_another_look() -> None:
    diary = office_and_internet().run(31, vantage="office").open()
    assert only(diary).reach == "one_vantage"
    exposure = only(diary.run(33, vantage="office").open())
    assert (exposure.reach, exposure.not_open_from) == ("unknown", [])
    assert "asked too long ago to be compared: the internet (2026-03-03 04:30 UTC)" in sentence(exposure)
    diary = Diary().run(0, vantage="internet").open().run(90, vantage="office").open()
    assert only(diary).reach == "internet"


def test_a_look_before_it_was_first_seen_open_counts_for_as_long() -> None:
    diary = Diary().run(0, vantage="internet").sees(Verdict.FILTERED).run(1, vantage="office").open()
    assert only(diary).reach == "one_vantage"


def test_one_out_of_reach_keeps_what_it_was_and_nothing_is_told() -> None:
    diary = Diary().run(0, vantage="internet").open().run(1, vantage="internet").sees(Verdict.FILTERED)
    exposure = only(diary)
    assert (exposure.state, exposure.reach, turns(diary)) == ("unreachable", "internet", [])
    assert sentence(exposure).startswith("When it was last seen open, it was open from the internet")
    # seen from inside afterwards: now it is known that the internet alone lost it
    diary.run(2, vantage="office").open()
    (turn,) = turns(diary)
    assert [(each.code, each.detail) for each in turn.reasons] == [("not-open-from", "internet")]
    assert (turn.after, turn.at) == (at(SEEN), at(2 + SEEN))


def test_a_new_spell_begins_with_a_reach_of_its_own() -> None:
    diary = Diary().run(0, vantage="internet").open().run(1, vantage="office").open()
    diary.run(2, vantage="office").sees(Verdict.AUTH_REQUIRED)
    assert only(diary).reach == "internet"  # while it was open
    exposure = only(diary.run(3, vantage="office").open())
    assert (exposure.reach, exposure.open_from, exposure.reopened_count) == ("unknown", ["office"], 1)
    assert turns(diary) == []


def test_how_long_it_has_been_so_is_counted_within_a_spell() -> None:
    diary = Diary().run(0, vantage="internet").open().run(1, vantage="internet").open()
    assert only(diary).reach_since == at(SEEN)
    diary.run(2, vantage="internet").sees(Verdict.AUTH_REQUIRED).run(3, vantage="internet").open()
    assert only(diary).reach_since == at(3 + SEEN)


def test_a_server_that_moved_was_not_asked_at_its_new_place() -> None:
    there = place("192.0.2.99")
    diary = Diary().run(0, vantage="office").open().run(1, vantage="internet").sees(Verdict.FILTERED)
    diary.run(2, vantage="office").open(there).sees(Verdict.FILTERED)
    exposure = only(diary)
    assert (exposure.place.ip, exposure.reach, exposure.not_open_from) == (there.ip, "unknown", [])
    assert only(diary.run(3, vantage="internet").open(there)).reach == "internet"
    assert [change.reach for change in turns(diary)] == ["internet"]


def test_another_server_at_the_place_is_not_this_one() -> None:
    from results.ledger.visit import Names, Server, Structure
    from tests.support.visits import holding, uuid

    other = {**holding(), "structure": Structure({"shop": [Names("orders", uuid("orders"))]}, True)}
    diary = Diary().run(0, vantage="office").open()
    diary.run(1, vantage="internet").open(server=Server("mongodb", "3.6.8", "standalone"), **other)
    diary.run(2, vantage="office").open()
    inside, outside = told(diary).exposures
    assert (inside.reach, inside.vantages[0].asked_how) == ("one_vantage", "another-server")
    assert outside.reach == "internet"


def test_runs_that_name_no_vantage_are_closed_by_those_that_saw_it_open() -> None:
    diary = Diary().run(0).open()
    for day in (1, 2):
        diary.run(day, vantage="internet").sees(Verdict.REFUSED)
    assert only(diary).state == "new"  # the internet may never have reached it
    diary.run(3, vantage="office").open()
    for day in (4, 5):
        diary.run(day, vantage="office").sees(Verdict.REFUSED)
    assert only(diary).state == "closed"


def test_order_and_repetition_change_nothing() -> None:
    diary = office_and_internet().run(2, vantage="office").open().run(3, vantage="internet").open()
    diary.run(4, vantage="internet").sees(Verdict.REFUSED).run(5, vantage="office").open()
    once = told(diary)
    diary.visits.reverse()
    diary.runs = dict(reversed(diary.runs.items()))
    assert told(diary) == once
