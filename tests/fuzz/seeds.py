"""Makes the first inputs of each target from the recordings of real servers."""

from __future__ import annotations

import hashlib
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.talk import KNOWN
from tests.support.recordings import load, scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SEED = 1500


def replies() -> Iterator[bytes]:
    """The distinct recorded replies that are not too large."""
    seen = set()
    for version, scenario in scenarios():
        for step in load(version, scenario):
            if 16 <= len(step.reply) <= MAX_SEED and step.reply not in seen:
                seen.add(step.reply)
                yield step.reply


def frames() -> Iterator[bytes]:
    """Documents, and streams with the request ids that the target expects."""
    for reply in islice(replies(), 0, None, 7):
        opcode = int.from_bytes(reply[12:16], "little")
        body = reply[21:] if opcode == 2013 else reply[36:]
        yield b"\x00" + body
        bits = 0x15 if opcode == 2013 else 0x14
        yield bytes([255, 0, bits, 7]) + reply[:8] + b"\x01\0\0\0" + reply[12:]


def dialogue() -> Iterator[bytes]:
    """Short conversations of known replies, and recorded documents in frames of the right id."""
    for first in range(6):
        for listing in range(7, 26):
            script = bytes([2, first, 2, 6, 2, listing, 2, 9, 2, 14, 2, 26, 2, 28])
            yield bytes([5, 2 + listing % 3 * 3]) + script
    for reply in islice(replies(), 0, None, 20):
        opcode = int.from_bytes(reply[12:16], "little")
        body = reply[21:] if opcode == 2013 else reply[36:]
        block = bytes([1]) + len(body).to_bytes(2, "little") + body
        yield bytes([5, 5, 2, 0, 2, 6]) + block
        yield bytes([5, 5]) + block * 3


def plan() -> Iterator[bytes]:
    """Known answers in a row."""
    for number in range(len(KNOWN)):
        for options in (0, 2, 8, 12, 16, 24):
            facts = bytes([options, number % 6, 17, 3, 4, 0, 1, 3, 1, 6, 0, 2, 3, 0])
            yield facts + bytes([3, 0, 100, number]) * 8


MAKERS = {"frames": frames, "dialogue": dialogue, "plan": plan}


def write(target: str, folder: Path) -> int:
    """Fill `folder` with the seeds of one target; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = set(MAKERS[target]())
    for seed in seeds:
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    return len(seeds)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
