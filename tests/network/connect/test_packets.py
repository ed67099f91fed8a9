"""What leaves for a target besides the SYN, the questions and the RST: nothing that can be saved."""

from __future__ import annotations

import select
import socket
import struct
import sys

import pytest

from scanner.network.connect.slot import disconnector, new_socket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO as Linux has it")
_SEGMENTS_OUT = struct.Struct("I")
_AT = 136  # of tcpi_segs_out in struct tcp_info (linux/tcp.h)


def segments_out(sock: socket.socket) -> int:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    count: int = _SEGMENTS_OUT.unpack_from(info, _AT)[0]
    return count


def test_the_first_write_carries_the_ack_of_the_handshake() -> None:
    """Also in a socket's second life, after it was reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener, new_socket(4) as sock:
        for _ in range(2):
            sock.connect_ex(listener.getsockname())
            writable = select.poll()
            writable.register(sock, select.POLLOUT)
            assert writable.poll(5000)
            assert segments_out(sock) == 1  # the SYN
            sock.send(b"questions")
            assert segments_out(sock) == 2
            server, _ = listener.accept()
            with server:
                assert server.recv(100) == b"questions"
                disconnector(sock.fileno())()
