"""What the bench counts in a journal, whether a server takes one line there or several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.lines import read

if TYPE_CHECKING:
    from pathlib import Path


def journal(runs: Path, *records: dict[str, Any]) -> list[int]:
    """A run of two segments with these lines; how long each is."""
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    (runs / "one").mkdir(parents=True)
    (runs / "one" / "observations-0001.jsonl").write_bytes(lines[0])
    (runs / "one" / "observations-0002.jsonl").write_bytes(b"".join(lines[1:]))
    return list(map(len, lines))


def collections(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "type": "collection"} for name in names]


def test_collections_that_stand_in_a_server_s_own_line(tmp_path: Path) -> None:
    databases = [
        {"name": "shop", "collections": collections("orders", "users")},
        {"name": "crm", "collections": collections("users")},
    ]
    sizes = journal(
        tmp_path,
        {"schema": "mongosweep.observation/1", "event_id": "a", "exposure": {"databases": databases}},
        {"schema": "mongosweep.observation/1", "event_id": "b", "exposure": {"databases": databases[:1]}},
    )
    found = read(tmp_path, names=True)
    assert (found.servers, found.lines, found.collections) == (2, 2, 2)
    assert found.size == sum(sizes)
    assert found.largest == found.largest_first == max(sizes)
    assert read(tmp_path, names=False).collections == -1


def test_collections_that_follow_in_lines_of_their_own(tmp_path: Path) -> None:
    further = {"schema": "mongosweep.database/1", "event_id": "a"}
    sizes = journal(
        tmp_path,
        {
            "schema": "mongosweep.observation/1",
            "event_id": "a",
            "exposure": {"databases": [{"name": "shop"}]},
        },
        {**further, "database": "shop", "collections": collections("orders", "users", "orders_archive")},
        {**further, "database": {"name": "crm", "collections": collections("users")}},
    )
    found = read(tmp_path, names=True)
    assert (found.servers, found.lines, found.collections) == (1, 3, 4)
    assert (found.largest, found.largest_first) == (max(sizes), sizes[0])
    assert (found.size_of_server, found.of_server) == (sum(sizes), 3)
