"""A worker that is told to end in the middle of a shard: the shard's process has ended before another worker
is given it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from scanner.fleet.dask.carrier import DaskCarrier, Pace
from scanner.fleet.messages import Going
from tests.support.dask_processes import Fleet, a_shard, heard, over, until, until_there

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("dask")


async def test_a_worker_that_is_told_to_end_stops_its_shard(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    try:
        fleet.start_scheduler()
        first = fleet.start_worker("paris", "paris-1")
        async with DaskCarrier(fleet.address, fleet.own("coordinator"), pace=Pace(look=0.3)) as carrier:
            await until_there(carrier, "paris")
            carrier.give(a_shard("lazy-1", "paris"))
            await until(carrier, lambda events: heard(events, Going))
            fleet.start_worker("paris", "paris-2")
            first.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.wait, 60) == 0
            fleet.go("lazy-1")
            await until(carrier, over("lazy-1"))
            notes = fleet.notes("lazy-1")
            assert [(note.what, note.worker) for note in notes[:2]] == [
                ("began", "paris-1"),
                ("stopped", "paris-1"),
            ], "nobody asks beside it"
            assert ": attempt 1, " in fleet.log("worker"), "who runs a worker sees what it does"
    finally:
        fleet.close()
