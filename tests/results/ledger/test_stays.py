"""Which visits belong to one server: moves, returns, servers that take turns, and look-alikes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from results.ledger.visit import Figures, Names, Server, Structure
from results.verdict import Verdict
from tests.support.visits import Diary, holding, place, told, uuid

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure

HERE, THERE = place(), place("192.0.2.99")


def exposures(diary: Diary) -> list[TrackedExposure]:
    found = told(diary).exposures
    assert len({exposure.exposure_id for exposure in found}) == len(found)
    return found


def shop(generation: int = 0, *, own: str = "", names: str = "orders customers items") -> dict[str, Any]:
    """Another server's data. `own`: which installation of a server made its own collections."""
    held = {"shop": [Names(name, uuid(f"shop.{name}", generation)) for name in names.split()]}
    held["admin"] = [Names("system.version", uuid(f"version of {own or generation}"))]
    counts: dict[str, tuple[int | None, int | None, str, int | None]]
    counts = {f"shop.{name}": (500, 5000, "", None) for name in names.split()}
    return {"structure": Structure(held, True, list(held)), "figures": Figures(counts, {}), "documents": 1500}


def old(told: dict[str, Any]) -> dict[str, Any]:
    """The same as a release before 3.6 tells it: without UUIDs."""
    held = told["structure"].databases
    bare = {name: [Names(each.name) for each in inside] for name, inside in held.items()}
    return {**told, "structure": Structure(bare, True, list(bare))}


def test_two_servers_that_take_turns_at_one_place_are_two() -> None:
    diary = Diary()
    for week in range(6):
        diary.run(7 * week).open(**(shop(own="b") if week % 2 else holding()))
    first, second = exposures(diary)
    assert (first.state, second.state) == ("unreachable", "open")


def test_data_that_came_back_while_the_new_place_still_shows_it_is_an_exposure_of_its_own() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).open(THERE).run(14).open().open(THERE)
    assert sorted(exposure.place.ip for exposure in exposures(diary)) == [HERE.ip, THERE.ip]


def test_data_that_is_at_a_third_place_when_the_first_shows_it_again_is_two_exposures() -> None:
    third = place("192.0.2.50")
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).open(THERE)
    diary.run(14).sees(Verdict.FILTERED).open(third).run(21).open().open(third)
    diary.run(28).open(third)
    assert sorted(exposure.place.ip for exposure in exposures(diary)) == [third.ip, HERE.ip]


def test_it_is_back_only_when_the_other_place_was_looked_at() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).open(THERE)
    back = diary.run(14, covered=False).open()
    assert sorted(exposure.place.ip for exposure in exposures(back)) == [HERE.ip, THERE.ip]
    (exposure,) = exposures(back.run(21).open())
    assert exposure.place.ip == HERE.ip
    assert [change.kind for change in told(back).changes] == ["opened", "moved", "moved"]


def test_nothing_of_it_at_the_first_place_is_no_return() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).open(THERE)
    empty: dict[str, Any] = {"structure": Structure({}, True), "documents": 0}
    diary.run(14).open(**empty).sees(Verdict.FILTERED, THERE)
    moved, empty_one = exposures(diary)
    assert (moved.place.ip, moved.state) == (THERE.ip, "unreachable")
    assert (empty_one.place.ip, empty_one.state) == (HERE.ip, "new")


def test_a_place_that_asks_for_a_login_now_is_not_left() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.AUTH_REQUIRED).open(THERE)
    closed, new = exposures(diary)
    assert (closed.place.ip, closed.state) == (HERE.ip, "closed")
    assert (new.place.ip, new.state) == (THERE.ip, "new")
    assert new.related == [closed.exposure_id]


def test_silence_from_elsewhere_is_no_move() -> None:
    diary = Diary().run(0, vantage="office").open().run(7, vantage="internet").open(THERE)
    assert len(exposures(diary)) == 2
    diary.run(14, vantage="office")
    assert len(exposures(diary)) == 1


def test_silence_of_a_degraded_run_is_no_move() -> None:
    diary = Diary().run(0).open().run(7, "degraded").sees(Verdict.FILTERED).open(THERE)
    assert len(exposures(diary)) == 2


def test_two_installations_of_one_application_are_two() -> None:
    diary = Diary().run(0).open(**shop(1)).run(7).sees(Verdict.FILTERED).open(THERE, **shop(2))
    assert len(exposures(diary)) == 2


@pytest.mark.parametrize("version", ["2.6.12", "3.4.24"])
def test_a_server_without_uuids_is_known_by_its_names(version: str) -> None:
    server = Server("mongodb", version, "standalone")
    diary = Diary().run(0).open(**old(shop()), server=server)
    diary.run(7).sees(Verdict.FILTERED).open(THERE, **old(shop()), server=server)
    (exposure,) = exposures(diary)
    assert exposure.place.ip == THERE.ip


@pytest.mark.parametrize(
    "shared",
    [
        {"certificate": "c" * 64},
        {"set_name": "rs0", "hosts": ["localhost:27017"], "me": "localhost:27017"},
    ],
)
def test_what_an_image_brings_along_is_nobody(shared: dict[str, Any]) -> None:
    server = Server("mongodb", "6.0.5", "standalone", **shared)
    diary = Diary().run(0).open(server=server).run(7).sees(Verdict.FILTERED)
    diary.open(THERE, **shop(), server=server)
    assert len(exposures(diary)) == 2


def test_clones_of_one_image_have_the_same_collections_of_the_server() -> None:
    diary = Diary().run(0).open(**shop(1, own="image"))
    other = shop(2, own="image", names="visits pages")
    other["structure"].databases["blog"] = other["structure"].databases.pop("shop")
    diary.run(7).sees(Verdict.FILTERED).open(THERE, **other)
    assert len(exposures(diary)) == 2


def test_a_certificate_that_another_open_server_shows_too_is_nobody() -> None:
    bare: dict[str, Any] = {"structure": Structure({}, True), "documents": 0}
    server = Server("mongodb", "6.0.5", "standalone", certificate="c" * 64)
    third = place("192.0.2.50")
    diary = Diary().run(0).open(**bare, server=server).open(third, **bare, server=server)
    diary.run(7).sees(Verdict.FILTERED).open(third, **bare, server=server).open(THERE, **bare, server=server)
    assert len(exposures(diary)) == 3


@pytest.mark.parametrize("shown", [{"set_name": "rs0"}, {"me": "localhost:27017"}])
def test_an_address_that_is_used_again_by_another_set_of_the_usual_name(shown: dict[str, Any]) -> None:
    first, second = (
        Server("mongodb", "6.0.5", "primary", **shown),
        Server("mongodb", "5.0.2", "primary", **shown),
    )
    diary = Diary().run(0).open(server=first).run(7).open(**shop(), server=second)
    assert len(exposures(diary)) == 2


def test_two_that_are_closed_at_one_place_at_once_are_both_told() -> None:
    diary = Diary().run(0).open().run(7, "degraded").open(**shop()).run(14).sees(Verdict.AUTH_REQUIRED)
    assert [exposure.state for exposure in exposures(diary)] == ["closed", "closed"]
    ids = [change.event_id for change in told(diary).changes]
    assert len(set(ids)) == len(ids)


def test_out_of_reach_and_grown_are_two_changes() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.FILTERED).run(14).open(**holding(documents=9000))
    changes = told(diary).changes
    assert [change.kind for change in changes] == ["opened", "unreachable", "changed", "changed"]
    assert len({change.event_id for change in changes}) == 4
