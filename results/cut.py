"""Makes an unwritable record writable: mends values that no reader would take, cuts what is too long.

Works on plain dictionaries and lists, so that the record's types stay free of it. Everything that is lost is
named in the record's `truncated`. Servers choose these values: a size of -1, a count of 2**70, a certificate
of 5,000 names: these must cost the evidence they are in, never the line and never the journal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

Node = dict[str, Any]
Finder = Callable[[Node], list[tuple[Node, str]]]
"""Where the lists of one kind stand in a record: each as the object that holds it, and its key there."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_NULLABLE_COUNTS = frozenset(
    {
        *("documents", "size_bytes", "storage_bytes", "index_bytes", "total_size_bytes"),
        *("collection_count", "hint_count", "bits", "max_bson_object_size"),
        *("operations", "write_operations", "read_operations", "insert_operations", "update_operations"),
        *("delete_operations", "query_operations", "copied_operations"),
        *("documents_inserted", "documents_updated", "documents_deleted", "other_connections"),
        *("collections", "after_start_seconds", "transcript_count"),
    }
)
_COUNTS = frozenset(
    {"database_count", "connections", "messages", "bytes_sent", "bytes_received"} | _NULLABLE_COUNTS
)
_TIMES = frozenset(
    ("at", "until", "started_at", "read_at", "made_at", "counted_since", "not_before", "not_after")
)
_OFFSET = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_NOTE = 100  # characters of one
_NOTES = 24  # in all
_OUR_OWN = frozenset(
    {"schema", "event_id", "finding_id", "run_id", "observed_at", "ip"}
    | {"request_sha256", "reply_sha256", "transcript_sha256"}
)
_MAX_INTEGER = 2**63 - 1

# Longest strings kept, first for a record that is only a little too long, last for a hostile one.
_STRING_STEPS = (1024, 256, 64, 16)
# How many entries of a list survive the first pass; the second pass may take them all.
_FLOOR = 4


def mend(record: Node) -> tuple[Node, list[str]]:
    """A copy in which strings, numbers and times are what every JSON reader takes, and what was replaced."""
    notes: dict[str, None] = {}
    return _mend_node(record, "", notes), list(notes)


def _mend_node(value: Any, key: str, notes: dict[str, None]) -> Any:
    if isinstance(value, dict):
        return {_mend_text(k, notes): _mend_node(v, k, notes) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_mend_node(item, key, notes) for item in value]
    if isinstance(value, str):
        return _mend_text(value, notes) if key not in _TIMES else _mend_time(value, notes)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _mend_number(value, key, notes)
    return value


def _mend_text(text: str, notes: dict[str, None]) -> str:
    if _SURROGATE.search(text):
        notes["text: bytes that are not UTF-8 replaced"] = None
        return _SURROGATE.sub("\ufffd", text)
    return text


def _mend_time(text: str, notes: dict[str, None]) -> str:
    if _OFFSET.search(text):
        return text
    notes["times: no offset given, taken as UTC"] = None
    return text + "Z"


def _mend_number(value: int | float, key: str, notes: dict[str, None]) -> int | float | None:
    if isinstance(value, float):
        if not math.isfinite(value):
            notes["numbers: not a number replaced"] = None
            return 0.0 if key == "total_ms" else None
        if key not in _COUNTS:
            return value
        value = int(value)
    if key in _COUNTS and value < 0:
        notes["numbers: negative count replaced"] = None
        return None if key in _NULLABLE_COUNTS else 0
    if abs(value) > _MAX_INTEGER:
        notes["numbers: larger than 64 bits, cut"] = None
        return _MAX_INTEGER if value > 0 else -_MAX_INTEGER
    return value


def shorten(record: Node, encode: Callable[[Node], bytes], limit: int) -> bytes:
    """Cut `record` in place until `encode(record)` has at most `limit` bytes; return those bytes.

    What is too long is cut in a fixed order: over-long strings, then lists from the least to the most
    telling, first down to a floor of four entries each, then strings harder, then the rest of the lists. What
    lines of their own hold besides is no loss, and not named.
    """
    elsewhere = _ELSEWHERE if (record.get("exposure") or {}).get("database_lines") else frozenset()
    original = {label: _held(record, find) for label, find in _LISTS}
    longest_string = _cap_strings(record, _STRING_STEPS[0])
    said = [_plain(note) for note in record.get("truncated", ())[:_NOTES]]
    record["truncated"] = said
    line = b""
    for cut in _cuts(record):
        longest_string = cut() or longest_string
        if _at_least(record, limit) > limit:
            continue  # encoding would be work for nothing, and a server decides how much
        notes = [
            f"{label}: {_held(record, find)} of {original[label]} kept"
            for label, find in _LISTS
            if label not in elsewhere and _held(record, find) < original[label]
        ]
        if longest_string:
            notes.append(f"text: strings cut at {longest_string} characters")
        record["truncated"] = [*notes, *said][:_NOTES]
        line = encode(record)
        if len(line) <= limit:
            break
    return line


def _plain(note: str) -> str:
    return note.encode("ascii", "replace").decode()[:_NOTE]


def _at_least(value: Any, enough: int) -> int:
    """A lower bound of the encoded bytes; stops counting somewhere above `enough`."""
    if isinstance(value, str):
        return len(value) + 2
    if not isinstance(value, dict | list):
        return 1
    total = 2
    for item in value.values() if isinstance(value, dict) else value:
        total += _at_least(item, enough)
        if total > enough:
            break
    return total


def _held(record: Node, find: Finder) -> int:
    return sum(len(owner[key]) for owner, key in find(record))


def _cuts(record: Node) -> Iterator[Callable[[], int]]:
    """Each cut in its order. A cut returns the length at which it cut strings, or 0."""
    yield lambda: 0
    for floor, lengths in ((_FLOOR, _STRING_STEPS[1:3]), (0, _STRING_STEPS[3:])):
        for _, find in _LISTS:
            longest = max((len(owner[key]) for owner, key in find(record)), default=0)
            while longest > floor:
                longest = max(floor, longest // 2)
                yield partial(_cap_lists, record, find, longest)
        for length in lengths:
            yield partial(_cap_strings, record, length)


def _cap_strings(record: Node, length: int) -> int:
    changed = False

    def capped(value: Any, key: str) -> Any:
        nonlocal changed
        if isinstance(value, dict):
            return {(k[:length] if key == "labels" else k): capped(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [capped(item, key) for item in value]
        if isinstance(value, str) and len(value) > length and key not in _OUR_OWN:
            changed = True
            return value[:length]
        return value

    record.update(capped(record, ""))
    return length if changed else 0


def _cap_lists(record: Node, find: Finder, keep: int) -> int:
    for owner, key in find(record):
        entries = owner[key]
        owner[key] = dict(list(entries.items())[:keep]) if isinstance(entries, dict) else entries[:keep]
    return 0


def _at(*path: str) -> Finder:
    """A finder of the one list at `path`, or of none when something on the way is null."""

    def find(record: Node) -> list[tuple[Node, str]]:
        node: Any = record
        for step in path[:-1]:
            node = node.get(step)
            if node is None:
                return []
        return [(node, path[-1])] if node.get(path[-1]) else []

    return find


def _of_collections(key: str) -> Finder:
    """A finder of lists inside each collection of the one database of a line."""

    def find(record: Node) -> list[tuple[Node, str]]:
        owners = (record.get("database") or {}).get("collections", ())
        return [(owner, key) for owner in owners if owner.get(key)]

    return find


# Least telling first. No list of one schema stands in another.
_LISTS: tuple[tuple[str, Finder], ...] = (
    ("exposure.hints", _at("exposure", "hints")),
    ("exposure.activity", _at("exposure", "activity")),
    ("exposure.past", _at("exposure", "past")),
    ("confirmation.databases", _at("confirmation", "databases")),
    ("target.tls.certificate.names", _at("target", "tls", "certificate", "names")),
    ("collections.shards", _of_collections("shards")),
    ("collections.indexes", _of_collections("indexes")),
    ("hints", _at("hints")),
    ("database.shards", _at("database", "shards")),
    ("database.gridfs", _at("database", "gridfs")),
    ("collections.notes", _of_collections("notes")),
    ("database.notes", _at("database", "notes")),
    ("database.collections", _at("database", "collections")),
    ("exposure.databases", _at("exposure", "databases")),
    ("server.build.storage_engines", _at("server", "build", "storage_engines")),
    ("server.compressors", _at("server", "compressors")),
    ("server.arbiters", _at("server", "arbiters")),
    ("server.passives", _at("server", "passives")),
    ("server.hosts", _at("server", "hosts")),
    ("server.modules", _at("server", "modules")),
    ("server.product_evidence", _at("server", "product_evidence")),
    ("server.vulnerabilities.possible", _at("server", "vulnerabilities", "possible")),
    ("server.vulnerabilities.check_vendor", _at("server", "vulnerabilities", "check_vendor")),
    ("server.vulnerabilities.version_in_range", _at("server", "vulnerabilities", "version_in_range")),
    ("server.vulnerabilities.known_exploited", _at("server", "vulnerabilities", "known_exploited")),
    ("target.hostnames", _at("target", "hostnames")),
    ("owner.labels", _at("owner", "labels")),
    ("transcript", _at("transcript")),
    ("exposure.truncated", _at("exposure", "truncated")),
    ("evidence", _at("evidence")),
    ("severity_reasons", _at("severity_reasons")),
    ("exposure.ransom.reasons", _at("exposure", "ransom", "reasons")),
    ("exposure.ransom.names", _at("exposure", "ransom", "names")),
)
_ELSEWHERE = frozenset({"exposure.hints", "exposure.databases"})
