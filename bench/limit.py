"""The limit: the same dialogue with nothing around it. One epoll, no checks, no records, no journal.

    python -m bench.limit recycled|classic FIRST COUNT PORT SLOTS RATE

`classic` makes a socket for every target; `recycled` resets its sockets and uses them again
(docs/performance.md). Prints {"found": …, "refused": …, "silent": …} as JSON."""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import select
import socket
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from bench.dialogue import REQUESTS, complete

if TYPE_CHECKING:
    from collections.abc import Iterator

BURST = 100
TIMEOUT = 3.5
_IDLE, _CONNECTING, _TALKING = 9, 0, 1
_libc = ctypes.CDLL(None, use_errno=True)
_libc.connect.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_UNSPEC = bytes(16)


def addresses(first: int, count: int) -> Iterator[str]:
    """Dotted addresses in a scattered order; made as late as the product makes them."""
    multiplier = 0x9E3779B1 if count & (count - 1) == 0 else 1
    for i in range(count):
        n = first + i * multiplier % count
        yield f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


class Scanner:
    """Counts, and a token bucket; the two kinds of socket life are in the subclasses."""

    def __init__(self, first: int, count: int, port: int, slots: int, rate: float) -> None:
        self.todo = addresses(first, count)
        self.port, self.slots, self.rate = port, slots, rate
        self.found = self.refused = self.silent = 0
        self.more = True
        self.deadlines: deque[tuple[float, int, int]] = deque()
        self.generation: dict[int, int] = {}
        self.phase: dict[int, int] = {}
        self.data: dict[int, bytes] = {}
        self.address: dict[int, tuple[str, int]] = {}
        self.sockets: dict[int, socket.socket] = {}
        self.epoll = select.epoll()
        self.tokens, self.last = 1.0, time.monotonic()

    def allowance(self, now: float) -> int:
        """Connects that may start now."""
        self.tokens = min(float(BURST), self.tokens + (now - self.last) * self.rate)
        self.last = now
        return int(self.tokens)

    def run(self) -> None:
        """Until no target is left and none is waited for."""
        while self.more or self.busy():
            now = time.monotonic()
            wanted = min(self.allowance(now), self.room(), BURST) if self.more else 0
            for _ in range(wanted):
                address = next(self.todo, None)
                if address is None:
                    self.more = False
                    break
                self.tokens -= 1
                self.begin((address, self.port), now)
            full = not self.room()
            for fd, event in self.epoll.poll(0.02 if full or not self.more else 0.001, 512):
                self.event(fd, event)
            while self.deadlines and self.deadlines[0][0] <= now:
                _, fd, generation = self.deadlines.popleft()
                if self.generation.get(fd) == generation and self.phase.get(fd, _IDLE) != _IDLE:
                    self.silent += 1
                    self.end(fd)

    def event(self, fd: int, event: int) -> None:
        """Send when connected, read when there is something, end when it is over."""
        phase = self.phase.get(fd, _IDLE)
        if phase == _IDLE:
            return
        if phase == _CONNECTING:
            if event & select.EPOLLERR:
                self.fail(fd)
                return
            if not event & select.EPOLLOUT:
                return
            self.phase[fd] = _TALKING
            self.sockets[fd].send(REQUESTS)
            if not event & select.EPOLLIN:
                return
        try:
            data = self.sockets[fd].recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self.silent += 1
            self.end(fd)
            return
        self.data[fd] = data = self.data.get(fd, b"") + data if self.data.get(fd) else data
        if complete(data):
            self.found += 1
            self.end(fd)

    def busy(self) -> bool:
        """Whether a target is waited for."""
        raise NotImplementedError

    def room(self) -> int:
        """Free slots."""
        raise NotImplementedError

    def begin(self, address: tuple[str, int], now: float) -> None:
        """Start one connect."""
        raise NotImplementedError

    def fail(self, fd: int) -> None:
        """The connect failed."""
        raise NotImplementedError

    def end(self, fd: int) -> None:
        """Give the slot back."""
        raise NotImplementedError


class Classic(Scanner):
    """A socket for every target, closed by RST."""

    def busy(self) -> bool:
        return bool(self.sockets)

    def room(self) -> int:
        return self.slots - len(self.sockets)

    def begin(self, address: tuple[str, int], now: float) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.connect_ex(address)
        fd = sock.fileno()
        self.sockets[fd], self.phase[fd] = sock, _CONNECTING
        self.generation[fd] = self.generation.get(fd, 0) + 1
        self.deadlines.append((now + TIMEOUT, fd, self.generation[fd]))
        self.epoll.register(fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def fail(self, fd: int) -> None:
        code = self.sockets[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.refused += code == errno.ECONNREFUSED
        self.end(fd)

    def end(self, fd: int) -> None:
        self.phase[fd] = _IDLE
        self.data[fd] = b""
        self.sockets.pop(fd).close()


class Recycled(Scanner):
    """Sockets made once, registered once, reset between targets."""

    def __init__(self, first: int, count: int, port: int, slots: int, rate: float) -> None:
        super().__init__(first, count, port, slots, rate)
        self.free: list[int] = []
        for _ in range(slots):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            fd = sock.fileno()
            self.sockets[fd], self.phase[fd], self.generation[fd] = sock, _IDLE, 0
            self.epoll.register(fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
            self.free.append(fd)

    def busy(self) -> bool:
        return len(self.free) < self.slots

    def room(self) -> int:
        return len(self.free)

    def begin(self, address: tuple[str, int], now: float) -> None:
        fd = self.free.pop()
        self.phase[fd], self.address[fd] = _CONNECTING, address
        generation = self.generation[fd] = self.generation[fd] + 1
        self.deadlines.append((now + TIMEOUT, fd, generation))
        self.sockets[fd].connect_ex(address)

    def fail(self, fd: int) -> None:
        code = self.sockets[fd].connect_ex(self.address[fd])  # collects the error and resets the socket
        if code == errno.EINPROGRESS:
            _libc.connect(fd, _UNSPEC, 16)
        self.refused += code == errno.ECONNREFUSED
        self.phase[fd] = _IDLE
        self.free.append(fd)

    def end(self, fd: int) -> None:
        _libc.connect(fd, _UNSPEC, 16)
        self.phase[fd] = _IDLE
        self.data[fd] = b""
        self.free.append(fd)


def main() -> None:
    """Run one kind and print its counts."""
    kind, first, count, port, slots, rate = sys.argv[1:]
    gc.freeze()
    gc.disable()
    made = {"classic": Classic, "recycled": Recycled}[kind]
    scanner = made(int(first), int(count), int(port), int(slots), float(rate))
    scanner.run()
    print(json.dumps({"found": scanner.found, "refused": scanner.refused, "silent": scanner.silent}))


if __name__ == "__main__":
    main()
