"""Asks the servers named on stdin and measures itself: `python -m tests.accuracy.hostile_run together|alone`.

Memory is the growth of the peak resident set (VmHWM, reset by `clear_refs`) over what stood before; Linux.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanner.network.connect.base import Timeouts
from tests.accuracy.asking import ask, ask_all

if TYPE_CHECKING:
    from tests.accuracy.asking import Asked, Place

TIMEOUTS = {
    "together": Timeouts(connect=20.0, reply=20.0, host=30.0),  # one lab serves them all, and is slow then
    "alone": Timeouts(connect=5.0, reply=2.0, host=6.0),
}
KIB = 1024


def resident(field: str) -> int:
    """VmRSS or VmHWM of this process, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * KIB
    raise LookupError(field)


def reset_peak() -> int:
    """Begin a new peak; the resident set now, bytes."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def _row(asked: Asked) -> dict[str, Any]:
    record = asked.observation
    return {
        "verdict": record.verdict.value if record is not None else str(asked.failure),
        "rule": record.evidence[0].code if record is not None else "",
        "seconds": asked.seconds,
        "received": record.timing.bytes_received if record is not None else 0,
        "databases": len(record.exposure.databases) if record is not None and record.exposure else 0,
    }


async def _ask_late_ones_again(
    places: list[Place], rows: list[list[Any]], found: list[dict[str, Any]]
) -> None:
    """On a busy machine the lab itself may be later than a deadline. Unknown is what a sweep says then, and
    asked again without the crowd the server must get its right verdict."""
    for number, (place, row) in enumerate(zip(places, rows, strict=True)):
        if found[number]["verdict"] == "unknown" and "unknown" not in row[4]:
            again = _row(await ask(place, timeouts=TIMEOUTS["together"]))
            found[number] = again | {"late": True, "seconds": found[number]["seconds"]}


async def _main(mode: str, rows: list[list[Any]]) -> dict[str, Any]:
    places: list[Place] = [(row[0], row[1]) for row in rows]
    honest = [place for place, row in zip(places, rows, strict=True) if not row[3]]
    timeouts = TIMEOUTS[mode]
    await ask_all(honest, timeouts=timeouts)  # so that everything is imported and every buffer made
    result: dict[str, Any] = {}
    before = reset_peak()
    begun = time.monotonic()
    if mode == "together":
        answers = await ask_all(places, timeouts=timeouts)
        result["seconds"] = time.monotonic() - begun
        result["rows"] = [_row(answers[place]) for place in places]
        await _ask_late_ones_again(places, rows, result["rows"])
    else:
        result["rows"] = []
        for place in places:
            start = reset_peak()
            row = _row(await ask(place, timeouts=timeouts))
            result["rows"].append(row | {"peak": max(0, resident("VmHWM") - start)})
        result["seconds"] = time.monotonic() - begun
    result["growth"] = resident("VmHWM") - before
    after = await ask_all(honest, timeouts=timeouts)
    result["honest_after"] = [_row(after[place]) for place in honest]
    return result


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_main(sys.argv[1], json.load(sys.stdin)))))
