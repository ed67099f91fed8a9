"""Recorded dialogues of real MongoDB servers, in tests/recordings: the loader and its row type."""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "recordings"
VERSIONS = ("2.6.0-rc1", "4.0.3", "7.1.0")
FAMILIES = frozenset({"query", "msg", "pref", "legacy", "page", "raw", "query_flags0", "idle", "profile"})


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded exchange. `node` says which server, or from where; `family/name` says what was sent."""

    node: str
    family: str
    name: str
    request: bytes
    reply: bytes
    end: str  # reply, closed, reset, timeout, refused (…), no handshake
    after: str | None
    tls: dict[str, Any] = field(default_factory=dict)


def scenarios() -> list[tuple[str, str]]:
    """Every (version, scenario) that there is."""
    return [
        (path.parent.name, path.name.removesuffix(".jsonl.xz"))
        for path in sorted(FOLDER.glob("*/*.jsonl.xz"))
    ]


@cache
def load(version: str, scenario: str) -> tuple[Step, ...]:
    """The steps of one recording, in the order in which they were made."""
    with lzma.open(FOLDER / version / f"{scenario}.jsonl.xz", "rt", encoding="utf-8") as lines:
        return tuple(_step(json.loads(line)) for line in lines)


def _step(row: dict[str, Any]) -> Step:
    parts = row["step"].split("/")
    cut = next((i for i, part in enumerate(parts) if part in FAMILIES), len(parts))
    return Step(
        node="/".join(parts[:cut]),
        family=parts[cut] if cut < len(parts) else "",
        name="/".join(parts[cut + 1 :]),
        request=bytes.fromhex(row["request_hex"]),
        reply=bytes.fromhex(row["reply_hex"]),
        end=row["end"],
        after=row.get("after"),
        tls=row.get("tls") or {},
    )


def nodes(version: str, scenario: str) -> list[str]:
    """The nodes of one recording, "" where there is only one."""
    return list(dict.fromkeys(step.node for step in load(version, scenario)))
