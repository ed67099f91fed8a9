"""When two servers' first answers say the same: equal byte for byte, but for times, counters and ids.

Most servers of an estate answer the three opening questions alike. What follows from such an answer (verdict,
identity, advisories) need not be worked out again for each of them.

Why this is safe: only the values of fixed-length fields are blanked, at the first place of each field's name.
Two answers with the same likeness have the same bytes before that place, so a reader stands at the same point
of the same structure there: what is a field in one is the same field in the other. A hostile server can write
a field's name into a string; then it resembles itself, and nobody else.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

MAX_BYTES: Final = 8192  # a longer first answer is read in full every time
MAX_FRAMES: Final = 3  # replies to the three opening questions

_HEADER = Struct("<iiii").unpack_from
_LATEST: Final = 4_102_444_800_000  # the year 2100, in milliseconds
_INT64 = Struct("<q").unpack_from
_BLANK: Final = bytes(16)
# BSON element type and name as they stand on the wire, and the length of the value (bsonspec.org).
_LOCAL_TIME: Final = b"\x09localTime\x00"
_PROCESS_ID: Final = b"\x07processId\x00"
_VOLATILE: Final = (
    (_LOCAL_TIME, 8),
    (b"\x10connectionId\x00", 4),
    (_PROCESS_ID, 12),
)


class Likeness(NamedTuple):
    """`key` compares; the rest is what was blanked of it: milliseconds and seconds since 1970, or None."""

    key: bytes
    local_time: int | None
    process_started: int | None


def likeness(data: bytes) -> Likeness | None:
    """The likeness of a first answer; None when it is not a few whole frames, or too long to be worth it."""
    size = len(data)
    if size > MAX_BYTES:
        return None
    blanked = bytearray(data)
    at = frames = 0
    while at < size:
        if size - at < 16 or frames == MAX_FRAMES:
            return None
        length = _HEADER(data, at)[0]
        if length < 16 or length > size - at:
            return None
        blanked[at + 4 : at + 8] = _BLANK[:4]  # requestID: the server's own counter
        at += length
        frames += 1
    local_time = process_started = None
    for name, width in _VOLATILE:
        found = data.find(name)
        if found < 0:
            continue
        value = found + len(name)
        if value + width > size:
            return None
        blanked[value : value + width] = _BLANK[:width]
        if name is _LOCAL_TIME:
            local_time = _INT64(data, value)[0]
            if not 0 <= local_time <= _LATEST:
                return None  # a time that is none is looked at closely
        elif name is _PROCESS_ID:
            process_started = int.from_bytes(data[value : value + 4], "big")
    return Likeness(bytes(blanked), local_time, process_started)
