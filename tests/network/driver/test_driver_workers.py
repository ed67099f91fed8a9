"""The processes that the second opinion is asked in: used again, ended, fenced, and told nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from scanner.network.driver.driver import DriverQuestion, SecondOpinion, has_ended
from scanner.network.driver.worker import ConnectFilter
from scanner.program import without_secrets

if TYPE_CHECKING:
    from targets.scope import Target

from tests.network.driver.peers import databases, lab_scope, permits, scripted
from tests.support.streams import stream_server


async def test_workers_are_used_again_and_end_with_us() -> None:
    """One worker serves one target after another, and no process is left."""
    async with stream_server(scripted({"listDatabases": databases("a")})) as port:
        scope = lab_scope(port)
        target: Target = scope.target("127.0.0.1", port)
        async with SecondOpinion(permits(scope), workers=2) as opinions:
            seen = [(await opinions.ask(target, tls=False)).verdict for _ in range(60)]
            (worker,) = opinions._all
            pid = worker.process.pid
            os.kill(pid, 0)
            worker.process.kill()  # it died by itself: the next question gets another
            await worker.process.wait()
            seen.append((await opinions.ask(target, tls=False)).verdict)
    assert seen == ["open"] * 61
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_cancelled_question_leaves_no_process() -> None:
    """Ctrl-C in the middle of a question stops the worker."""
    arrived = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with stream_server(silent) as port:
        scope = lab_scope(port)
        async with SecondOpinion(permits(scope), workers=1, timeout=30) as opinions:
            task = asyncio.create_task(opinions.ask(scope.target("127.0.0.1", port), tls=False))
            await arrived.wait()
            (worker,) = opinions._all
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert worker.process.returncode is not None


def test_a_process_that_ended_by_itself_keeps_its_status_for_whoever_waits() -> None:
    child = subprocess.Popen([sys.executable, "-Ic", "input(); raise SystemExit(7)"], stdin=subprocess.PIPE)
    assert not has_ended(child.pid)
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.close()
    until = time.monotonic() + 60
    while not has_ended(child.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert child.wait(60) == 7, "nobody collected it"
    assert has_ended(child.pid)


def test_the_fence_lets_one_address_through() -> None:
    """The worker's process can reach the address of its question and no other."""
    connect_filter = ConnectFilter()
    with pytest.raises(PermissionError):
        connect_filter("socket.connect", (None, ("127.0.0.1", 27017)))
    connect_filter.permitted = ("127.0.0.1", 27017)
    connect_filter("socket.connect", (None, ("127.0.0.1", 27017)))
    connect_filter("socket.getaddrinfo", ("127.0.0.1", 27017, 0, 0, 0))
    connect_filter("open", ("/etc/hosts", "r", 0))
    refused: list[tuple[str, tuple[Any, ...]]] = [
        ("socket.connect", (None, ("127.0.0.1", 27018))),
        ("socket.connect", (None, ("127.0.0.2", 27017, 0, 0))),
        ("socket.getaddrinfo", ("responder.example.com", 80, 0, 0, 0)),
        ("subprocess.Popen", ("sh", [], None, None)),
    ]
    for event, arguments in refused:
        with pytest.raises(PermissionError):
            connect_filter(event, arguments)


def test_workers_do_not_inherit_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in `MONGOSWEEP_*` is not for a process that talks to strangers."""
    monkeypatch.setenv("MONGOSWEEP_TOKEN", "secret")
    assert "MONGOSWEEP_TOKEN" not in without_secrets()


def test_a_question_has_a_whole_deadline() -> None:
    """Selecting and asking may each take the timeout."""
    assert DriverQuestion("127.0.0.1", 27017, False, 2.0, "tests").seconds == 5.0
