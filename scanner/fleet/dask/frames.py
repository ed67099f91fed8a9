"""The bytes that travel through Dask: messages of one attempt, each compressed, behind a word on who says it.

A task returns one such sequence of frames with everything; each of its events is a short one. A frame is a
letter, the length of what follows in 4 bytes (big-endian), and that many bytes of zlib.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from results.text import visible
from scanner.fleet.messages import MOST_BYTES, NAME, Message, MessageError, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_RESULT = 64 << 20  # bytes of a task's result; Dask holds it in the memory of worker and scheduler
_LEVEL = 1  # half the bytes of a higher level would cost a worker three times the CPU
_SENDER: Final = b"S"
_MESSAGE: Final = b"M"
_FAILURE: Final = b"F"
_LOST: Final = b"L"
_HEAD = 5
_Short = Annotated[str, Meta(max_length=300)]


class Sender(Struct, frozen=True, kw_only=True):
    """Who speaks, of which attempt. `begun` is different each time that a worker begins the task."""

    worker: _Short
    name: Annotated[str, Meta(pattern=NAME)]
    attempt: Annotated[int, Meta(ge=1)]
    begun: _Short


class Spoken(NamedTuple):
    """What a sequence of frames holds. `failure`: why the shard came to nothing; "" when it did not. `lost`:
    its worker lost touch or was told to stop, which says nothing of the shard."""

    sender: Sender
    messages: Iterator[Message]
    failure: str
    lost: bool


_senders: msgspec.json.Decoder[Sender] = msgspec.json.Decoder(Sender)


def frame_of_sender(sender: Sender) -> bytes:
    """The frame that a sequence begins with."""
    return _frame(_SENDER, msgspec.json.encode(sender))


def frame_of_message(line: bytes) -> bytes:
    """A message as `messages.encode` writes it."""
    return _frame(_MESSAGE, line)


def frame_of_failure(why: str, *, lost: bool = False) -> bytes:
    """The frame that a sequence ends with when the shard came to nothing. `why` is a clause; `lost` as in
    `Spoken`."""
    return _frame(_LOST if lost else _FAILURE, why.encode())


def read(data: object) -> Spoken:
    """What a sequence of frames says. Its messages are unpacked one at a time, as they are asked for.

    Raises MessageError for bytes that are no such sequence; so does the iterator of messages.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise MessageError(f"{type(data).__name__} instead of bytes")
    cut = list(_cut(memoryview(data)))
    if not cut or cut[0][0] != _SENDER:
        raise MessageError("it does not begin with who speaks")
    try:
        sender = _senders.decode(_unpacked(cut[0][1]))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MessageError(f"it does not begin with who speaks: {error}") from error
    failure = ""
    if cut[-1][0] in (_FAILURE, _LOST):
        failure = visible(_unpacked(cut[-1][1]).decode("utf-8", "replace"), 500) or "it did not say why"
    return Spoken(sender, _messages(cut), failure, cut[-1][0] == _LOST)


def _messages(cut: list[tuple[bytes, memoryview]]) -> Iterator[Message]:
    for kind, packed in cut:
        if kind == _MESSAGE:
            yield decode(_unpacked(packed))


def _frame(kind: Literal[b"S", b"M", b"F", b"L"], data: bytes) -> bytes:
    packed = zlib.compress(data, _LEVEL)
    return kind + len(packed).to_bytes(_HEAD - 1, "big") + packed


def _cut(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at < len(data):
        body = at + _HEAD
        end = body + int.from_bytes(data[at + 1 : body], "big")
        if body > len(data) or end > len(data):
            raise MessageError("it is cut off")
        yield bytes(data[at : at + 1]), data[body:end]
        at = end


def _unpacked(packed: memoryview) -> bytes:
    """Bounded, because a few bytes of zlib can say a gigabyte."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(packed, MOST_BYTES)
    except zlib.error as error:
        raise MessageError(str(error)) from error
    if not unpacking.eof:
        raise MessageError("a message is cut off, or longer than one may be")
    return data
