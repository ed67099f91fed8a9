"""The process in which the official driver runs: limits first, then one question a line, one answer a line.

It ends when its input ends. Whatever a server does to it costs this process and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from typing import Any

import msgspec

from scanner.network.driver.driver import DriverOpinion, DriverQuestion, ask

ADDRESS_SPACE = 320 * 1024 * 1024
"""Bytes of address space. Measured: 44 MB resident and 195 MB mapped while asking a well-behaved server
(thread stacks, allocator arenas); a reply of 48 MB fits, what decoding could make of it does not."""

THREAD_STACK = 512 * 1024
"""Bytes of stack of each of the driver's threads. They outlive their client by half a second, and at the
usual 8 MB each a few quick answers in a row would fill the address space."""

_FORBIDDEN = frozenset(
    {
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "subprocess.Popen",
        "os.exec",
        "os.fork",
        "os.posix_spawn",
    }
)


class ConnectFilter:
    """An audit hook: this process can connect to the one address that it was asked about, and to no other.

    Python's audit hooks cannot be removed again, and the driver's sockets all raise `socket.connect`.
    """

    def __init__(self) -> None:
        self.permitted: tuple[str, int] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse with an OSError, which the driver treats as a failed connect."""
        if event == "socket.connect" and tuple(arguments[1][:2]) != self.permitted:
            raise PermissionError(f"connect to {arguments[1]!r} refused: not the target")
        if event == "socket.getaddrinfo" and (self.permitted is None or arguments[0] != self.permitted[0]):
            raise PermissionError(f"resolving {arguments[0]!r} refused: not the target")
        if event in _FORBIDDEN:
            raise PermissionError(f"{event} refused in the driver's worker")


def limit_memory() -> None:
    """Cap the address space where the system can; elsewhere the kill timer alone holds."""
    threading.stack_size(THREAD_STACK)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on every platform

        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(line: bytes, connect_filter: ConnectFilter) -> DriverOpinion:
    """Put one question, with a timer whose signal kills this process when the driver does not come back."""
    question = msgspec.json.decode(line, type=DriverQuestion)
    connect_filter.permitted = (question.ip, question.port)
    signal.setitimer(signal.ITIMER_REAL, question.seconds)
    try:
        return asyncio.run(ask(question))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        connect_filter.permitted = None


def main() -> None:
    """Serve questions until the input ends."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    import motor.motor_asyncio  # noqa: F401 - paid before "ready", not inside a question's deadline

    limit_memory()
    connect_filter = ConnectFilter()
    sys.addaudithook(connect_filter)
    output = sys.stdout.buffer
    output.write(b"ready\n")
    output.flush()
    for line in sys.stdin.buffer:
        try:
            opinion = answer(line, connect_filter)
        except MemoryError as error:
            opinion = DriverOpinion("too_much", error=f"MemoryError: {error}")
        except Exception as error:  # noqa: BLE001 - a fault of ours is no opinion, and must be readable
            opinion = DriverOpinion("not_asked", error=f"{type(error).__name__}: {error}"[:300])
        output.write(msgspec.json.encode(opinion) + b"\n")
        output.flush()


if __name__ == "__main__":
    main()
