"""From visits to exposures: identity, states, bounds, incidents and liveness, as a pure function."""

from __future__ import annotations

import random

import pytest

from results.ledger.visit import Names, Server, Structure
from results.verdict import Verdict
from tests.support.visits import SEEN, Diary, at, holding, only, place, told, uuid

BEGIN = 0


def kinds(diary: Diary) -> list[str]:
    return [change.kind for change in told(diary).changes]


def test_first_seen_open_is_new_and_bounded_by_the_look_before() -> None:
    diary = Diary().run(0).run(7).open()
    exposure = only(diary)
    assert exposure.state == "new"
    assert (exposure.first_seen_open, exposure.opened_after) == (at(7 + SEEN), at(BEGIN))
    assert exposure.opened_after_how == "not-found"
    assert exposure.exposure_id.startswith("mx_")
    assert len(exposure.exposure_id) == 15


def test_nobody_looked_before() -> None:
    exposure = only(Diary().run(0, covered=False).run(3, "degraded").run(7).open())
    assert (exposure.opened_after, exposure.opened_after_how) == ("", "")


def test_a_server_that_answered_otherwise_is_the_better_bound() -> None:
    exposure = only(Diary().run(0).sees(Verdict.AUTH_REQUIRED).run(7).open())
    assert (exposure.opened_after, exposure.opened_after_how) == (at(SEEN), "answered-not-open")


def test_seen_again_is_open() -> None:
    assert only(Diary().run(0).open().run(7).open()).state == "open"


def test_a_login_closes_at_once() -> None:
    exposure = only(Diary().run(0).open().run(7).sees(Verdict.AUTH_REQUIRED))
    assert exposure.state == "closed"
    assert (exposure.closed_before, exposure.closed_how) == (at(7 + SEEN), "asks-for-a-login")
    assert exposure.last_seen_open == at(SEEN)


@pytest.mark.parametrize("state", ["degraded", "interrupted", "running", "aborted", "failed"])
def test_a_run_that_is_not_complete_closes_nothing(state: str) -> None:
    exposure = only(Diary().run(0).open().run(7, state).sees(Verdict.AUTH_REQUIRED))
    assert exposure.state == "unreachable"


@pytest.mark.parametrize("verdict", [Verdict.FILTERED, Verdict.UNREACHABLE, Verdict.UNKNOWN])
def test_silence_never_closes(verdict: Verdict) -> None:
    diary = Diary().run(0).open()
    for day in range(7, 400, 7):
        diary.run(day).sees(verdict)
    assert only(diary).state == "unreachable"


def test_no_line_in_a_complete_run_that_covered_it_is_silence() -> None:
    exposure = only(Diary().run(0).open().run(7))
    assert exposure.state == "unreachable"
    assert only(Diary().run(0).open().run(7, covered=False)).state == "new"
    assert only(Diary().run(0).open().run(7, covered=None)).state == "new"
    assert only(Diary().run(0).open().run(7, "degraded")).state == "new"


def test_a_refusal_must_be_seen_twice_some_time_apart() -> None:
    once = Diary().run(0).open().run(1).sees(Verdict.REFUSED)
    assert only(once).state == "unreachable"
    soon = once.run(1.001).sees(Verdict.REFUSED)
    assert only(soon).state == "unreachable"
    later = soon.run(1.02).sees(Verdict.REFUSED)
    exposure = only(later)
    assert exposure.state == "closed"
    assert exposure.closed_how == "refused-twice"


def test_a_refusal_beside_nothing_that_answers_proves_nothing() -> None:
    diary = Diary().run(0).open()
    for day in (1, 2, 3):
        diary.run(day, companions=0).sees(Verdict.REFUSED)
    assert only(diary).state == "unreachable"


@pytest.mark.parametrize("code", ["masked-prefix", "icmp-refused"])
def test_what_a_box_on_the_way_said_proves_nothing(code: str) -> None:
    diary = Diary().run(0).open()
    for day in (1, 2, 3):
        diary.run(day).sees(Verdict.REFUSED, evidence=["refused", code])
    assert only(diary).state == "unreachable"


def test_open_between_two_refusals() -> None:
    diary = Diary().run(0).open().run(1).sees(Verdict.REFUSED).run(2).open().run(3).sees(Verdict.REFUSED)
    assert only(diary).state == "unreachable"
    assert "closed" not in kinds(diary)


def test_open_after_proof_is_reopened_with_a_spell_of_its_own() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.AUTH_REQUIRED).run(14).open()
    exposure = only(diary)
    assert exposure.state == "reopened"
    assert exposure.reopened_count == 1
    assert [spell.closed_before for spell in exposure.spells] == [at(7 + SEEN), ""]
    assert exposure.opened_after == at(7 + SEEN)
    assert kinds(diary) == ["opened", "closed", "reopened"]


def test_out_of_reach_for_a_while_is_no_change_of_the_server() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).run(14).open()
    exposure = only(diary)
    assert exposure.state == "open"
    assert len(exposure.spells) == 1
    assert kinds(diary) == ["opened", "unreachable", "changed"]


def test_each_vantage_that_saw_it_open_must_see_it_closed() -> None:
    diary = Diary().run(0, vantage="internet").open().run(1, vantage="office").open()
    for day in (2, 3):
        diary.run(day, vantage="internet").sees(Verdict.REFUSED)
    exposure = only(diary)
    assert exposure.state == "open"
    assert {v.vantage: v.state for v in exposure.vantages} == {"internet": "closed", "office": "open"}
    for day in (4, 5):
        diary.run(day, vantage="office").sees(Verdict.REFUSED)
    assert only(diary).state == "closed"


def test_a_login_that_is_asked_for_is_asked_for_everywhere() -> None:
    diary = Diary().run(0, vantage="internet").open().run(1, vantage="office").sees(Verdict.AUTH_REQUIRED)
    assert only(diary).state == "closed"


def test_a_note_and_nothing_else_is_a_ransom_and_a_wipe() -> None:
    diary = Diary().run(0).open().run(7).open(**holding(note="READ_ME", note_generation=3, wiped=True))
    exposure = only(diary)
    assert (exposure.wiped_count, exposure.ransomed_count, exposure.restored_count) == (1, 1, 0)
    assert exposure.lost is not None
    assert (exposure.lost.databases, exposure.lost.documents) == (["magazine"], 3000)
    ransomed = next(change for change in told(diary).changes if change.kind == "ransomed")
    assert (ransomed.after, ransomed.at, ransomed.dated) == (at(SEEN), at(7 + SEEN), at(3))
    assert exposure.state == "changed"


def test_a_restore_after_it() -> None:
    diary = (
        Diary().run(0).open().run(7).open(**holding(note="READ_ME", wiped=True)).run(14).open(**holding(1))
    )
    exposure = only(diary)
    assert (exposure.wiped_count, exposure.ransomed_count, exposure.restored_count) == (1, 1, 1)
    assert len(told(diary).exposures) == 1


def test_an_application_that_writes_into_nothing_restores_nothing() -> None:
    diary = Diary().run(0).open().run(7).open(**holding(note="READ_ME", wiped=True))
    diary.run(14).open(**holding(1, documents=3))
    assert only(diary).restored_count == 0


def test_other_uuids_under_the_same_names_are_a_wipe_and_a_restore_that_nobody_saw() -> None:
    diary = Diary().run(0).open(**holding(0)).run(7).open(**holding(1))
    exposure = only(diary)
    assert (exposure.wiped_count, exposure.restored_count) == (1, 1)


def test_the_same_note_again_under_a_new_uuid_is_another_ransom() -> None:
    diary = Diary().run(0).open()
    for week in range(1, 13):
        diary.run(7 * week).open(**holding(note="READ_ME", note_generation=week, wiped=True))
    exposure = only(diary)
    assert (exposure.wiped_count, exposure.ransomed_count) == (1, 12)
    assert (exposure.first_hit, exposure.last_hit) == (at(7 + SEEN), at(84 + SEEN))


def test_one_collection_made_anew_is_a_change_and_no_wipe() -> None:
    before, after = holding(), holding()
    after["structure"].databases["magazine"][0] = Names("comments", uuid("comments", 9))
    diary = Diary().run(0).open(**before).run(7).open(**after)
    exposure = only(diary)
    assert (exposure.wiped_count, exposure.restored_count, exposure.state) == (0, 0, "changed")


def test_names_that_were_cut_are_not_gone() -> None:
    cut = holding()
    cut["structure"] = Structure({"admin": []}, False)
    diary = Diary().run(0).open().run(7).open(**cut)
    assert only(diary).wiped_count == 0


def test_writing_is_told_by_difference() -> None:
    diary = Diary().run(0).open(**holding(documents=1000)).run(7).open(**holding(documents=1010))
    liveness = only(diary).liveness
    assert liveness is not None
    assert liveness.written is True
    assert liveness.methods == ["document-counts", "collection-sizes"]
    assert liveness.grown is not None
    assert liveness.grown.documents == 30
    still = only(Diary().run(0).open().run(7).open()).liveness
    assert still is not None
    assert still.written is False
    unknown = only(Diary().run(0).sees(Verdict.OPEN).run(7).sees(Verdict.OPEN)).liveness
    assert unknown is not None
    assert unknown.written is None


def test_the_same_data_elsewhere_while_the_old_place_is_silent_is_a_move() -> None:
    new = place("192.0.2.99")
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).open(new)
    exposure = only(diary)
    assert exposure.place.ip == "192.0.2.99"
    assert [where.ip for where in exposure.places] == ["192.0.2.7", "192.0.2.99"]
    assert kinds(diary) == ["opened", "moved"]
    assert len(exposure.former_ids) == 1
    assert exposure.first_seen_open == at(SEEN)


def test_the_same_data_elsewhere_while_the_old_place_shows_it_is_a_member() -> None:
    new = place("192.0.2.99")
    exposures = told(Diary().run(0).open().run(7).open().open(new)).exposures
    assert len(exposures) == 2
    assert exposures[0].related == [exposures[1].exposure_id]


def test_the_old_place_was_not_looked_at() -> None:
    new = place("192.0.2.99")
    exposures = told(Diary().run(0).open().run(7, covered=False).open(new)).exposures
    assert len(exposures) == 2


def test_another_server_at_the_same_place_is_a_new_exposure() -> None:
    other = holding()
    other["structure"] = Structure({"shop": [Names("orders", uuid("orders"))]}, True)
    server = Server("mongodb", "3.6.8", "standalone")
    diary = Diary().run(0).open().run(7).open(server=server, **other).run(14).open(server=server, **other)
    first, second = told(diary).exposures
    assert first.finding_id == second.finding_id
    assert first.exposure_id != second.exposure_id
    assert (first.state, first.closed_how) == ("closed", "another-server")
    assert second.state == "open"


def test_the_order_in_which_visits_come_changes_nothing() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.AUTH_REQUIRED).run(14).open(**holding(1))
    diary.run(21).open(**holding(note="READ_ME", wiped=True)).run(28).sees(Verdict.FILTERED)
    diary.open(place("192.0.2.99"), **holding(2)).run(35).sees(Verdict.REFUSED, place("192.0.2.99"))
    expected = told(diary)
    for seed in range(20):
        random.Random(seed).shuffle(diary.visits)
        diary.runs = dict(random.Random(seed).sample(list(diary.runs.items()), len(diary.runs)))
        assert told(diary) == expected
