"""When two servers' first answers say the same: equal byte for byte, but for times, counters and ids.

Most servers of an estate answer the three opening questions alike. What follows from such an answer (verdict,
identity, advisories) need not be worked out again for each of them.

Why this is safe: only values of fixed-length fields are left out, at the first place of each field's name.
Two answers with the same fingerprint have the same bytes before that place, so a reader stands at the same
point of the same structure there: what is a field in one is the same field in the other. A hostile server can
write a field's name into a string; then it resembles itself, and nobody else.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

MAX_BYTES: Final = 8192  # a longer first answer is read in full every time
MAX_FRAMES: Final = 3  # replies to the three opening questions

_HEADER = Struct("<iiii").unpack_from
_LATEST: Final = 4_102_444_800_000  # the year 2100, in milliseconds
_INT64 = Struct("<q").unpack_from
# BSON element type and name as they stand on the wire, and the length of the value (bsonspec.org).
_LOCAL_TIME: Final = b"\x09localTime\x00"
_PROCESS_ID: Final = b"\x07processId\x00"
_VOLATILE: Final = (
    (_LOCAL_TIME, 8),
    (b"\x10connectionId\x00", 4),
    (_PROCESS_ID, 12),
)


_LIST: Final = b"\x04databases\x00"
_EMPTY_ARRAY: Final = b"\x05\x00\x00\x00"


def lists_databases(data: bytes) -> bool:
    """Whether a first answer seems to list databases, so that more will be asked. Nothing is read of it."""
    at = data.find(_LIST) + len(_LIST)
    return at >= len(_LIST) and data[at : at + 4] != _EMPTY_ARRAY


class Shape(NamedTuple):
    """Where an answer's own values stand: what is around them, and the offsets of two of them (-1: not
    there)."""

    around: Struct
    local_time_at: int
    process_at: int


class Fingerprint(NamedTuple):
    """`key` compares: the shape, and all bytes but the answer's own values. Then two of these (milliseconds
    and seconds since 1970, or None), and where they stand."""

    key: tuple[str, tuple[bytes, ...]]
    local_time: int | None
    process_started: int | None
    shape: Shape


def shaped(data: bytes, shape: Shape) -> Fingerprint | None:
    """What `fingerprint` gives for an answer, of the same length, whose own values stand where those of
    another one do. That they do stand there is known once the key is that other one's: all around is equal.
    """
    around, at, process = shape
    local_time = _INT64(data, at)[0] if at >= 0 else None
    if local_time is not None and not 0 <= local_time <= _LATEST:
        return None  # a time that is none is looked at closely
    started = int.from_bytes(data[process : process + 4], "big") if process >= 0 else None
    key = around.format, around.unpack(data)
    return tuple.__new__(Fingerprint, (key, local_time, started, shape))  # half of the call's price


def fingerprint(data: bytes) -> Fingerprint | None:
    """The fingerprint of a first answer; None when it is no few whole frames, or too long to be worth it."""
    size = len(data)
    if size > MAX_BYTES:
        return None
    own: list[tuple[int, int]] = []  # where a value begins and ends
    at = frames = 0
    while at < size:
        if size - at < 16 or frames == MAX_FRAMES:
            return None
        length = _HEADER(data, at)[0]
        if length < 16 or length > size - at:
            return None
        own.append((at + 4, at + 8))  # requestID: the server's own counter
        at += length
        frames += 1
    local_time = process = -1
    for name, width in _VOLATILE:
        found = data.find(name)
        if found < 0:
            continue
        value = found + len(name)
        if value + width > size:
            return None
        own.append((value, value + width))
        if name is _LOCAL_TIME:
            local_time = value
        elif name is _PROCESS_ID:
            process = value
    return shaped(data, Shape(_around(tuple(sorted(own)), size), local_time, process))


@lru_cache(256)
def _around(own: tuple[tuple[int, int], ...], size: int) -> Struct:
    """A structure of everything outside these spans; spans may overlap."""
    parts, at = ["<"], 0
    for begin, end in own:
        if begin > at:
            parts.append(f"{begin - at}s")
        parts.append(f"{max(0, end - max(at, begin))}x")
        at = max(at, end)
    parts.append(f"{size - at}s")
    return Struct("".join(parts))
