"""A listener of our own on loopback that counts who connects, to which address and when."""

from __future__ import annotations

import socket
import threading
import time
from collections import defaultdict
from contextlib import suppress
from typing import Self


class Listener:
    """Every address of 127.0.0.0/8 on one port: accepts, notes which one and when, and says
    that it is something else."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("0.0.0.0", 0), backlog=512)
        self.port = self._socket.getsockname()[1]
        self.times: dict[str, list[float]] = defaultdict(list)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            with accepted:
                self.times[accepted.getsockname()[0]].append(time.monotonic())
                with suppress(OSError):
                    accepted.sendall(b"220 mail.example.com ESMTP\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def asked(self, low: int, high: int) -> dict[str, list[float]]:
        """When the addresses 127.91.0.low … high were connected to."""
        return {ip: times for ip, times in self.times.items() if low <= int(ip.rsplit(".", 1)[1]) <= high}

    def last(self, low: int, high: int) -> float:
        return max((time for times in self.asked(low, high).values() for time in times), default=0.0)
