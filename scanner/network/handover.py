"""The way between our own processes on which open connections are handed on: frames, and sockets with them.

A Unix stream socket carries both. A frame is its length and the number of its sockets (`_HEADER`), then its
bytes; sockets arrive with the first byte of their frame or before it, in their order (unix(7), SCM_RIGHTS).
Nothing here sends to a target, and nothing waits.
"""

from __future__ import annotations

import array
import errno
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

MOST_SOCKETS = 64  # of one frame; the kernel takes 253
MOST_FRAME = 512 * 1024 * 1024  # bytes; more than the lines of any server whose answers the caps have cut
_HEADER = struct.Struct("<II")
_READ = 256 * 1024
_READS_A_TURN = 8
_ROOM = socket.CMSG_SPACE(4 * 253)
_SEND_BUFFER = 1024 * 1024  # asked for; the kernel gives what net.core.wmem_max allows

Socket = socket.socket
Frame = tuple[bytes, list[int]]  # its bytes, and the descriptors that came with it


class BrokenHandover(Exception):  # noqa: N818 - not always an error: the other end is gone
    """The other end is gone, or does not keep to the form."""


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends: ours, and the one that a child gets as its standard input."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    return ours, theirs


def inherited() -> socket.socket:
    """A child's end."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=0)


def received(descriptor: int, version: int) -> socket.socket:
    """A TCP socket that came with a frame."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    return socket.socket(family, socket.SOCK_STREAM, fileno=descriptor)


class Frames:
    """Takes frames out of what comes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._descriptors: deque[int] = deque()

    def read(self, sock: socket.socket, most: int | None = None) -> list[Frame]:
        """What is whole after one read, `most` frames; the others are given out by the next one. Raises
        BlockingIOError and BrokenHandover."""
        try:
            data, control, flags, _ = sock.recvmsg(_READ, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            if waiting := self._whole(most):
                return waiting
            raise
        except ConnectionError as error:
            raise BrokenHandover(str(error)) from error
        for level, kind, content in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors = array.array("i")
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
                self._descriptors.extend(descriptors)
        if not data:
            raise BrokenHandover("the other end is gone")
        if flags & socket.MSG_CTRUNC:
            raise BrokenHandover("sockets were lost for want of descriptors")
        self._bytes += data
        return self._whole(most)

    def _whole(self, most: int | None) -> list[Frame]:
        found: list[Frame] = []
        at, held = 0, self._bytes
        while len(held) - at >= _HEADER.size and (most is None or len(found) < most):
            length, sockets = _HEADER.unpack_from(held, at)
            if length > MOST_FRAME or sockets > MOST_SOCKETS:
                raise BrokenHandover(f"a frame of {length} bytes and {sockets} sockets")
            end = at + _HEADER.size + length
            if end > len(held):
                break
            if sockets > len(self._descriptors):
                raise BrokenHandover("a frame came without its sockets")
            taken = [self._descriptors.popleft() for _ in range(sockets)]
            found.append((bytes(memoryview(held)[at + _HEADER.size : end]), taken))
            at = end
        del held[:at]
        return found

    def close(self) -> None:
        """Close the sockets whose frames never came whole."""
        for descriptor in self._descriptors:
            socket.close(descriptor)
        self._descriptors.clear()


def first_frame(sock: socket.socket) -> tuple[bytes, Frames]:
    """Wait for the first frame, which has no sockets; and what goes on reading. Raises BrokenHandover."""
    frames = Frames()
    while True:
        found = frames.read(sock, most=1)  # whoever started us may have gone on already
        if found:
            ((content, _),) = found
            return content, frames


class Handover:
    """One end, in an event loop. `frame(bytes, descriptors)` is called for each frame that comes, `turn`
    after those of one turn, `ended(why)` once, when the other end is gone; no call follows `close`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        frame: Callable[[bytes, list[int]], None],
        turn: Callable[[], None],
        ended: Callable[[str], None],
        frames: Frames | None = None,
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._frame = frame
        self._turn = turn
        self._ended = ended
        self._frames = frames or Frames()
        self._queue: deque[tuple[memoryview, list[socket.socket]]] = deque()
        self._closed = self._writing = False
        self.queued = 0  # bytes that wait to be written
        loop.add_reader(sock.fileno(), self._ready)
        if frames is not None:
            loop.call_soon(self._first)

    def put(self, content: bytes, sockets: Sequence[socket.socket] = ()) -> None:
        """Send a frame, now or as soon as there is room. Until then its sockets, which are the caller's, must
        be open."""
        if len(content) > MOST_FRAME or len(sockets) > MOST_SOCKETS:
            raise ValueError(f"a frame of {len(content)} bytes and {len(sockets)} sockets")
        frame = memoryview(_HEADER.pack(len(content), len(sockets)) + content)
        self._queue.append((frame, list(sockets)))
        self.queued += len(frame)
        if not self._writing:
            self._write()

    def _write(self) -> None:
        while self._queue and not self._closed:
            frame, sockets = self._queue[0]
            try:
                if sockets:
                    rights = array.array("i", [each.fileno() for each in sockets])
                    sent = self._sock.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                else:
                    sent = self._sock.send(frame)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:  # that means: the other end must read first
                    self._queue.clear()  # it is gone, which the reader tells
                break
            self.queued -= sent
            if sent == len(frame):
                self._queue.popleft()
            else:
                self._queue[0] = frame[sent:], []
        self._watch(bool(self._queue) and not self._closed)

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._sock.fileno(), self._write)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._sock.fileno())
        self._writing = wanted

    def _first(self) -> None:
        """What came together with the first frame."""
        if not self._closed:
            self._ready()

    def _ready(self) -> None:
        why = ""
        try:
            for _ in range(_READS_A_TURN):
                for content, descriptors in self._frames.read(self._sock):
                    self._frame(content, descriptors)
                    if self._closed:
                        return
        except BlockingIOError:
            pass
        except BrokenHandover as broken:
            why = str(broken)
        self._turn()
        if why and not self._closed:
            self._loop.remove_reader(self._sock.fileno())
            self._ended(why)

    def drain(self) -> None:
        """Take what the other end had sent before it ended. Call when it is known to be gone."""
        try:
            while not self._closed:
                for content, descriptors in self._frames.read(self._sock):
                    self._frame(content, descriptors)
        except (BlockingIOError, BrokenHandover):
            pass

    def close(self) -> None:
        """Close this end, and every socket that came and was not taken."""
        if self._closed:
            return
        self._watch(wanted=False)
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        self._queue.clear()
        self._frames.close()
