"""Reading a journal back: every reader of what was seen begins here.

A line that was cut off at the end of a segment is skipped with a warning, because a crash leaves that behind.
Anything else that does not read is damage, and stops the reader.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from results.chain import CHAIN_FILE, ChainLink, load_chain
from results.files import CorruptError, NotARunError, UnfitFileError, explain, open_to_read
from results.lines import MAX_LINE, RecordError, from_line, put_together
from results.lock import is_held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from results.record import Line, Observation

_log = logging.getLogger(__name__)
SECTOR = 512  # bytes; what a medium writes as a whole, at the least
_SEGMENT = re.compile(r"observations-(\d{4,9})\.jsonl")


class TornTail(NamedTuple):
    """A line at the end of a segment that a crash cut off. `offset` and `length` are bytes in the file."""

    path: Path
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.path}: the last line is cut off after {self.length} bytes; skipped"


def log_warning(tail: TornTail) -> None:
    """The default of every reader: say it in the log."""
    _log.warning("%s", tail)


def segment_name(number: int) -> str:
    """`observations-0001.jsonl` for 1."""
    return f"observations-{number:04}.jsonl"


def segment_number(name: str) -> int | None:
    """1 for `observations-0001.jsonl`; None for anything else."""
    match = _SEGMENT.fullmatch(name)
    return int(match[1]) if match else None


def segments_in(directory: Path) -> list[Path]:
    """The segments of a run in the order of writing. Raises `CorruptError` when one is missing."""
    numbered = sorted((number, path) for path in directory.iterdir() if (number := segment_number(path.name)))
    for expected, (number, _) in enumerate(numbered, start=1):
        if number != expected:
            raise CorruptError(directory / segment_name(expected), "this segment is missing")
    return [path for _, path in numbered]


def read_run(path: Path, warn: Callable[[TornTail], None] = log_warning) -> Iterator[Observation]:
    """Every observation of a run directory with its databases, in the order of writing; or of one JSONL file.

    A target that was asked again after a crash is there twice, with the same `event_id`:
    `results.summary.unique` keeps one. Sealed segments are compared with their seal on the way. Raises
    `NotARunError`, and `CorruptError` at the first damage.
    """
    yield from put_together(read_records(path, warn))


def read_records(path: Path, warn: Callable[[TornTail], None] = log_warning) -> Iterator[Line]:
    """What each line of a run directory, or of one JSONL file, holds: memory is bounded by one line.

    Raises as `read_run` does.
    """
    for segment, seal in segments_of(path):
        yield from read_segment(segment, warn, seal)


def segments_of(path: Path) -> Iterator[tuple[Path, ChainLink | None]]:
    """The segments of a run directory with their seals, in the order of writing; or one JSONL file without.

    Of a run that goes on, those up to the one being written: the next may be there before its last lines are
    (`results/follow.py`). Raises `NotARunError`, and `CorruptError` when one is missing.
    """
    if not path.is_dir():
        yield Path(os.path.realpath(path)), None  # here, and only here, a link is followed
        return
    held = is_held(path)
    segments = segments_in(path)
    chain = load_chain(path)
    if not segments and chain is None:
        raise NotARunError(path, "no observations here", "name a run directory, or a .jsonl file of one")
    seals = chain.segments() if chain is not None else {}
    if missing := seals.keys() - {segment.name for segment in segments}:
        raise CorruptError(path / min(missing), f"{CHAIN_FILE} lists this segment, but it is missing")
    for segment in segments:
        seal = seals.get(segment.name)
        yield segment, seal
        if held and seal is None:
            return


def read_segment(
    path: Path, warn: Callable[[TornTail], None] = log_warning, seal: ChainLink | None = None
) -> Iterator[Line]:
    """What each line of one segment holds, checked against `seal` at the end when there is one.

    Memory is bounded by one line, whatever the file holds. Raises as `read_run` does; with a seal, damage
    that still reads well is noticed only after the last line was given out.
    """
    for number, line in enumerate(read_lines(path, warn, seal), start=1):
        try:
            yield from_line(line)
        except RecordError as error:
            raise CorruptError(path, f"line {number} is damaged: {error}") from error


def read_lines(
    path: Path, warn: Callable[[TornTail], None] = log_warning, seal: ChainLink | None = None
) -> Iterator[bytes]:
    """The whole lines of one segment as they stand, each with its newline; for copying and for cursors."""
    try:
        file = open_to_read(path, "segment")
    except UnfitFileError as error:
        raise CorruptError(path, explain(error)) from error
    except OSError as error:
        raise NotARunError(path, explain(error), "name a run directory, or a .jsonl file of one") from error
    with file:
        if seal is not None and os.fstat(file.fileno()).st_size > seal.bytes:
            raise CorruptError(path, f"its content is not what {CHAIN_FILE} says was written")
        digest = hashlib.sha256()
        offset = 0
        while line := file.readline(MAX_LINE):
            digest.update(line)
            if not line.endswith(b"\n") or b"\0" in line:
                length = _torn_length(path, file, line, digest, seal, hole=_has_hole(line, offset))
                warn(TornTail(path, offset, length))
                offset += length
                break
            offset += len(line)
            yield line
        if seal is not None and (seal.bytes, seal.sha256) != (offset, digest.hexdigest()):
            raise CorruptError(path, f"its content is not what {CHAIN_FILE} says was written")


def _has_hole(line: bytes, offset: int) -> bool:
    """Whether zeros in a line reach over the end of a sector: then data after them may have come, they not.

    A file system writes the sectors of one file in any order, and after a loss of power those that never came
    read as zeros. An fsync covers everything before it, so what stands after a hole was never acknowledged.
    """
    for zeros in re.finditer(rb"\0+", line):
        if (offset + zeros.end()) // SECTOR > (offset + zeros.start()) // SECTOR:
            return True
    return False


def _torn_length(
    path: Path, file: BinaryIO, line: bytes, digest: hashlib._Hash, seal: ChainLink | None, *, hole: bool
) -> int:
    """Length of the torn tail that begins with `line`; `CorruptError` when it is damage and no torn tail.

    A file system may leave zeros where data never reached the medium. A NUL is in no valid line, so such a
    stretch counts as torn when nothing comes after it, or when it is a `hole`; a line that is too long, or
    with more lines after it, is damage.
    """
    if seal is not None and seal.torn_bytes == 0:
        raise CorruptError(path, f"it was sealed whole, and now its end is cut off ({CHAIN_FILE})")
    length = len(line)
    ended = line.endswith(b"\n")
    while block := file.read(1 << 20):
        if not hole and (ended or b"\n" in block.rstrip(b"\n")):
            raise CorruptError(path, "a line in the middle is damaged")
        digest.update(block)
        length += len(block)
        ended = block.endswith(b"\n")
    if ended and not hole and b"\0" not in line:
        raise CorruptError(path, f"a line is longer than {MAX_LINE} bytes")
    return length
