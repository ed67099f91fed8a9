"""The metadata plan when things go wrong: unknown commands, slow servers, lost connections."""

from __future__ import annotations

import pytest

from scanner.mongo.commands import Command
from scanner.mongo.facts import Depth, Limits, Reply
from scanner.mongo.metadata import MetadataPlan
from tests.mongo.model import Coll, Model, error, magazine
from tests.support.reasons import written


@pytest.mark.parametrize("code", [59, 115, 238, 40324])
def test_an_unknown_form_is_replaced_by_an_older_one(code: int) -> None:
    model = magazine()
    model.instead[Command.COLL_STATS_STAGE] = error(code)
    model.instead[Command.COLL_STATS] = error(code)
    model.instead[Command.NEWEST_DATE] = error(code)
    exposure = model.run()
    counts = {c.name: c.documents for d in exposure.databases for c in d.collections}
    assert counts["abonnes"] == 693_000
    assert exposure.last_write is not None
    assert {Command.COUNT, Command.NEWEST_ID} <= {request.command for request in model.asked}


def test_when_no_form_is_known_the_record_says_so() -> None:
    model = Model({"db": {"c": Coll(), "t": Coll(type="timeseries")}}, wire=5)
    for command in (Command.COLL_STATS, Command.COUNT):
        model.instead[command] = error(59, "no such command")
    exposure = model.run()
    notes = [written(collection.notes) for collection in exposure.databases[0].collections]
    assert all("no such command" in note for note in notes)
    counted = [r.collection for r in model.asked if r.command is Command.COUNT]
    assert "t" not in counted


def test_look_alikes_get_the_oldest_forms() -> None:
    """FerretDB 1.24 hangs up on `$collStats` with a projection, and does not know `$toDate`."""
    model = magazine(build={"version": "7.0.42", "ferretdbVersion": "v1.24.2"})
    model.run()
    used = {request.command for request in model.asked}
    assert {Command.COLL_STATS, Command.NEWEST_ID} <= used
    assert not {Command.COLL_STATS_STAGE, Command.NEWEST_DATE} & used


def test_a_slow_server_is_left_alone_after_two_timeouts() -> None:
    model = Model({f"db{n:02}": {"c": Coll()} for n in range(20)})
    model.instead[Command.DB_STATS] = error(50, "operation exceeded time limit")
    exposure = model.run(window=1)
    assert [r.command for r in model.asked].count(Command.DB_STATS) == 2
    assert any("ran out of time" in words for words in exposure.truncated)
    assert "counts of databases: 18 not asked or not told" in exposure.truncated
    assert exposure.documents == 200  # from the collections' own counters


@pytest.mark.parametrize(
    ("command", "code", "note"),
    [
        (Command.COLL_STATS_STAGE, 13, "not told"),
        (Command.COLL_STATS_STAGE, 40280, "gone"),
        (Command.NEWEST_DATE, 2, "no index on _id"),
        (Command.NEWEST_DATE, 96, "not told"),
    ],
)
def test_a_failed_question_becomes_a_note(command: Command, code: int, note: str) -> None:
    model = Model({"db": {"c": Coll()}})
    model.instead[command] = error(code)
    (collection,) = model.run().databases[0].collections
    assert note in written(collection.notes)


def test_a_view_that_was_not_called_one_is_found_out() -> None:
    model = Model({"db": {"c": Coll()}})
    model.instead[Command.COLL_STATS_STAGE] = error(166)
    (collection,) = model.run().databases[0].collections
    assert collection.type == "view"
    assert Command.NEWEST_DATE not in {request.command for request in model.asked}


def test_a_lost_connection_is_said_and_not_asked_again() -> None:
    model = magazine()
    facts = model.facts()
    plan = MetadataPlan(facts, Limits(), Depth.COLLECTIONS)
    while requests := plan.next_requests(8):
        for request in requests:
            plan.answered(request, Reply(command=request.command, error="the connection was closed"))
    facts.metadata_cut = "the connection was closed"
    exposure = plan.exposure()
    assert "the conversation ended early: the connection was closed" in exposure.truncated
    assert all("was closed" in written(database.notes) for database in exposure.databases)
