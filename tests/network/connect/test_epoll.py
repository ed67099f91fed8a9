"""What only the connector with its own epoll set does."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import LocalFault
from scanner.network.connect.epoll import EpollConnector
from targets.entries import Entry
from targets.scope import Scope
from tests.network.connect.peers import FAST, Notes, closed_port, echo, scope
from tests.support.streams import stream_server

if TYPE_CHECKING:
    import pytest


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_too_few_descriptors_shrink_the_capacity_and_are_no_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And when descriptors are back, it grows again."""
    monkeypatch.setattr("scanner.network.connect.epoll.GROWTH_INTERVAL", 0.05)
    notes, port = Notes(), closed_port()
    allowed = scope(port)
    connector = EpollConnector(
        asyncio.get_running_loop(), notes, lambda target: allowed.permits(target, 0.0), FAST, 24
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_open_descriptors() + 4, hard))
    try:
        for turn in range(40):
            if connector.free:
                connector.connect(allowed.target(f"127.1.0.{turn}", port), turn)
        shrunk = connector.capacity
        await notes.until(lambda: connector.busy == 0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        async with asyncio.timeout(10):
            while connector.capacity < 24:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        connector.close()
    faults = [event for event in notes.events if event[0] == "fault"]
    assert faults
    assert all(event[2] is LocalFault.DESCRIPTORS for event in faults)
    assert all(event[2] is Verdict.REFUSED for event in notes.events if event[0] == "failed")
    assert shrunk < 20


async def test_ipv6_and_ipv4_trade_slots() -> None:
    notes = Notes()
    async with stream_server(echo, "::1") as port:
        allowed = Scope([Entry.of("127.0.0.1", kind="lab"), Entry.of("::1", kind="lab")], ports=[port])
        connector = EpollConnector(
            asyncio.get_running_loop(), notes, lambda target: allowed.permits(target, 0.0), FAST, 1
        )
        with contextlib.closing(connector):
            for turn, host in enumerate(("::1", "127.0.0.1", "::1")):
                connector.connect(allowed.target(host, port), turn)
                await notes.until(lambda: connector.free == 1)
    assert notes.kinds() == ["connected", "received", "failed", "connected", "received"]
