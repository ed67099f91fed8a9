"""What stage and parent say to each other: a job and commands one way, framed messages the other. No pickle.

Down (the stage's standard input): one JSON line with the job, the marks of an earlier start if it names any,
then commands, one JSON line each; the end of the input means stop. Up (its standard output): kind (1 byte),
length (4 bytes, little-endian), payload. Anything else is a ValueError where it is decoded.
Imports no numpy, because the parent reads it."""

from __future__ import annotations

import struct
from enum import Enum
from typing import NamedTuple

import msgspec
from msgspec import Struct

HEADER = struct.Struct("<cI")
MOST_PAYLOAD = 1 << 20
PIECE = struct.Struct(
    "<cQI"
)  # a piece of the marks: which set, place of its first byte, length; then the bytes
LIVE, REFUSED, WAITING = (
    b"l",
    b"r",
    b"w",
)  # bitmaps by index, and indices (8 bytes each) that the walk has passed


class Kind(Enum):
    """What a message from the stage holds."""

    READY = b"y"  # JSON: Ready; privileges are gone, nothing was sent
    LIVE = b"l"  # indices of targets that answered SYN-ACK, 8 bytes each, little-endian
    REFUSED = b"r"  # the same for RST
    STATS = b"s"  # JSON: Stats, now and then
    SNAPSHOT = b"p"  # JSON: Progress; so many MARKS follow, all as of this moment
    MARKS = b"m"  # one piece of the marks, see PIECE
    DONE = b"d"  # JSON: Stats, the last word
    TROUBLE = b"e"  # JSON: Trouble; the last word, too


class TargetRange(NamedTuple):
    """Addresses `first` to `last` (inclusive) of one family, asked on `ports` (ascending)."""

    version: int
    first: int
    last: int
    ports: tuple[int, ...]

    @property
    def targets(self) -> int:
        """How many (address, port) it holds."""
        return (self.last - self.first + 1) * len(self.ports)


class OrderParameters(NamedTuple):
    """The numbers that fix a walk: `size` targets, the group, and which steps of it are ours."""

    size: int
    prime: int
    generator: int
    start: int
    first: int = 0  # position of the first step: the shard's number, or where an earlier run stopped
    stride: int = 1  # how many shards


class Progress(Struct, frozen=True, kw_only=True):
    """How far a stage is: with its marks, all that a later one needs to go on from there.

    Every target whose step of the walk lies before `position`, and which is not among those that wait, was
    asked in round `attempt`, and its answer has had its time. The counts are those of that moment.
    """

    attempt: int
    position: int
    targets: int
    sent_by_round: list[int]
    dropped: int = 0  # answers that were lost on this machine so far
    pieces: int = 0  # how many MARKS follow


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the stage needs to know. `ranges` are the whole scope, in its order."""

    ranges: list[TargetRange]
    order: OrderParameters
    rate: float | None = None  # SYNs a second; None: as fast as the machine can
    attempts: int = 2  # how often a silent target is asked
    wait: float = 2.0  # seconds of silence after each round
    prefix_rate: float | None = None  # SYNs a second into one /24 or /64
    source_port: int | None = None  # first of `source_ports`; None: a random place
    source_ports: int = 64  # a power of two
    report_refused: bool = False
    until: float | None = None  # wall time at which the scope expires
    snapshots: float | None = None  # seconds between two; None: none, at a stop neither
    resume: Progress | None = None  # where an earlier start was
    marks_bytes: int = 0  # its marks, which follow the job's line


class SetRate(Struct, frozen=True, forbid_unknown_fields=True, tag="set rate"):
    """A command: SYNs a second from now on; None: as fast as the machine can."""

    rate: float | None


class Stop(Struct, frozen=True, forbid_unknown_fields=True, tag="stop"):
    """A command: no SYN after this."""


Command = SetRate | Stop


class Ready(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the stage found on this machine: where targets go, and why, for people."""

    lanes: list[str]
    direct: list[tuple[int, int]]  # (first index, count) of targets that no lane reaches
    notes: list[str]


class Trouble(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the stage ends: `what` is a word for the parent, `text` is for people."""

    what: str
    text: str


class Stats(Struct, kw_only=True):
    """Counts of the whole stage so far. What is neither live nor refused at the end was silent."""

    targets: int = 0  # that go by a lane: those left to the connect engine are not in any number here
    sent: int = 0  # SYNs, all rounds
    sent_by_round: list[int] = []
    live: int = 0
    refused: int = 0
    dropped: int = 0  # answers lost because the receive ring was full
    congestion: int = 0  # how often the device had no room for a frame
    position: int = 0  # how far the first round has walked; all positions below it have been sent
    elapsed: float = 0.0  # seconds since the first frame
    rate: float = 0.0  # SYNs a second, over the last rounds' sending time
    slowed_by: str = ""
    ended: str = ""  # "complete", "stopped", "scope expired"; empty while it runs

    @property
    def silent(self) -> int:
        """Targets asked and not heard of; meaningful when `ended` is "complete"."""
        return self.targets - self.live - self.refused


def bitmaps(pieces: bytes, size: int) -> tuple[bytearray, bytearray]:
    """The two sets of marks of `size` targets, live and refused, from all pieces of a snapshot: bit i % 8 of
    byte i // 8 is target i."""
    length = (size // 64 + 1) * 8
    found = {LIVE: bytearray(length), REFUSED: bytearray(length)}
    at = 0
    while at < len(pieces):
        which, begin, count = PIECE.unpack_from(pieces, at)
        at += PIECE.size
        if which in found:
            found[which][begin : begin + count] = pieces[at : at + count]
        at += count
    return found[LIVE], found[REFUSED]


def frame(kind: Kind, payload: bytes) -> bytes:
    """A whole message."""
    return HEADER.pack(kind.value, len(payload)) + payload


def line(message: Job | Command) -> bytes:
    """What goes down, as one line."""
    return msgspec.json.encode(message) + b"\n"
