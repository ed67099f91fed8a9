"""What happened before a look, made of the times at which a server began to count for its collections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from results.past import Index, Past
from results.record import Collection, Database
from scanner.mongo.activity import ServerClock
from scanner.mongo.past import KEPT, counted, events

NOW = datetime(2026, 2, 25, 9, 0, tzinfo=UTC)
START = datetime(2026, 2, 14, 14, 2, 11, tzinfo=UTC)
DAY = timedelta(days=1)
MADE = START + 6 * DAY
THERE = ServerClock(NOW, 0.0, START)


def made(name: str, at: datetime | None = MADE, **more: Any) -> Collection:
    return Collection(name=name, made_at=at, counted_since=at or START, **more)


def database(*collections: Collection, name: str = "lecteurs", **more: Any) -> Database:
    return Database(name=name, collections=list(collections), collections_known=True, **more)


def told(*databases: Database, notes: tuple[str, ...] = ()) -> list[Past]:
    found, more = events(databases, notes, THERE)
    assert more == 0
    return found


def test_all_collections_within_seconds_long_after_the_start_are_a_restore() -> None:
    seven = [made(f"c{number}", MADE + number * timedelta(milliseconds=600)) for number in range(7)]
    assert told(database(*seven)) == [
        Past(
            code="restored",
            where="lecteurs",
            at=MADE,
            until=MADE + timedelta(seconds=3.6),
            collections=7,
            after_start_seconds=6 * 86_400,
        )
    ]


@pytest.mark.parametrize(
    "collections",
    [
        pytest.param([made("a"), made("b", None)], id="one is as old as the process"),
        pytest.param([made("a"), made("b", MADE + timedelta(hours=1))], id="an hour apart"),
        pytest.param([made("a")], id="one alone"),
    ],
)
def test_anything_else_is_no_restore(collections: list[Collection]) -> None:
    (event,) = told(database(*collections))
    assert event.code == "made-after-start"
    assert event.where == ("lecteurs.a" if event.collections == 1 else "lecteurs")


def test_a_database_whose_names_are_not_all_known_was_not_restored_as_a_whole() -> None:
    whole = database(made("a"), made("b"))
    partial = Database(name="lecteurs", collections=whole.collections, collections_known=False)
    assert [event.code for event in told(whole)] == ["restored"]
    assert [event.code for event in told(partial)] == ["made-after-start"]


def test_views_and_the_servers_own_collections_count_for_nothing() -> None:
    others = [Collection(name="v", type="view"), Collection(name="system.views")]
    assert [event.code for event in told(database(made("a"), made("b"), *others))] == ["restored"]
    assert told(database(made("users"), made("roles"), name="admin", system=True)) == []


def test_a_note_comes_first_and_is_no_part_of_a_restore() -> None:
    left = made("README", MADE - timedelta(minutes=5))
    inside = made("READ_ME", MADE - timedelta(minutes=4))
    found = told(
        database(made("a"), made("b"), inside),
        database(left, name="PLEASE_READ"),
        notes=("PLEASE_READ", "lecteurs.READ_ME"),
    )
    assert [(event.code, event.where) for event in found] == [
        ("note-left", "lecteurs.READ_ME"),
        ("note-left", "PLEASE_READ.README"),
        ("restored", "lecteurs"),
    ]


def test_the_newest_come_first_and_what_is_left_out_is_counted() -> None:
    every = [database(made("a", MADE + number * DAY / 99), name=f"d{number}") for number in range(KEPT + 5)]
    found, more = events(every, (), THERE)
    assert more == 5
    assert [event.where for event in found[:2]] == ["d24.a", "d23.a"]


def test_nothing_is_said_where_the_start_of_the_process_is_not_known() -> None:
    assert events([database(made("a"), made("b"))], (), ServerClock(NOW, 0.0)) == ([], 0)


def test_the_collection_made_last_the_one_most_written_and_the_index_most_used() -> None:
    found = counted(
        [
            database(
                made("old", MADE - DAY, write_operations=9, indexes=[Index(name="_id_", operations=2)]),
                made("new", MADE, write_operations=7, indexes=[Index(name="email_1", operations=12_040)]),
                Collection(name="as_old_as_the_process", write_operations=48_211),
            ),
            database(made("never", None, write_operations=0), name="idle"),
            database(made("sessions", NOW, write_operations=10**6), name="config", system=True),
        ],
        THERE,
    )
    assert [(write.method, write.where, write.at, write.operations) for write in found] == [
        ("collection_made", "lecteurs.new", MADE, None),
        ("write_operations", "lecteurs.as_old_as_the_process", START, 48_211),
        ("index_use", "lecteurs.new.$email_1", MADE, 12_040),
    ]


@pytest.mark.parametrize(
    ("later", "opened", "is_made"),
    [
        (timedelta(seconds=-3), None, False),
        (timedelta(seconds=60), None, False),
        (timedelta(seconds=61), None, True),
        (timedelta(minutes=20), timedelta(minutes=19, seconds=30), False),
        (timedelta(minutes=21), timedelta(minutes=19, seconds=30), True),
        (timedelta(minutes=2), timedelta(seconds=-10), True),
        (timedelta(days=4000), None, False),
    ],
)
def test_what_the_server_opened_late_was_not_made_then(
    later: timedelta, opened: timedelta | None, is_made: bool
) -> None:
    """`opened`: how long after the start of its process it counted for what it had."""
    there = THERE._replace(opened=None if opened is None else START + opened)
    assert there.made_later(START + later) is is_made
