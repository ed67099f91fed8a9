"""What a look proves, of which vantage, and the bounds of being open and closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.ledger.visit import Names, Server, Structure
from results.verdict import Verdict
from tests.support.visits import SEEN, Diary, at, holding, only, place, told, uuid

if TYPE_CHECKING:
    from results.ledger.tracked import Change

OTHER = {**holding(), "structure": Structure({"shop": [Names("orders", uuid("orders"))]}, True)}


def change(diary: Diary, kind: str) -> Change:
    (found,) = [change for change in told(diary).changes if change.kind == kind]
    return found


def test_another_server_must_be_seen_there_twice() -> None:
    server = Server("mongodb", "3.6.8", "standalone")
    diary = Diary().run(0).open().run(7).open(server=server, **OTHER)
    assert [exposure.state for exposure in told(diary).exposures] == ["unreachable", "new"]
    assert change(diary, "unreachable").reasons[0].code == "another-server"
    diary.run(14).open(server=server, **OTHER)
    first, second = told(diary).exposures
    assert (first.state, first.closed_how) == ("closed", "another-server")
    assert second.state == "open"


def test_refused_once_and_once_another_service_is_nothing_seen_twice() -> None:
    diary = Diary().run(0).open().run(1).sees(Verdict.REFUSED).run(2).sees(Verdict.NOT_MONGODB)
    assert only(diary).state == "unreachable"
    assert only(diary.run(3).sees(Verdict.REFUSED)).closed_how == "refused-twice"


def test_refusals_of_two_places_are_no_pair() -> None:
    there = place("192.0.2.99")
    diary = Diary().run(0, vantage="office").open().run(1, vantage="internet").open()
    diary.run(2, vantage="internet").sees(Verdict.REFUSED).run(3, vantage="office").open(there)
    diary.sees(Verdict.FILTERED)
    diary.run(4, vantage="internet").sees(Verdict.REFUSED, there)
    assert {each.vantage: each.state for each in only(diary).vantages}["internet"] == "unreachable"


def test_what_a_fleet_saw_open_is_not_closed_by_what_refuses_another_machine() -> None:
    """A firewall of the site may let its workers pass, and refuse everybody else."""
    diary = Diary().run(0).open().run(1, fleet=True).open()
    diary.run(2).sees(Verdict.REFUSED).run(3).sees(Verdict.REFUSED).run(4, fleet=True).sees(Verdict.REFUSED)
    assert only(diary).state == "unreachable"
    assert only(diary.run(5, fleet=True).sees(Verdict.REFUSED)).closed_how == "refused-twice"


def test_what_another_machine_saw_open_itself_it_may_prove_closed() -> None:
    diary = Diary().run(0, fleet=True).open().run(1).open()
    assert only(diary.run(2).sees(Verdict.REFUSED).run(3).sees(Verdict.REFUSED)).state == "closed"


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.FILTERED, Verdict.NOT_MONGODB, None])
def test_what_another_vantage_did_not_see_bounds_nothing(verdict: Verdict | None) -> None:
    diary = Diary().run(0, vantage="office").run(7, vantage="internet")
    if verdict is not None:
        diary.sees(verdict)
    exposure = only(diary.run(14, vantage="office").open())
    assert (exposure.opened_after, exposure.opened_after_how) == (at(0), "not-found")


def test_a_login_bounds_everywhere() -> None:
    diary = Diary().run(0, vantage="internet").sees(Verdict.AUTH_REQUIRED).run(7, vantage="office").open()
    assert only(diary).opened_after == at(SEEN)


@pytest.mark.parametrize(("state", "how"), [("complete", "not-found"), ("degraded", "")])
def test_a_refusal_of_a_box_on_the_way_is_silence_as_a_bound(state: str, how: str) -> None:
    diary = Diary().run(0, state).sees(Verdict.REFUSED, evidence=["refused", "icmp-refused"]).run(7).open()
    assert only(diary).opened_after_how == how


def test_closed_after_it_was_last_seen_open_and_not_after_a_silence() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).run(14).sees(Verdict.AUTH_REQUIRED)
    closed = change(diary, "closed")
    assert (closed.after, closed.at) == (at(SEEN), at(14 + SEEN))


def test_reopened_after_the_proof_and_not_after_a_look_that_says_nothing() -> None:
    diary = (
        Diary().run(0).open().run(7).sees(Verdict.AUTH_REQUIRED).run(14, "degraded").sees(Verdict.FILTERED)
    )
    assert change(diary.run(21).open(), "reopened").after == at(7 + SEEN)


@pytest.mark.parametrize("verdict", [Verdict.AUTH_REQUIRED, Verdict.REFUSED])
def test_what_the_driver_contradicts_bounds_nothing(verdict: Verdict) -> None:
    diary = Diary().run(0).sees(verdict, evidence=[verdict.value, "driver-says-open"]).run(7).open()
    assert only(diary).opened_after == ""
