"""Jobs as processes: what they are told of a configuration that was read again."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec

from scanner.clock import SystemClock
from scanner.service import working
from scanner.service.store import Store
from scanner.service.working import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from scanner.service.jobs import Job

# Ends with 42 at SIGHUP, once it says that it can.
PROGRAM = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGHUP, lambda *_: os._exit(42))
pathlib.Path(sys.argv[1]).touch()
time.sleep(30)
"""


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    while not is_so():  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.02)


class Beginning(Workshop):
    """Whose jobs have no run until they are let."""

    has_run = False

    def _with_run(self, job: Job) -> Job:
        return msgspec.structs.replace(job, run_id="run-1") if type(self).has_run else job


async def test_a_sweep_that_has_only_begun_reads_its_scope_again_once_it_has_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "PROGRAM", (sys.executable, "-c", PROGRAM))
    monkeypatch.setattr(Beginning, "has_run", False)
    ended: list[Job] = []
    store = Store.open(tmp_path, "2026-03-08T12:00:00.000Z")
    workshop = Beginning(tmp_path, store, SystemClock(), ended.append)
    ready = tmp_path / "ready"
    job = workshop.start("sweep", ("mongosweep", str(ready)))
    async with asyncio.timeout(20):
        await until(ready.exists)
        workshop.hang_up()
        workshop.look()
        await asyncio.sleep(0.1)
        assert [each.job_id for each in workshop.running] == [job.job_id]  # no signal that it cannot take yet
        Beginning.has_run = True
        workshop.look()
        await until(lambda: bool(ended))
    assert ended[0].exit_code == 42


async def test_a_sweep_that_outlived_its_service_reads_its_scope_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "PROGRAM", (sys.executable, "-c", PROGRAM))
    monkeypatch.setattr(Beginning, "has_run", True)
    ended: list[Job] = []
    store = Store.open(tmp_path, "2026-03-08T12:00:00.000Z")
    killed = Beginning(tmp_path, store, SystemClock(), ended.append)
    ready = tmp_path / "ready"
    killed.start("sweep", ("mongosweep", str(ready)))
    async with asyncio.timeout(20):
        await until(ready.exists)
        after = Beginning(tmp_path, store, SystemClock(), ended.append)
        after.take_over()
        after.look()
        await until(lambda: len(ended) == 2)
    assert {each.exit_code for each in ended} == {42, None}
