"""What was asked and answered, as hashes: for a conversation that somebody else shall be able to check.

A channel that keeps a transcript reads each reply whole; the usual one (`channel.py`) pays nothing for it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from results.record import Exchange
from scanner.mongo.channel import Channel
from scanner.mongo.wire import HEADER, FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.mongo.channel import Flight
    from scanner.mongo.commands import Request
    from scanner.mongo.facts import Limits
    from scanner.mongo.wire import Frame

KEPT: Final = 12
"""Exchanges that stand in the record; the hash chain goes over all."""
GENESIS: Final = sha256(b"mongosweep.transcript/1").digest()


class Transcript:
    """One target's exchanges over all its connections: each request that was answered whole, in the order of
    the replies. The first stand in `exchanges`; `count` and `head` are of all."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.count = 0
        self._head = GENESIS
        self._asked: dict[int, bytes] = {}  # digests by request id, which no connection uses again

    @property
    def head(self) -> str:
        """The last hash of the chain: of the one before it, and both digests."""
        return self._head.hex()

    def asked(self, request_id: int, message: bytes) -> None:
        """A request is on its way."""
        self._asked[request_id] = sha256(message).digest()

    def answered(self, request_id: int, command: str, message: bytes) -> None:
        """Its reply has come whole."""
        request, reply = self._asked.pop(request_id), sha256(message).digest()
        self._head = sha256(self._head + request + reply).digest()
        self.count += 1
        if len(self.exchanges) < KEPT:
            self.exchanges.append(
                Exchange(command=command, request_sha256=request.hex(), reply_sha256=reply.hex())
            )


def channel_for(transcript: Transcript | None, limits: Limits, last_id: int) -> Channel:
    """The channel of a new connection, with a transcript where one is kept."""
    if transcript is None:
        return Channel(limits, last_id)
    return KeepingChannel(transcript, limits, last_id)


class KeepingReader(FrameReader):
    """Notes the bytes of each whole reply."""

    __slots__ = ("_transcript",)

    def __init__(self, transcript: Transcript) -> None:
        super().__init__()
        self._transcript = transcript

    def next_frame(self) -> Frame | None:
        """See `FrameReader.next_frame`."""
        buffer, at = self._buffer, self._at
        message = b""
        if len(buffer) - at >= HEADER.size:
            length = HEADER.unpack_from(buffer, at)[0]
            if HEADER.size <= length <= len(buffer) - at:
                message = bytes(buffer[at : at + length])
        frame = super().next_frame()
        if frame is not None and not frame.truncated_list:
            flight: Any = frame.expected
            self._transcript.answered(flight.request_id, flight.request.command.value, message)
        return frame


class KeepingChannel(Channel):
    """A channel with a transcript."""

    __slots__ = ("_transcript",)

    def __init__(self, transcript: Transcript, limits: Limits, last_id: int = 0) -> None:
        super().__init__(limits, last_id)
        self._transcript = transcript
        self._reader = KeepingReader(transcript)

    def _send(self, flights: list[Flight], messages: list[bytes]) -> None:
        for flight, message in zip(flights, messages, strict=True):
            self._transcript.asked(flight.request_id, message)
        super()._send(flights, messages)

    def read_known(self, told: Callable[[Request, Sequence[Any]], None]) -> int:
        """None: each reply is read whole."""
        return 0
