"""The files of docs/siem as tests run them: read, with paths, ports and hosts that a test has."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SIEM = Path(__file__).resolve().parent.parent.parent / "docs" / "siem"


def adapted(file: str, changes: Mapping[str, str]) -> str:
    """Its text with other words in the place of some. One that does not stand there is a mistake."""
    text = (SIEM / file).read_text()
    for word, other in changes.items():
        assert word in text, f"{file} has no {word!r}"
        text = text.replace(word, other)
    return text


def lines_of(file: Path, count: int, seconds: float = 60.0) -> list[Any]:
    """The JSON lines of a file that a program writes, once there are so many; as they are when it takes
    longer."""
    end = time.monotonic() + seconds
    while True:
        told = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        whole = [json.loads(line) for line in told if line.endswith(b"\n")]
        if len(whole) >= count or time.monotonic() > end:
            return whole
        time.sleep(0.02)
