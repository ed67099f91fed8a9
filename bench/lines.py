"""What a run left in its journal: how long its lines are, and which names stand in them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FURTHER = b'"mongosweep.database/'  # in a line that goes on with a server of a line before it


@dataclass(frozen=True)
class Lines:
    """All lines of one run. `collections`: of the server of which the fewest stand there; -1: not counted."""

    servers: int
    lines: int
    size: int  # bytes, newlines among them
    largest: int
    largest_first: int  # of the lines that have a server's verdict
    collections: int

    @property
    def size_of_server(self) -> float:
        """Bytes that one server takes, in all its lines."""
        return self.size / max(1, self.servers)

    @property
    def of_server(self) -> float:
        """Lines a server."""
        return self.lines / max(1, self.servers)


def read(runs: Path, *, names: bool) -> Lines:
    """The only run below `runs`; `names`: count the names of collections as well."""
    lines = size = largest = first = servers = 0
    seen: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for path in sorted(runs.glob("*/observations-*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                lines, size, largest = lines + 1, size + len(line), max(largest, len(line))
                if _FURTHER not in line:
                    servers, first = servers + 1, max(first, len(line))
                if names:
                    record = json.loads(line)
                    seen[record["event_id"]].update(_collections(record, ""))
    fewest = min(map(len, seen.values()), default=0) if names else -1
    return Lines(servers, lines, size, largest, first, fewest)


def _collections(part: Any, database: str) -> Iterator[tuple[str, str]]:
    """Database and collection, wherever they stand: `collections` lies beside its database's name."""
    if isinstance(part, list):
        for item in part:
            yield from _collections(item, database)
    elif isinstance(part, dict):
        own = next((part[key] for key in ("name", "database") if isinstance(part.get(key), str)), database)
        for key, value in part.items():
            if key == "collections" and isinstance(value, list):
                yield from ((own, entry["name"]) for entry in value)
            else:
                yield from _collections(value, own)
