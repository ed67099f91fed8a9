"""The guard that keeps tests on this machine: it stops traffic before a packet exists."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.conftest import TrafficLeftLoopbackError, on_loopback
from tests.support.streams import stream_server


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "169.254.169.254", "::ffff:192.0.2.1"])
def test_refuses_every_other_address(host: str) -> None:
    """Not one packet leaves, whatever the address looks like."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as stream, pytest.raises(TrafficLeftLoopbackError):
        stream.connect((host, 27017))
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams, pytest.raises(TrafficLeftLoopbackError):
        datagrams.sendto(b"x", (host, 27017))


def test_refuses_to_resolve_names() -> None:
    """A name needs a resolver, which is traffic too."""
    with pytest.raises(TrafficLeftLoopbackError):
        socket.getaddrinfo("mongo.example.com", 27017)


@pytest.mark.both_loops
async def test_lets_loopback_through() -> None:
    """All of 127.0.0.0/8 is ours."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with stream_server(close, "127.1.2.3") as port:
        reader, writer = await asyncio.open_connection("127.1.2.3", port)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.200.3.4", "::1", "localhost", None)],
        *[(host, False) for host in ("128.0.0.1", "0.0.0.0", "example.com", "::2")],
    ],
)
def test_knows_loopback(host: str | None, loopback: bool) -> None:
    """Literal addresses, and the one name that always is."""
    assert on_loopback(host) is loopback
