"""A scheduler that dies, freezes and comes back as another version, and workers that are lost for good."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.fleet.carrier import Failed
from scanner.fleet.dask.carrier import LOST, DaskCarrier, Pace
from scanner.fleet.messages import Ended, Going
from tests.support.dask_processes import Fleet, a_shard, failures, heard, over, told, until, until_there

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("dask")
PACE = Pace(look=0.3, silent=3.0)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    settings = {
        "distributed.scheduler.allowed-failures": "0",
        "distributed.scheduler.no-workers-timeout": "500ms",
    }
    fleet = Fleet(tmp_path_factory.mktemp("lost"), **settings)
    try:
        fleet.start_scheduler()
        yield fleet
    finally:
        fleet.close()


def lines_of(fleet: Fleet) -> list[str]:
    """What workers logged."""
    return fleet.log("worker").splitlines()


async def test_what_no_worker_survives_or_comes_for_is_told(fleet: Fleet) -> None:
    worker = fleet.start_worker("oslo", "oslo-1")
    async with DaskCarrier(fleet.address, fleet.own("coordinator"), pace=PACE) as carrier:
        carrier.give(a_shard("quick-1", "rome"))
        events = await until(carrier, over("quick-1"))
        assert failures(events) == [Failed("quick-1", 1, "", "no worker was there for it for too long")]
        await until_there(carrier, "oslo")
        carrier.give(a_shard("slow-1", "oslo"))
        await until(carrier, lambda events: heard(events, Going))
        worker.send_signal(signal.SIGKILL)
        is_over = over("slow-1")
        events = await until(carrier, lambda events: is_over(events) and told(events))
        why = "worker after worker died while asking it"
        assert failures(events) == [Failed("slow-1", 1, "oslo-1", why)]
        assert told(events) == ["worker gone: oslo-1 (oslo)"]
        assert carrier.workers() == ()


async def test_a_scheduler_that_was_lost_is_gone_back_to(fleet: Fleet) -> None:
    fleet.start_worker("paris", "paris-1", "--lease=6")
    beside = fleet.start_coordinator()
    came, is_back = "told: worker came: paris-1 (paris)", f"told: the scheduler is back ({fleet.address})"
    await asyncio.to_thread(fleet.wait_for_line, "coordinator", came)
    async with DaskCarrier(fleet.address, fleet.own("coordinator"), pace=PACE) as carrier:
        for name, how in (("slow-2", signal.SIGSTOP), ("slow-3", signal.SIGKILL)):
            await until_there(carrier, "paris")
            carrier.give(a_shard(name, "paris"))
            await until(carrier, lambda events: heard(events, Going))
            fleet.scheduler.send_signal(how)
            events = await until(carrier, failures)
            assert carrier.capacity("paris") == 0, "what is given now would come back at once"
            assert carrier.workers() == (), "they are not there and idle"
            events = [*events, *await until(carrier, told)]
            assert failures(events) == [Failed(name, 1, "", LOST)]
            assert (carrier.capacity("paris"), carrier.workers()) == (0, ())
            carrier.give(a_shard("quick-2", "paris"))
            assert failures(await until(carrier, over("quick-2"))) == [Failed("quick-2", 1, "", LOST)]
            # Frozen or dead, its worker hears nothing of it and does not go on for long.
            await asyncio.to_thread(fleet.wait_for, "stopped", name)
            fleet.scheduler.send_signal(signal.SIGCONT)
        fleet.start_scheduler("--version=0.0.9")
        is_old = f"the scheduler at {fleet.address} is version 0.0.9, this machine has"
        await until(carrier, lambda events: any(is_old in line for line in told(events)))
        with pytest.raises(RefusedError, match=is_old):
            async with DaskCarrier(fleet.address, fleet.own("coordinator"), pace=PACE):
                pass
        fleet.scheduler.kill()
        fleet.start_scheduler()
        await until_there(carrier, "paris")
        carrier.give(a_shard("quick-3", "paris"))
        assert heard(await until(carrier, over("quick-3")), Ended)
        assert any("shard quick-3 of run" in line and ": complete in " in line for line in lines_of(fleet))
    await asyncio.to_thread(fleet.wait_for_line, "coordinator", is_back)
    beside.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(beside.wait, 30) == 0
    lines = fleet.log("coordinator").splitlines()
    ours = ("told: worker ", "told: the scheduler ", "told: no connection to ")
    assert [line for line in lines if not line.startswith(ours)] == [], "nothing of Dask's own"
