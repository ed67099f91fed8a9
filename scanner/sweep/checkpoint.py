"""Where a sweep stands, so that it can go on after any death: a few integers and the targets in flight.

A checkpoint is a promise about evidence: every position up to `after` that is not listed as in flight has an
outcome, and each of those outcomes is in a segment that has been fsynced. A SYN stage's marks are in a file
beside it, durable before the checkpoint that names it: the name has the checkpoint's number, and the
checkpoint has its hash, so that one is never read with another's.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from results.files import explain, read_whole, write_durably
from results.journal import Position
from scanner.engine.accounts import Accounts
from scanner.engine.repetition_memory import RepetitionMemory
from scanner.network.syn.messages import Progress, Stats

if TYPE_CHECKING:
    from pathlib import Path

    from results.files import FileSystem

T = TypeVar("T", bound=Struct)

FORMAT = "mongosweep.checkpoint/3"


class _Format(Struct):
    format: str


class MarksFile(Struct, frozen=True, kw_only=True):
    """The file beside a checkpoint that holds a SYN stage's marks, and what must be in it."""

    name: Annotated[str, Meta(pattern=r"^stage-\d+\.marks\Z")]
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
    excluded_later: int = 0  # refused by the guard while the sweep ran: expired, narrowed, or an edge
    link_edges: int = 0  # of these, edges of our own links
    unlisted: int = 0  # of these, addresses that their inventory lists no longer
    journal: Position | None = None  # how far the evidence was durable when this was written
    elapsed: float = 0.0
    spoiled: list[str] = []  # what no resume can mend; see `scanner.sweep.judgement.lasting_faults`
    masked_prefixes: list[tuple[int, int, str, int, int]] = []  # see `MiddleboxWatch.state`
    lines_left_out: int = 0
    repetition: RepetitionMemory | None = None
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
        """As `encode` writes it."""
        return encode(self)


def encode(checkpoint: Struct) -> bytes:
    """A checkpoint of any kind, as one JSON line and its checksum (CRC-32, 8 hex digits)."""
    body = msgspec.json.encode(checkpoint)
    return body + b"\n%08x\n" % zlib.crc32(body)


def decode(data: bytes) -> Checkpoint:
    """The checkpoint in a file's bytes. Raises ValueError when they are not whole."""
    return decode_as(Checkpoint, FORMAT, data)


def decode_as(kind: type[T], form: str, data: bytes) -> T:
    """A checkpoint of a kind, whose `format` must be `form`. Raises ValueError for bytes that are not whole,
    or of another kind."""
    body, separator, rest = data.partition(b"\n")
    if not separator or rest != b"%08x\n" % zlib.crc32(body):
        raise ValueError("the checksum does not match")
    try:
        found = msgspec.json.decode(body, type=_Format).format
        if found != form:
            raise ValueError(f"format {found!r} is not {form!r}")
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def accounts_of(checkpoint: Checkpoint | None, planned: int) -> Accounts:
    """The accounts of a run from a checkpoint on, or of one that begins."""
    accounts = Accounts(planned=planned)
    if checkpoint is not None:
        accounts.outcomes.update(checkpoint.outcomes)
        accounts.excluded = checkpoint.excluded_later
        accounts.edges = checkpoint.link_edges
        accounts.unlisted = checkpoint.unlisted
    return accounts


class PreviousStage(NamedTuple):
    """Where an earlier start's stage was."""

    point: StagePoint
    marks: bytes


class PendingCheckpoint(NamedTuple):
    """A checkpoint, and the marks that belong to it, compressed (None: it needs no new ones)."""

    checkpoint: Checkpoint
    marks: bytes | None


def with_marks(fs: FileSystem, directory: Path, checkpoint: Checkpoint, marks: bytes) -> Checkpoint:
    """Write the compressed marks durably; the checkpoint that names them. Raises StorageError."""
    assert checkpoint.stage is not None
    name = f"stage-{checkpoint.sequence:06}.marks"
    write_durably(fs, directory / name, marks, keep_previous=False)
    file = MarksFile(name=name, bytes=len(marks), sha256=hashlib.sha256(marks).hexdigest())
    stage = msgspec.structs.replace(checkpoint.stage, marks=file)
    return msgspec.structs.replace(checkpoint, stage=stage)


def load_marks(directory: Path, checkpoint: Checkpoint) -> bytes:
    """What `with_marks` wrote for this checkpoint, decompressed; empty for one that names none.

    Raises ValueError when the file is not there, or not that one."""
    file = checkpoint.stage.marks if checkpoint.stage is not None else None
    if file is None:
        return b""
    try:
        data = read_whole(directory / file.name, "marks")
    except OSError as error:
        raise ValueError(f"{file.name}: {explain(error)}") from error
    if (len(data), hashlib.sha256(data).hexdigest()) != (file.bytes, file.sha256):
        raise ValueError(f"{file.name} is not what it was")
    return zlib.decompress(data)


def forget_others(fs: FileSystem, directory: Path, kept: tuple[Checkpoint | None, ...]) -> None:
    """Remove the files that none of these checkpoints names. One that stays costs room and nothing else."""
    stages = [checkpoint.stage for checkpoint in kept if checkpoint is not None]
    names = {stage.marks.name for stage in stages if stage is not None and stage.marks is not None}
    for path in directory.glob("stage-*.marks"):
        if path.name not in names:
            with contextlib.suppress(OSError):
                fs.unlink(path)
