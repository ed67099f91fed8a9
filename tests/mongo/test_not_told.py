"""Replies that hold no answer: they say nothing of data, lower no severity, and are always marked."""

from __future__ import annotations

from typing import Any

import pytest

from results.verdict import Severity, Verdict
from scanner.mongo.facts import Depth
from tests.mongo.answering import LISTED, PART, STATS, Doc, ask, cursor, failure, honest
from tests.support.reasons import written

OK: Doc = {"ok": 1.0}
NAN = float("nan")


def test_the_honest_server_tells_all() -> None:
    seen = ask(honest())
    assert (seen.verdict, seen.severity) == (Verdict.OPEN, Severity.HIGH)
    assert (seen.database.documents, seen.database.size_bytes) == (70, 81920)
    assert seen.database.collections_known
    assert seen.exposure.truncated == []
    assert seen.exposure.access == "full"


@pytest.mark.parametrize("loose", [OK, {"cursor": {}, "ok": 1}, {"cursor": 7, "ok": 1}, {"n": "70", "ok": 1}])
def test_a_server_that_says_ok_to_everything_has_not_told_that_it_is_empty(loose: Doc) -> None:
    seen = ask(honest(dbStats=loose, listCollections=loose, aggregate=loose, collStats=loose, count=loose))
    assert (seen.verdict, seen.severity) == (Verdict.OPEN, Severity.HIGH)
    assert (seen.database.documents, seen.database.collections_known) == (None, False)
    assert seen.exposure.documents is None
    assert "not told: counts of databases" in written(seen.database.notes)
    assert "not told: names of collections" in written(seen.database.notes)
    assert "databases with a note about what is missing: 1" in seen.exposure.truncated
    assert seen.exposure.access == "not_told"


@pytest.mark.parametrize(
    "names",
    [
        OK,
        {"cursor": [], "ok": 1.0},
        {"cursor": {"id": 0, "ns": "library.$cmd.listCollections"}, "ok": 1.0},
        {"cursor": {"id": 0, "firstBatch": {}}, "ok": 1.0},
        {"cursor": {"id": 0, "firstBatch": "shelves"}, "ok": 1.0},
        cursor(1, 2),
        cursor({"title": "shelves"}),
        cursor(),
    ],
)
def test_names_that_did_not_come(names: Doc) -> None:
    seen = ask(honest(listCollections=names))
    assert not seen.database.collections_known
    assert "not told: names of collections" in written(seen.database.notes)
    assert seen.database.documents == 70


@pytest.mark.parametrize("objects", [None, -1, NAN, "70", True, {}])
def test_counts_that_are_none(objects: Any) -> None:
    stats = {key: value for key, value in STATS.items() if key != "objects"}
    given = stats if objects is None else stats | {"objects": objects}
    seen = ask(honest(dbStats=given, listCollections=OK))
    assert seen.database.documents is None
    assert "not told: counts of databases" in written(seen.database.notes)
    counted = ask(honest(dbStats=given))
    assert counted.database.documents == 70, "the collections were counted one by one"


@pytest.mark.parametrize(
    "changes",
    [
        {"dbStats": STATS | {"objects": 0, "collections": 0}, "listCollections": cursor()},
        {"dbStats": {"objects": 0, "ok": 1.0}, "listCollections": OK},
        {"dbStats": OK, "listCollections": cursor()},
        {"dbStats": STATS | {"objects": 0}, "listCollections": failure(13)},
    ],
)
def test_not_empty_without_any_collection_is_a_contradiction(changes: dict[str, Doc]) -> None:
    seen = ask(honest(**changes))
    if changes["dbStats"].get("collections") != 1:
        assert seen.database.documents is None
        assert seen.severity is Severity.HIGH
    assert not seen.database.collections_known
    assert "not told" in written(seen.database.notes)


def test_two_answers_that_nothing_is_there_make_an_empty_database() -> None:
    listed = LISTED | {"databases": [{"name": "library", "empty": True, "sizeOnDisk": 0}]}
    empty = ask(honest(listDatabases=listed))
    assert (empty.database.documents, empty.severity) == (0, Severity.MEDIUM)
    emptied = ask(
        honest(
            dbStats=STATS | {"objects": 0},
            aggregate=lambda asked: cursor(*([{"count": 0}] if "$collStats" in str(asked.documents) else [])),
        )
    )
    assert (emptied.database.documents, emptied.severity) == (0, Severity.MEDIUM)


def test_a_database_of_mmapv1_keeps_its_files_when_nothing_is_left() -> None:
    stats = {"collections": 0, "objects": 0, "fileSize": 83886080, "nsSizeMB": 16, "ok": 1.0}
    seen = ask(honest(dbStats=stats, listCollections=cursor()))
    assert seen.database.documents == 0


def test_said_to_be_empty_with_files_is_asked_all_the_same() -> None:
    listed = LISTED | {"databases": [{"name": "library", "empty": True, "sizeOnDisk": 81920}]}
    seen = ask(honest(listDatabases=listed))
    assert (seen.database.documents, seen.database.empty) == (70, None)
    assert seen.severity is Severity.HIGH


@pytest.mark.parametrize("size", [0, 0.0, -4096, "81920", NAN, None, True])
def test_a_size_that_is_none_comes_from_the_statistics_or_is_null(size: Any) -> None:
    entry: Doc = {"name": "library", "sizeOnDisk": size, "empty": False}
    listed: Doc = {"databases": [entry], "ok": 1.0}
    told = ask(honest(listDatabases=listed, dbStats=STATS | {"totalSize": 1_990_000_000.0}))
    assert told.database.size_bytes == told.exposure.total_size_bytes == 1_990_000_000
    untold = ask(honest(listDatabases=listed, dbStats=failure(59)))
    assert untold.database.size_bytes is None
    assert untold.exposure.total_size_bytes is None
    zero = ask(honest(listDatabases=listed, dbStats=STATS | {"storageSize": 0, "indexSize": 0}))
    assert zero.database.size_bytes is None
    summed = ask(honest(listDatabases=listed | {"totalSize": 12_345_678}, dbStats=failure(59)))
    assert (summed.database.size_bytes, summed.exposure.total_size_bytes) == (None, 12_345_678)


@pytest.mark.parametrize(
    "statistics",
    [
        failure(2, "unsupported pipeline stage: $collStats"),
        failure(1),
        OK,
        cursor(),
        cursor(PART | {"count": -1, "storageStats": {"size": 7000}}),
        cursor({"storageStats": {}}),
        {"cursor": {"firstBatch": {}}, "ok": 1.0},
    ],
)
def test_statistics_without_a_count_are_counted_otherwise(statistics: Doc) -> None:
    seen = ask(honest(aggregate=statistics, collStats=failure(59), dbStats=OK))
    (shelves,) = seen.database.collections
    assert shelves.documents == seen.database.documents == 70
    assert "count by OP_MSG" in seen.peer.commands()
    none = ask(honest(aggregate=statistics, collStats=failure(59), count=OK))
    (shelves,) = none.database.collections
    assert shelves.documents is None
    assert "not told: statistics of collections" in written(shelves.notes)
    assert "collections that did not tell all: 1" in none.exposure.truncated


@pytest.mark.parametrize("ids", [OK, {"cursor": 1, "ok": 1.0}, cursor({"t": "yesterday"})])
def test_an_id_that_did_not_come_is_not_the_absence_of_ids(ids: Doc) -> None:
    seen = ask(honest(aggregate=lambda asked: cursor(PART) if "$collStats" in str(asked.documents) else ids))
    (shelves,) = seen.database.collections
    assert "not told: newest ids" in written(shelves.notes)
    assert shelves.last_write is None


def test_some_questions_refused_is_partial_access() -> None:
    seen = ask(honest(dbStats=failure(13, "not authorized"), listCollections=failure(13, "not authorized")))
    assert (seen.verdict, seen.severity) == (Verdict.OPEN, Severity.HIGH)
    assert (seen.exposure.access, seen.exposure.answered) == ("partial", ["listDatabases"])
    assert seen.exposure.refused == ["dbStats", "listCollections"]
    assert "open in part" in written(seen.reasons)
    quick = ask(honest(), depth=Depth.VERDICT)
    assert (quick.exposure.access, quick.exposure.refused) == ("not_told", [])
