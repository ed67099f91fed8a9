"""What one look tells of the past, over sockets: a server with a story, and one that keeps parts back."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from results.history import of_exposure
from results.verdict import Verdict
from scanner.lab import data
from scanner.lab.estate import find
from scanner.lab.hostile.base import base_profile
from scanner.lab.others import Changed
from scanner.lab.personality import Personality
from scanner.lab.server import LabServer
from scanner.mongo.facts import Depth
from tests.accuracy.asking import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.record import Collection, Observation
    from scanner.lab.wire import ClientMessage, Document

NOW = datetime.now(UTC)  # the story is told in times before it
REFUSED: Document = {"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized on it"}


async def looked_at(server: Personality) -> Observation:
    """One server on a socket, asked at the default depth."""
    async with LabServer(server, "127.97.0.1", 0) as running:
        return (await ask((running.host, running.port), depth=Depth.COLLECTIONS)).record


async def test_the_story_of_a_magazine() -> None:
    record = await looked_at(find("magazine"))
    assert record.exposure is not None
    sentences = of_exposure(record.exposure)
    told = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "(a time)", each) for each in sentences]
    assert told == [
        (
            "READ__ME_TO_RECOVER_YOUR_DATA.README looks like a note and was made on (a time), "
            "6 days after the server started"
        ),
        (
            "all 8 collections of magazine were made on (a time), 6 days after the server started, "
            "within 1 second, as by a restore"
        ),
        "payments.invoices was made on (a time), 6 days after the server started",
        "magazine.sessions: 188,001 write operations since (a time)",
        "index email_1 of magazine.readers served 12,040 operations since (a time)",
    ]
    fields = {(hint.name, hint.field) for hint in record.exposure.hints if hint.field}
    assert fields == {("magazine.readers", "email")}


def _counters(request: ClientMessage) -> bool:
    return request.command == "serverStatus"


def _operations(request: ClientMessage) -> bool:
    return request.command == "top"


def _indexes(request: ClientMessage) -> bool:
    return "$indexStats" in str(request.document)


def _uuids(request: ClientMessage) -> bool:
    return request.command == "listCollections" and not request.document.get("nameOnly")


def _all(request: ClientMessage) -> bool:
    return any(refused(request) for refused in (_counters, _operations, _indexes, _uuids))


@pytest.mark.parametrize(
    ("forbidden", "gap"),
    [
        (
            _counters,
            "counters of the server: 1 not asked or not told (serverStatus by OP_MSG: 13 Unauthorized",
        ),
        (_operations, ""),  # not asked, because each collection tells its own
        (
            _indexes,
            "use of indexes: 2 not asked or not told (aggregate $indexStats by OP_MSG: 13 Unauthorized",
        ),
        (_uuids, "UUIDs of collections: "),
        (_all, "counters of the server: "),
    ],
)
async def test_a_role_that_forbids_a_part_changes_nothing_else(
    forbidden: Callable[[ClientMessage], bool], gap: str
) -> None:
    """The same verdict, severity and inventory, and the record names what was refused."""
    stored = data.StoredDatabase(
        name="lecteurs",
        collections=(
            data.StoredCollection(
                name="readers", count=2000, size=187_780, made=NOW - timedelta(days=2), writes=9
            ),
            data.StoredCollection(name="comments", count=50, size=4000, writes=1),
        ),
    )
    profile = replace(base_profile(), data=data.data_set(stored), up=timedelta(days=9))
    seen = [
        await looked_at(
            Personality(name="x", description="", verdict=Verdict.OPEN, talk=Changed(profile, change).talk)
        )
        for change in (
            lambda _, document: document,
            lambda r, document: REFUSED if forbidden(r) else document,
        )
    ]
    whole, part = seen
    assert (part.verdict, part.severity) == (whole.verdict, whole.severity)
    assert part.evidence == whole.evidence
    # How lately it was written to rests on what is refused, and weighs nothing where nobody told it.
    lacking = [each.code for each in whole.severity_reasons if each not in part.severity_reasons]
    assert lacking in ([], ["written-lately"])
    assert [each for each in part.severity_reasons if each not in whole.severity_reasons] == []
    assert part.exposure is not None
    assert whole.exposure is not None
    assert whole.exposure.truncated == []
    assert [event.code for event in whole.exposure.past] == ["made-after-start"]
    assert not gap or any(each.startswith(gap) for each in part.exposure.truncated)
    for mine, theirs in zip(part.exposure.databases, whole.exposure.databases, strict=True):
        assert _before(mine.collections) == _before(theirs.collections)
        assert structs.replace(mine, collections=[]) == structs.replace(theirs, collections=[])
    assert part.exposure.access == whole.exposure.access == "full"


def _before(collections: list[Collection]) -> list[Collection]:
    """Collections without what their counters and the catalogue tell."""
    return [
        structs.replace(
            each,
            uuid="",
            validator=None,
            made_at=None,
            counted_since=None,
            write_operations=None,
            read_operations=None,
            indexes=[],
        )
        for each in collections
    ]
