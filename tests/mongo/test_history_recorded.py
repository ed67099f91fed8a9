"""One server looked at nine times: what each look tells of the time before it, in the server's own bytes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from results.history import of_collection, of_exposure
from scanner.mongo.commands import Command
from tests.support.looked import LOOKS, NOTE, at, looked


@pytest.mark.parametrize("look", LOOKS)
def test_a_process_that_began_just_now_dates_nothing(look: str) -> None:
    """`since` lies within seconds of the start, so no collection was made later, as far as can be told."""
    seen = looked(look)
    assert all(found.made_at is None for found in seen.collections.values())
    assert seen.exposure.past == []
    assert "collection_made" not in {write.method for write in seen.exposure.activity}


def test_the_start_of_the_process_is_told_to_the_millisecond() -> None:
    starts = [looked(look).server.started_at for look in LOOKS]
    assert starts[0] == at(38.301)
    assert all(abs((start or at(0)) - at(38.301)) < timedelta(milliseconds=5) for start in starts[:3])
    assert all(abs((start or at(0)) - at(42.878)) < timedelta(milliseconds=5) for start in starts[3:])


def test_the_servers_counters_begin_again_with_its_process() -> None:
    told = [looked(look).server.counters for look in LOOKS]
    documents = [(c.documents_inserted, c.documents_updated, c.documents_deleted) for c in told if c]
    assert documents == [
        *[(2095, 0, 0), (2095, 0, 0), (2215, 2, 2), (0, 0, 0), (1, 0, 0)],
        *[(2096, 0, 0), (2146, 0, 0), (2146, 0, 0), (2146, 0, 0)],
    ]
    assert [c.insert_operations for c in told if c] == [2095, 2095, 2215, 0, 1, 2096, 2146, 2146, 2146]
    assert {c.other_connections for c in told if c} == {1}
    assert told[0] is not None
    assert told[0].read_at == at(38.524)


def test_a_collection_keeps_its_uuid_until_it_is_made_anew() -> None:
    def uuids(name: str) -> list[str]:
        return [looked(look).collections[name].uuid[:6] for look in LOOKS if name in looked(look).collections]

    assert uuids("lecteurs.readers") == [*["d55445"] * 4, *["f7ffdc"] * 2]
    assert uuids("lecteurs.members") == ["f7ffdc"] * 2
    assert uuids("lecteurs.comments") == [*["21eb96"] * 4, "ae6578", *["7d00a6"] * 3]
    assert uuids("lecteurs.v_readers") == [""] * 8
    assert looked("1_loaded").collections["lecteurs.readers"].uuid == "d55445e9-7874-4da7-a085-b1b83229a4f0"


@pytest.mark.parametrize(
    ("look", "since", "writes", "reads", "served"),
    [
        ("1_loaded", 38.318, 4, 1, {"_id_": 1, "email_1": 0}),
        ("2_nothing_done", 38.318, 4, 2, {"_id_": 2, "email_1": 0}),
        ("3_written", 38.318, 7, 3, {"_id_": 3, "email_1": 0}),
        ("4_restarted", 42.870, 0, 1, {"_id_": 1, "email_1": 0}),
        ("6_restored", 44.113, 4, 2, {"_id_": 1, "email_1": 0}),
        ("7_one_recreated", 44.113, 4, 3, {"_id_": 2, "email_1": 0}),
    ],
)
def test_what_is_counted_of_a_collection(
    look: str, since: float, writes: int, reads: int, served: dict[str, int]
) -> None:
    readers = looked(look).collections["lecteurs.readers"]
    assert readers.counted_since == at(since)
    assert (readers.write_operations, readers.read_operations) == (writes, reads)
    assert {index.name: index.operations for index in readers.indexes} == served
    assert {index.name: index.fields for index in readers.indexes} == {"_id_": ["_id"], "email_1": ["email"]}
    assert readers.documents in (2000, 2118)


def test_a_collection_that_no_list_of_operations_names_was_not_used() -> None:
    """After the restart only what was asked for stands in `top`."""
    collections = looked("4_restarted").collections
    assert collections["lecteurs.comments"].write_operations == 0
    assert collections["lecteurs.v_readers"].write_operations is None


@pytest.mark.parametrize(
    ("look", "made", "after"), [("1_loaded", 38.318, 518_400), ("6_restored", 44.113, 518_401)]
)
def test_on_a_process_that_is_six_days_old_the_same_bytes_date_the_collection(
    look: str, made: float, after: int
) -> None:
    seen = looked(look, days=6)
    readers = seen.collections["lecteurs.readers"]
    assert readers.made_at == readers.counted_since == at(made)
    (event,) = seen.exposure.past
    assert (event.code, event.where, event.at, event.collections) == (
        "made-after-start",
        "lecteurs.readers",
        at(made),
        1,
    )
    assert event.after_start_seconds == after
    methods = {write.method: write for write in [*seen.exposure.activity, seen.exposure.last_write] if write}
    assert methods["collection_made"].at == at(made)
    assert methods["write_operations"].operations == 4
    assert (methods["write_operations"].where, methods["write_operations"].at) == (
        "lecteurs.readers",
        at(made),
    )


TOLD = ("lecteurs.readers", "lecteurs.members", "lecteurs.comments", f"{NOTE}.README")
STORY = {
    "1_loaded": """
        lecteurs.readers: 4 write operations since 2026-11-28 17:00:38 UTC
        index _id_ of lecteurs.readers served 1 operation since 2026-11-28 17:00:38 UTC
        - readers: 4 write operations counted since 2026-11-28 17:00:38 UTC; index _id_ served 1 operation
        - comments: 1 write operation counted since 2026-11-28 17:00:38 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:38 UTC
        """,
    "2_nothing_done": """
        lecteurs.readers: 4 write operations since 2026-11-28 17:00:38 UTC
        index _id_ of lecteurs.readers served 2 operations since 2026-11-28 17:00:38 UTC
        - readers: 4 write operations counted since 2026-11-28 17:00:38 UTC; index _id_ served 2 operations
        - comments: 1 write operation counted since 2026-11-28 17:00:38 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:38 UTC
        """,
    "3_written": """
        lecteurs.readers: 7 write operations since 2026-11-28 17:00:38 UTC
        index _id_ of lecteurs.readers served 3 operations since 2026-11-28 17:00:38 UTC
        - readers: 7 write operations counted since 2026-11-28 17:00:38 UTC; index _id_ served 3 operations
        - comments: 1 write operation counted since 2026-11-28 17:00:38 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:38 UTC
        """,
    "4_restarted": """
        index _id_ of lecteurs.readers served 1 operation since 2026-11-28 17:00:42 UTC
        - readers: no write operations counted since 2026-11-28 17:00:42 UTC, \
which proves nothing: it began 1 second before the look; index _id_ served 1 operation
        - comments: no write operations counted since 2026-11-28 17:00:42 UTC, \
which proves nothing: it began 1 second before the look
        - README: no write operations counted since 2026-11-28 17:00:42 UTC, \
which proves nothing: it began 1 second before the look
        """,
    "5_wiped": f"""
        {NOTE}.README: 1 write operation since 2026-11-28 17:00:42 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:42 UTC
        """,
    "6_restored": """
        lecteurs.readers: 4 write operations since 2026-11-28 17:00:44 UTC
        index _id_ of lecteurs.readers served 1 operation since 2026-11-28 17:00:44 UTC
        - readers: 4 write operations counted since 2026-11-28 17:00:44 UTC; index _id_ served 1 operation
        - comments: 1 write operation counted since 2026-11-28 17:00:42 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:42 UTC
        """,
    "7_one_recreated": """
        lecteurs.readers: 4 write operations since 2026-11-28 17:00:44 UTC
        index _id_ of lecteurs.readers served 2 operations since 2026-11-28 17:00:44 UTC
        - readers: 4 write operations counted since 2026-11-28 17:00:44 UTC; index _id_ served 2 operations
        - comments: 1 write operation counted since 2026-11-28 17:00:42 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:42 UTC
        """,
    "8_renamed": f"""
        {NOTE}.README: 1 write operation since 2026-11-28 17:00:42 UTC
        - members: no write operations counted since 2026-11-28 17:00:42 UTC, \
which proves nothing: it began 2 seconds before the look
        - comments: 1 write operation counted since 2026-11-28 17:00:42 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:42 UTC
        """,
    "9_compacted": f"""
        {NOTE}.README: 1 write operation since 2026-11-28 17:00:42 UTC
        - members: no write operations counted since 2026-11-28 17:00:42 UTC, \
which proves nothing: it began 3 seconds before the look
        - comments: 1 write operation counted since 2026-11-28 17:00:42 UTC
        - README: 1 write operation counted since 2026-11-28 17:00:42 UTC
        """,
}
"""Where the collection's indexes were not asked in the recording, it is counted since the process started."""


@pytest.mark.parametrize("look", LOOKS)
def test_the_story_in_sentences(look: str) -> None:
    seen = looked(look)
    told = [seen.collections[name] for name in TOLD if name in seen.collections]
    sentences = [*of_exposure(seen.exposure), *(f"- {of_collection(each, seen.server)}" for each in told)]
    assert sentences == [line.strip() for line in STORY[look].strip().splitlines()]


def test_the_story_of_a_restore_on_a_process_that_is_six_days_old() -> None:
    seen = looked("6_restored", days=6)
    assert of_exposure(seen.exposure)[0] == (
        "lecteurs.readers was made on 2026-11-28 17:00:44 UTC, 6 days after the server started"
    )
    assert of_collection(seen.collections["lecteurs.readers"], seen.server) == (
        "readers was made on 2026-11-28 17:00:44 UTC, 6 days after the server started; "
        "4 write operations counted since then; index _id_ served 1 operation"
    )


def test_fields_with_an_index_hint_at_what_is_held() -> None:
    hints = looked("1_loaded").exposure.hints
    assert [(hint.name, hint.field) for hint in hints if hint.field] == [("lecteurs.readers", "email")]


def test_every_question_about_indexes_comes_before_the_newest_id_which_uses_one() -> None:
    """So that nothing of this look is in what is counted."""
    asked = [request for request in looked("1_loaded").asked if request.collection == "readers"]
    order = [request.command for request in asked]
    assert order.index(Command.INDEX_STATS) < order.index(Command.NEWEST_DATE)
    assert order.count(Command.INDEX_STATS) == 1
    commands = [request.command for request in looked("1_loaded").asked]
    assert commands.count(Command.SERVER_STATUS) == commands.count(Command.TOP) == 1
    views = [request for request in looked("1_loaded").asked if request.collection == "v_readers"]
    assert views == []
