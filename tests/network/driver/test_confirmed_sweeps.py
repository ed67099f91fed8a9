"""`--confirm` in whole sweeps: the driver reaches each open server in the way in which we did."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from results.verdict import Verdict
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from targets.entries import Entry
from targets.scope import Scope
from tests.network.driver.peers import databases, scripted
from tests.support.streams import stream_server
from tests.support.sweeps import found, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from results.record import Confirmation
    from tests.support.streams import Handler

OP_MSG = 2013


def no_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return True
    return False


@contextlib.contextmanager
def standing(handler: Handler, host: str, port: int) -> Iterator[None]:
    """A server in a thread of its own."""
    loop, started = asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        async with stream_server(handler, host, port):
            started.set()
            await ended.wait()

    ended = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert started.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def confirmed(tmp_path: Path, ip: str, port: int) -> tuple[Verdict, Confirmation | None]:
    """The verdict of one server, and what the driver made of it."""
    scope = Scope([Entry.of(ip, owner="web platform", kind="lab")], ports=[port])
    summary, _ = sweep(scope, tmp_path, confirm=True)
    line = found(summary.run_dir)[ip]
    agrees = line.confirmation.agrees if line.confirmation is not None else None
    assert summary.agreed == (agrees is True, agrees is None, agrees is False)
    return line.verdict, line.confirmation


@pytest.mark.skipif(no_ipv6(), reason="no IPv6 loopback here")
@pytest.mark.parametrize("name", ["primary", "empty", "tls_open"])
def test_a_server_on_ipv6_is_confirmed(tmp_path: Path, port: int, name: str) -> None:
    with LabThread({("::1", port): find(name)}):
        verdict, confirmation = confirmed(tmp_path, "::1", port)
    assert verdict.is_open
    assert confirmation is not None
    assert confirmation.agrees is True, confirmation.detail


def test_a_name_longer_than_both_keep_is_no_difference(tmp_path: Path, port: int) -> None:
    answers = {"listDatabases": databases("a" * 300, "é" * 257, "shop")}
    with standing(scripted(answers), "127.91.0.1", port):
        verdict, confirmation = confirmed(tmp_path, "127.91.0.1", port)
    assert verdict is Verdict.OPEN
    assert confirmation is not None
    assert confirmation.agrees is True, confirmation.detail


def test_a_server_that_spoke_in_the_clear_after_all_is_asked_in_the_clear(tmp_path: Path, port: int) -> None:
    """It hangs up on the old handshake and on TLS, and answers to a message; so it must be asked that way."""
    answer = scripted({"listDatabases": databases("shop")})

    async def choosy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(16)
        if struct.unpack("<iiii", head)[3] != OP_MSG:
            return
        whole = asyncio.StreamReader()
        whole.feed_data(head)

        async def pass_on() -> None:
            while data := await reader.read(65536):
                whole.feed_data(data)
            whole.feed_eof()

        passing = asyncio.ensure_future(pass_on())
        try:
            await answer(whole, writer)
        finally:
            passing.cancel()

    with standing(choosy, "127.91.0.1", port):
        verdict, confirmation = confirmed(tmp_path, "127.91.0.1", port)
    assert verdict is Verdict.OPEN
    assert confirmation is not None
    assert confirmation.agrees is True, confirmation.detail
