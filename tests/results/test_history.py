"""What one look tells of the past, in sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from results.history import of_collection, of_exposure, sentence
from results.past import Counters, Index, Past
from results.record import Collection, Exposure, LastWrite, Server

START = datetime(2026, 2, 14, 13, 0, 5, tzinfo=UTC)
MADE = datetime(2026, 2, 20, 14, 2, 11, 250_000, tzinfo=UTC)
LOOK = datetime(2026, 2, 25, 9, 0, tzinfo=UTC)
SERVER = Server(product="mongodb", started_at=START, counters=Counters(read_at=LOOK))


def exposure(**parts: Any) -> Exposure:
    return Exposure(access="full", database_count=2, **parts)


def test_the_magazine_in_four_sentences() -> None:
    after = int((MADE - START).total_seconds())
    told = of_exposure(
        exposure(
            past=[
                Past(
                    code="note-left",
                    where="READ_ME.README",
                    at=MADE - timedelta(minutes=5),
                    collections=1,
                    after_start_seconds=after - 300,
                ),
                Past(
                    code="restored",
                    where="lecteurs",
                    at=MADE,
                    until=MADE + timedelta(seconds=4),
                    collections=7,
                    after_start_seconds=after,
                ),
            ],
            last_write=LastWrite(at=MADE, method="collection_made", where="lecteurs.readers"),
            activity=[
                LastWrite(at=MADE, method="write_operations", where="lecteurs.readers", operations=48_211),
                LastWrite(at=MADE, method="index_use", where="lecteurs.readers.$email_1", operations=12_040),
                LastWrite(at=MADE, method="newest_object_id", where="lecteurs.readers"),
            ],
        )
    )
    assert told == [
        (
            "READ_ME.README looks like a note and was made on 2026-02-20 13:57:11 UTC, "
            "6 days after the server started"
        ),
        (
            "all 7 collections of lecteurs were made on 2026-02-20 14:02:11 UTC, "
            "6 days after the server started, "
            "within 4 seconds, as by a restore"
        ),
        "lecteurs.readers: 48,211 write operations since 2026-02-20 14:02:11 UTC",
        "index email_1 of lecteurs.readers served 12,040 operations since 2026-02-20 14:02:11 UTC",
    ]


@pytest.mark.parametrize(
    ("collections", "until", "expected"),
    [
        (1, None, "db.c was made on 2026-02-20 14:02:11 UTC"),
        (3, timedelta(hours=5), "3 collections of db.c were made on 2026-02-20 14:02:11 UTC, within 5 hours"),
        (
            2,
            timedelta(milliseconds=7),
            "2 collections of db.c were made on 2026-02-20 14:02:11 UTC, within 1 second",
        ),
    ],
)
def test_some_collections_made(collections: int, until: timedelta | None, expected: str) -> None:
    event = Past(
        code="made-after-start",
        where="db.c",
        at=MADE,
        until=None if until is None else MADE + until,
        collections=collections,
    )
    assert sentence(event) == expected


def test_a_code_of_a_newer_version_stands_for_itself() -> None:
    event = Past(code="from-the-future", where="db", at=MADE)
    assert sentence(event) == "from-the-future: db on 2026-02-20 14:02:11 UTC"


def test_names_are_escaped() -> None:
    event = Past(code="note-left", where="a\x1b[2J.b", at=MADE)
    assert "\x1b" not in sentence(event)
    found = Collection(name="c\n\x07", made_at=MADE, indexes=[Index(name="i\x1b_1", operations=3)])
    assert not set(of_collection(found, SERVER)) & set("\n\x07\x1b")


@pytest.mark.parametrize(
    ("found", "server", "expected"),
    [
        (Collection(name="c"), SERVER, ""),
        (Collection(name="c", write_operations=9), None, ""),
        (
            Collection(name="c", counted_since=MADE, made_at=MADE, write_operations=48_211),
            SERVER,
            (
                "c was made on 2026-02-20 14:02:11 UTC, 6 days after the server started; "
                "48,211 write operations counted since then"
            ),
        ),
        (
            Collection(name="c", write_operations=0),
            SERVER,
            "c: no write operations counted since 2026-02-14 13:00:05 UTC",
        ),
        (
            Collection(name="c", counted_since=LOOK - timedelta(minutes=2), write_operations=0),
            SERVER,
            (
                "c: no write operations counted since 2026-02-25 08:58:00 UTC, which proves nothing: "
                "it began 2 minutes before the look"
            ),
        ),
        (
            Collection(name="c", counted_since=LOOK - timedelta(minutes=2), write_operations=1),
            SERVER,
            "c: 1 write operation counted since 2026-02-25 08:58:00 UTC",
        ),
        (
            Collection(name="c", write_operations=0),
            Server(product="mongodb", started_at=START, set_name="rs0"),
            (
                "c: no write operations counted since 2026-02-14 13:00:05 UTC, what it copied from "
                "another member of its set left out"
            ),
        ),
        (
            Collection(
                name="c",
                indexes=[Index(name=f"i{number}", operations=number) for number in (0, 1, 2, 3, 4)],
            ),
            SERVER,
            "c: index i4 served 4 operations; index i3 served 3 operations; index i2 served 2 operations",
        ),
    ],
)
def test_one_collection(found: Collection, server: Server | None, expected: str) -> None:
    assert of_collection(found, server) == expected
