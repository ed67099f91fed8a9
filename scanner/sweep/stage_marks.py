"""The SYN stage's marks on the disk: a file of their own, durable before the checkpoint that names it.

Its name has the checkpoint's number, and the checkpoint has its hash, so one is never read with another's.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from results.files import explain, write_durably
from scanner.sweep.checkpoint import Checkpoint, MarksFile, StagePoint

if TYPE_CHECKING:
    from pathlib import Path

    from results.files import FileSystem


class Before(NamedTuple):
    """Where an earlier start's stage was."""

    point: StagePoint
    marks: bytes


class Kept(NamedTuple):
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
        data = (directory / file.name).read_bytes()
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
