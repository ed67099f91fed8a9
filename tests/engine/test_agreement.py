"""Agreement of two opinions: the table, the differences between two lists, and who has no opinion at all."""

from __future__ import annotations

import pytest
from pymongo import common

from results.record import Server
from results.verdict import Verdict
from scanner.engine.agreement import confirm
from scanner.mongo.facts import Limits
from scanner.mongo.values import clean_name
from scanner.network.driver.driver import OLDEST_WIRE, DriverOpinion, Saw, from_reply


def test_the_driver_has_no_opinion_of_servers_older_than_it_knows() -> None:
    """Silence of the driver says nothing where it does not speak the server's language."""
    silent = DriverOpinion("no_answer", error="timed out")
    assert (
        confirm(Verdict.OPEN, ["shop"], silent, server=Server(product="mongodb", max_wire_version=0)).agrees
        is None
    )
    assert (
        confirm(Verdict.OPEN, ["shop"], silent, server=Server(product="mongodb", max_wire_version=21)).agrees
        is False
    )
    assert common.MIN_SUPPORTED_WIRE_VERSION == OLDEST_WIRE


def test_tells_how_the_lists_differ() -> None:
    """Names that only one of us saw are evidence of their own."""
    opinion = DriverOpinion("open", ["a", "b", "new"])
    confirmation = confirm(Verdict.OPEN, ["a", "b", "gone"], opinion)
    assert confirmation.agrees is False
    assert confirmation.detail == "only the driver lists 1: new; only our reader lists 1: gone"
    assert confirm(Verdict.OPEN, ["a", "b", "c"], DriverOpinion("open", ["a", "b"], truncated=True)).agrees
    assert confirm(Verdict.OPEN, ["a"], opinion, complete=False).agrees


@pytest.mark.parametrize("length", [254, 255, 256, 257, 300, 5000])
@pytest.mark.parametrize("letter", ["x", "é", "\N{HOT BEVERAGE}", "\x07"])
def test_names_that_both_cut_in_their_own_way_are_the_same(length: int, letter: str) -> None:
    sent = letter * length
    ours = clean_name(sent, Limits().name_length)[0]
    theirs = from_reply({"databases": [{"name": sent}], "ok": 1.0})
    assert confirm(Verdict.OPEN, [ours], theirs).agrees is True
    other = from_reply({"databases": [{"name": "y" + sent}], "ok": 1.0})
    assert confirm(Verdict.OPEN, [ours], other).agrees is False


@pytest.mark.parametrize(
    ("verdict", "saw", "agrees"),
    [
        (Verdict.OPEN, "empty_list", False),
        (Verdict.OPEN, "no_answer", False),
        (Verdict.OPEN_NO_DATA, "empty_list", True),
        (Verdict.OPEN_NO_DATA, "not_ready", True),
        (Verdict.OPEN_NO_DATA, "auth_required", False),
        (Verdict.AUTH_REQUIRED, "open", False),
        (Verdict.AUTH_REQUIRED, "empty_list", False),
        (Verdict.NOT_MONGODB, "garbled", True),
        (Verdict.NOT_MONGODB, "open", False),
        (Verdict.UNKNOWN, "no_answer", True),
        (Verdict.OPEN, "not_asked", None),
    ],
)
def test_agreement_is_a_table(verdict: Verdict, saw: Saw, agrees: bool | None) -> None:
    """Which pairs say the same thing."""
    assert confirm(verdict, [], DriverOpinion(saw, ["x"] if saw == "open" else [])).agrees is agrees
