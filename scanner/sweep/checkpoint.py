"""Where a sweep stands, so that it can go on after any death: a few integers and the targets in flight.

A checkpoint is a promise about evidence: every position up to `after` that is not listed as in
flight has an outcome, and each of those outcomes is in a segment that has been fsynced.
"""

from __future__ import annotations

import zlib
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from results.journal import Position
from scanner.engine.loss import Memory
from scanner.network.syn.messages import Progress, Stats

FORMAT = "mongosweep.checkpoint/2"


class MarksFile(Struct, frozen=True, kw_only=True):
    """The file beside a checkpoint that holds a SYN stage's marks, and what must be in it."""

    name: Annotated[str, Meta(pattern=r"^stage-\d+\.marks$")]
    bytes: int
    sha256: str


class StagePoint(Struct, frozen=True, kw_only=True):
    """How far the SYN stage in front of the engine was.

    `direct`: the targets (first index, count) that are left to the engine, of which `fed` were handed to it.
    `last_word` is there once the stage has asked everything: then it need not run again, and has no marks.
    """

    progress: Progress
    direct: list[tuple[int, int]]
    fed: int
    last_word: Stats | None = None
    marks: MarksFile | None = None


class Checkpoint(Struct, frozen=True, kw_only=True):
    """The state of one walk through an order.

    `after` is the last position that was taken from the walk (-1: none). `in_flight` are positions at or
    before it that have no outcome yet. `outcomes` counts those that have one, by verdict or failure.
    """

    format: str = FORMAT
    run_id: str
    scope_digest: str
    settings_digest: str
    seed: int
    shard: tuple[int, int]
    after: Annotated[int, Meta(ge=-1)]
    in_flight: list[int]
    outcomes: dict[str, int]
    excluded_later: int = 0  # refused by the door while the sweep ran: expired or narrowed
    journal: Position | None = None  # how far the evidence was durable when this was written
    elapsed: float = 0.0
    spoiled: list[str] = []  # what no resume can mend; see `scanner.sweep.close.lasting_faults`
    mute_prefixes: list[tuple[int, int, int, int]] = []  # see `PrefixWatch.state`
    second_look: Memory | None = None
    sequence: int = 0
    stage: StagePoint | None = None

    @property
    def taken(self) -> int:
        """How many of the planned targets it accounts for, those that are asked again included."""
        return sum(self.outcomes.values()) + self.excluded_later + len(self.in_flight)

    def after_evidence(self, position: Position) -> Checkpoint:
        """The same, resting on a journal that is durable up to `position`."""
        return msgspec.structs.replace(self, journal=position)

    def encode(self) -> bytes:
        """One JSON line and its checksum."""
        body = msgspec.json.encode(self)
        return body + b"\n%08x\n" % zlib.crc32(body)


def decode(data: bytes) -> Checkpoint:
    """The checkpoint in a file's bytes. Raises ValueError when they are not whole."""
    body, separator, rest = data.partition(b"\n")
    if not separator or rest != b"%08x\n" % zlib.crc32(body):
        raise ValueError("the checksum does not match")
    try:
        read = msgspec.json.decode(body, type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    if read.format != FORMAT:
        raise ValueError(f"format {read.format!r} is not {FORMAT!r}")
    return read
