"""When SYNs arrived, as the kernel stamped them."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from tests.support.netns import Namespace

_SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>: the kernel's own time of arrival


class Timestamps:
    """The arrival of every first SYN at corp's device: (seconds, address), as the kernel stamped it."""

    def __init__(self, corp: Namespace) -> None:
        self._corp = corp
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self.seen: list[tuple[float, int]] = []
        self.sources: list[int] = []  # who sent each of them

    def _listen(self) -> None:
        with self._corp.entered():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        sock.settimeout(0.1)
        self._ready.set()
        first: set[bytes] = set()
        with sock:
            while not self._stop.is_set():
                try:
                    packet, ancillary, _, (_, _, kind, *_) = sock.recvmsg(128, 128)
                except TimeoutError:
                    continue
                segment = packet[(packet[0] & 15) * 4 :]
                syn = packet[9] == 6 and segment[13] & 0x17 == 0x02
                flow = packet[12:20] + segment[:2]
                if kind != socket.PACKET_OUTGOING and syn and flow not in first:
                    first.add(flow)  # the kernel's repetitions of a SYN are not ours to pace
                    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                    self.seen.append((seconds + nanoseconds / 1e9, int.from_bytes(packet[16:20], "big")))
                    self.sources.append(int.from_bytes(packet[12:16], "big"))

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(0.2)
        self._stop.set()
        self._thread.join()


def most_in(times: list[float], width: float) -> int:
    """The most events in any window of that width."""
    start, most = 0, 0
    for end, moment in enumerate(times):
        while times[start] < moment - width:
            start += 1
        most = max(most, end - start + 1)
    return most
