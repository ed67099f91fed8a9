"""The pipe between the stage and its parent, at the stage's end: messages go up, commands come down."""

from __future__ import annotations

import os
import select

import msgspec

from scanner.network.syn.messages import Command, Kind, SetRate, Stop, frame

_MOST_QUEUED = 1 << 19  # bytes that wait for the parent before sending pauses
# Made before the privileges go: a type is looked at when its decoder is made, and imports what it needs.
_COMMAND = msgspec.json.Decoder(Command)


class Pipe:
    """The way to the parent and back: never blocks, and says when the parent lags behind or is gone."""

    def __init__(self, commands: int, messages: int) -> None:
        self._commands, self._messages = commands, messages
        self._queue = bytearray()
        self._line = b""
        self.stopped = False
        os.set_blocking(commands, False)
        os.set_blocking(messages, False)

    @property
    def full(self) -> bool:
        """True while the parent does not read."""
        return len(self._queue) > _MOST_QUEUED

    @property
    def queued(self) -> int:
        """Bytes that wait for the parent."""
        return len(self._queue)

    def put(self, kind: Kind, payload: bytes) -> None:
        """Queue one message; statistics are left out while the parent does not read."""
        if kind is not Kind.STATS or not self.full:
            self._queue += frame(kind, payload)

    def serve(self, seconds: float) -> list[float | None]:
        """Write and read what is possible within `seconds`; return the rates that were set."""
        readable, writable, _ = select.select(
            [] if self.stopped else [self._commands], [self._messages] if self._queue else [], [], seconds
        )
        if writable:
            self._write()
        return self._read() if readable else []

    def _write(self) -> None:
        try:
            written = os.write(self._messages, self._queue[:65536])
            del self._queue[:written]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self.stopped = True
            self._queue.clear()

    def _read(self) -> list[float | None]:
        data = os.read(self._commands, 4096)
        if not data:
            self.stopped = True
            return []
        *lines, self._line = (self._line + data).split(b"\n")
        commands = [_COMMAND.decode(line) for line in lines]
        self.stopped = self.stopped or any(isinstance(command, Stop) for command in commands)
        return [command.rate for command in commands if isinstance(command, SetRate)]

    def finish(self) -> None:
        """Write all that is left; give up only when the parent is gone."""
        while self._queue:
            select.select([], [self._messages], [], 1.0)
            self._write()
