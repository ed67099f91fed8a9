"""Clients that never finish their requests, in a process of their own, with its own descriptors."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def slow_clients(port: int, count: int) -> Iterator[None]:
    """`count` of them are connected to `port` of loopback, and have begun to ask, until the block ends."""
    command = [sys.executable, "-m", __name__, str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"connected\n"
            yield
        finally:
            process.stdin.close()
            process.wait()


def main(port: int, count: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
