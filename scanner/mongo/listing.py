"""Long answers made short: what stays of a list of databases, and of an answer that is kept for its success.

A legal list may hold 133,000 names. Decoded at once it takes fifty megabytes, and the record has room for ten
thousand of them. So a long one is decoded a slice at a time, and what the record cannot hold is dropped.
"""

from __future__ import annotations

from struct import Struct
from sys import getsizeof
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.mongo.bson_check import BsonError, check, decode_checked, decode_weighed, doubled, elements
from scanner.mongo.values import sub

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scanner.mongo.facts import Document, Facts, Reply

LONG: Final = 64 * 1024  # bytes of an answer; a shorter one is decoded at once
SLICE: Final = 1000  # entries that are decoded together
ENTRY_BYTES: Final = 220  # of memory that an entry takes besides its name
PLAN_BYTES: Final = 40_000  # of memory: an inventory of nothing, and the first questions about it
PLAN_ENTRY_BYTES: Final = 600
SAMPLE: Final = 100  # entries kept of a long batch or list of which nobody needs more than that it was given
LONG_LIST: Final = 1000  # entries
SYSTEM_DATABASES: Final = frozenset({"admin", "config", "local"})

_INT32: Final = Struct("<i")
_FIELDS: Final = ("name", "sizeOnDisk", "empty")
_ARRAY: Final = 4
_EMBEDDED: Final = 3


class Listing(NamedTuple):
    """The answer to listDatabases, and how many databases it names; 0 where `document` has all of them.

    `weight` is how many bytes of memory the document takes at most.
    """

    document: Document
    weight: int
    listed: int = 0


def read_listing(data: bytes, kept: int) -> Listing:
    """The answer to listDatabases with at most `kept` entries.

    Of a long one the first in the order of `by_name` are kept, with the fields that are read. A list in
    which an entry is no document with a name keeps that entry alone, so that nobody takes it for a list.

    Raises:
        BsonError: as `decode`.
    """
    place = _long_list(data)
    if place is None:
        return Listing(*decode_weighed(data, names=True))
    before, start, end = place
    rest = data[4:before] + data[end:]
    document = decode_checked(_INT32.pack(4 + len(rest)) + rest, names=True)
    entries: dict[str, Document] = {}
    told, dropped = 0, False
    last = ""  # the last name that has a place, once all places are taken
    for entry in _entries(data, start + 4, end - 1):
        if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str):
            document["databases"] = [entry]
            return Listing(document, len(data))
        told += 1
        if (last and name > last) or name in entries:
            continue
        entries[name] = {key: entry[key] for key in _FIELDS if key in entry}
        if len(entries) >= 2 * kept + SLICE:
            entries = _first(entries, kept)
            dropped, last = True, next(reversed(entries))
            last = "" if _own(last) else last
    dropped = dropped or len(entries) > kept
    entries = _first(entries, kept)
    document["databases"] = list(entries.values())
    weight = len(rest) + sum(map(getsizeof, entries)) + ENTRY_BYTES * len(entries)
    return Listing(document, weight, told if dropped else 0)


def by_name(names: Iterable[str]) -> list[str]:
    """By name, the server's own last."""
    own: list[str] = []
    others: list[str] = []
    for name in names:
        (own if _own(name) else others).append(name)
    return [*sorted(others), *sorted(own)]


def _own(name: str) -> bool:
    return name in SYSTEM_DATABASES or name.startswith("system.")


def cut_batch(reply: Reply) -> None:
    """Keep the beginning of a cursor's long batch, where nobody wants more of it than that it was given."""
    if not reply.document or "cursor" not in reply.document:
        return
    for key in ("firstBatch", "nextBatch"):
        batch = sub(reply.document, "cursor", key)
        if isinstance(batch, list) and len(batch) > LONG_LIST:
            reply.weight = SAMPLE * reply.weight // len(batch)
            del batch[SAMPLE:]


def plan_size(facts: Facts) -> int:
    """Bytes of memory that an inventory will take when it begins, about."""
    found = sub(facts.list_databases.document, "databases") if facts.list_databases is not None else None
    return PLAN_BYTES + PLAN_ENTRY_BYTES * (len(found) if isinstance(found, list) else 0)


def cut_listings(facts: Facts) -> None:
    """Keep the beginning of long lists of databases, once all their names are in the inventory."""
    for reply in (facts.list_databases, facts.confirm_list):
        found = sub(reply.document, "databases") if reply is not None else None
        if reply is not None and isinstance(found, list) and len(found) > LONG_LIST:
            reply.listed = max(reply.listed, len(found))
            reply.weight = SAMPLE * reply.weight // len(found)
            del found[SAMPLE:]


def _first(entries: dict[str, Document], kept: int) -> dict[str, Document]:
    if len(entries) <= kept:
        return entries
    return {name: entries[name] for name in by_name(entries)[:kept]}


def _long_list(data: bytes) -> tuple[int, int, int] | None:
    """Where the element, the array and its end are, if this answer holds a list and is long."""
    if len(data) <= LONG:
        return None
    check(data)
    if twice := doubled(data):
        raise BsonError(f"{twice} stands twice in the reply")
    for kind, key, begin, start, end in elements(data):
        if key == b"databases" and kind == _ARRAY:
            return begin, start, end
    return None


def _entries(data: bytes, at: int, limit: int) -> Iterator[object]:
    """The elements of a checked array; of one that holds anything but documents, only that."""
    start, count = at, 0
    while at < limit:
        if data[at] != _EMBEDDED:
            yield None
            return
        at = data.index(0, at + 1) + 1
        at += _INT32.unpack_from(data, at)[0]
        count += 1
        if count == SLICE:
            yield from _decoded(data[start:at])
            start, count = at, 0
    yield from _decoded(data[start:at])


def _decoded(slice_: bytes) -> list[object]:
    """Elements of an array, as one."""
    inner = len(slice_) + 5
    array = b"\x04\x00" + _INT32.pack(inner) + slice_ + b"\x00"
    whole: list[object] = decode_checked(_INT32.pack(5 + len(array)) + array + b"\x00", names=True)[""]
    return whole
