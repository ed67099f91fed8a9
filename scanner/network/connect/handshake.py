"""What the kernel knows of a handshake: how long it took, whether a SYN was repeated, and what refused it.
Our own clock only says when we came to look, which is later where this machine is busy."""

from __future__ import annotations

import socket
import struct
import sys

from scanner.contact import LOST_AFTER, Refusal

WORTH_ASKING = 0.01  # seconds by our clock; the call costs 1 µs, and no conclusion is drawn from less
_LENGTH = 104  # bytes of struct tcp_info that are asked for, <linux/tcp.h>
_RTT_AT, _REPEATED_AT = 68, 100  # tcpi_rtt in microseconds; tcpi_total_retrans
_LENGTH_WITH_COUNTS, _SEGMENTS_AT = 144, 140  # the same since Linux 4.6; tcpi_segs_in
_NUMBER = struct.Struct("=I")
_TELLS = sys.platform == "linux"  # elsewhere the structure is another one


def connect_seconds(sock: socket.socket, measured: float, lag: float = 0.0) -> float:
    """Seconds that the handshake of a connected socket took. `measured`: from the connect until we looked,
    which may have been `lag` seconds late.

    The round trip, by the kernel; but as long as was measured when a SYN had to be repeated. Where the kernel
    does not tell, what may have been to a second SYN is taken for that: a loss that was none costs time, one
    that is overlooked costs the truth.
    """
    if measured < WORTH_ASKING:
        return measured
    told = _told(sock)
    if told is None:
        return measured if measured > LOST_AFTER else max(0.0, measured - lag)
    round_trip, repeated = told
    return measured if repeated or not round_trip else min(measured, round_trip)


def refused_seconds(sock: socket.socket, measured: float) -> float:
    """Seconds until a refusal came, for a socket whose error is not collected yet; 0.0 when it was to the
    first SYN, so that it is only we who come late."""
    if measured <= LOST_AFTER or (told := _told(sock)) is None:
        return measured
    return measured if told[1] else 0.0


def refused_by(sock: socket.socket) -> Refusal | None:
    """What refused a socket whose error is not collected yet: a reset is a segment that came for it, an ICMP
    message is none. None where the kernel does not say."""
    if not _TELLS:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH_WITH_COUNTS)
    except OSError:
        return None
    if len(info) < _LENGTH_WITH_COUNTS:
        return None
    return Refusal.RESET if _NUMBER.unpack_from(info, _SEGMENTS_AT)[0] else Refusal.ICMP


def _told(sock: socket.socket) -> tuple[float, int] | None:
    """The round trip in seconds, 0.0 where there was none yet, and how many segments were repeated; None
    where the kernel does not say."""
    if not _TELLS:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
    except OSError:
        return None
    if len(info) < _LENGTH:  # Linux before 2.6.32
        return None
    return _NUMBER.unpack_from(info, _RTT_AT)[0] / 1e6, _NUMBER.unpack_from(info, _REPEATED_AT)[0]
