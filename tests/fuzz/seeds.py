"""Makes the first inputs of each target from the recordings of real servers."""

from __future__ import annotations

import hashlib
import random
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from tests.fuzz.observing import observation
from tests.fuzz.talk import CLIENT, KNOWN
from tests.support.lines import line_of
from tests.support.recordings import load, scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SEED = 1500
GOLDEN = Path(__file__).resolve().parents[1] / "targets" / "sources" / "golden"


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


def structured() -> Iterator[bytes]:
    """Noise of the length that hypothesis needs for a whole talk."""
    for number in range(64):
        chance = random.Random(number)
        yield chance.randbytes(64 << number % 4)


ALLOW_LISTS = (
    (0, b"127.0.0.1\n127.0.1.0/28 # lab\n!127.0.1.3\n"),
    (0, b"198.51.100.7-198.51.100.9\n2001:db8::1\n"),
    (1, b"cidr,owner,kind\n127.0.0.0/30,us,lab\n127.0.0.9,them,lab\n"),
    (2, b'[[allow]]\ncidr = "127.0.0.0/29"\nowner = "us"\nkind = "lab"\n[[deny]]\ncidr = "127.0.0.1"\n'),
)


def edges() -> Iterator[bytes]:
    """One good input of each reader, and some that are nearly good."""
    for ending, text in ALLOW_LISTS:
        yield b"\x03" + bytes([ending]) + text
    for entry in ("127.0.0.1", "127.0.0.0/8", "[::1]:27017", "::ffff:127.0.0.1", "127.0.0.1-127.0.0.9:1-2"):
        yield b"\x02" + entry.encode()
    talk = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=False)
    line = line_of(observation(talk))
    yield b"\x01" + line
    yield b"\x01" + line + line[:-40]
    hello = bytes.fromhex("160303002c0200002803030000") + b"\x5a" * 30 + bytes.fromhex("00c02f00")
    for record in (hello, bytes.fromhex("15030300020246"), b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        for legacy in (0, 1):
            yield bytes([0, legacy, 255]) + record


def lists() -> Iterator[bytes]:
    """The golden files of every format, read in pieces of two sizes."""
    for path in sorted(GOLDEN.rglob("*.*")):
        if not path.name.endswith((".expected.json", ".claims")):
            raw = path.read_bytes()[:MAX_SEED]
            yield b"\xff" + raw
            yield b"\x02" + raw


def noise() -> Iterator[bytes]:
    """What chooses replies and bends them."""
    for number in range(160):
        yield random.Random(number).randbytes(24 + number)


MAKERS = {
    "frames": frames,
    "dialogue": dialogue,
    "plan": plan,
    "structured": structured,
    "edges": edges,
    "lists": lists,
    "shapes": noise,
    "openings": noise,
    "alike": noise,
    "sizes": noise,
}


def write(target: str, folder: Path) -> int:
    """Fill `folder` with the seeds of one target; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = set(MAKERS[target]())
    for seed in seeds:
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    return len(seeds)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
