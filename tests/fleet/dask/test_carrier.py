"""Shards by way of Dask: real processes, real TLS, workers and a scheduler that die, freeze and come back.

What sweeps a shard is `tests/support/shard_speaker.py`, which sends nothing.
"""

from __future__ import annotations

import asyncio
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from scanner.fleet.carrier import Failed, Heard
from scanner.fleet.dask import carrier as carrying
from scanner.fleet.dask.carrier import DaskCarrier, Pace
from scanner.fleet.dask.known import KnownWorkers
from scanner.fleet.messages import Began, Ended, Going, Lines, Refused, digest_of
from tests.support.dask_processes import (
    Fleet,
    a_shard,
    failures,
    heard,
    messages,
    over,
    told,
    until,
    until_there,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.xdist_group("dask")
PACE = Pace(look=0.3)
LEASE = 6.0  # seconds, where a test waits for its end
TTL = 12  # seconds after which a scheduler of ours gives a silent worker up


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), **{"distributed.scheduler.worker-ttl": f"{TTL}s"})
    try:
        fleet.start_scheduler()
        fleet.start_worker("paris", "paris-1")
        yield fleet
    finally:
        fleet.close()


def carrier_of(fleet: Fleet) -> DaskCarrier:
    return DaskCarrier(fleet.address, fleet.own("coordinator"), pace=PACE)


async def test_a_shard_comes_back_whole_and_most_of_it_ahead_of_the_end(fleet: Fleet) -> None:
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "paris")
        (worker,) = [each for each in carrier.workers() if each.site == "paris"]
        assert (worker.name, worker.unfit, worker.clock_skew) == ("paris-1", "", 0.0)
        carrier.give(a_shard("slow-1", "paris"))
        early = await until(carrier, lambda events: heard(events, Going))
        assert [type(each.message) for each in early if isinstance(each, Heard)] == [Began, Lines, Going]
        await until(carrier, lambda _: any(each.busy for each in carrier.workers()))
        fleet.go("slow-1")
        late = await until(carrier, over("slow-1"))
        assert not heard(late, Began), "a beginning counts the batches that follow from one"
        (ended,) = messages(late, Ended)
        batches = {m.number: m.lines for m in messages(early + late, Lines)}
        lines = [bytes(line) for number in sorted(batches) for line in batches[number]]
        assert (len(lines), digest_of(lines)) == (ended.lines, ended.digest)
        assert {each.worker for each in heard(early + late, Lines)} == {"paris-1"}


@pytest.mark.parametrize(
    ("name", "worker", "why"),
    [
        ("failing-1", "paris-1", "the process of the shard failed: it ended with code 1: it is out of order"),
        ("nonsense-1", "paris-1", "the process of the shard failed: no message: "),
    ],
)
async def test_what_a_process_failed_with_is_told(fleet: Fleet, name: str, worker: str, why: str) -> None:
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "paris")
        carrier.give(a_shard(name, "paris"))
        failed = (await until(carrier, over(name)))[-1]
        assert isinstance(failed, Failed)
        assert (failed.worker, failed.why[: len(why)]) == (worker, why)


async def test_a_refusal_is_passed_on_and_a_worker_goes_on_with_the_next(fleet: Fleet) -> None:
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "paris")
        carrier.give(a_shard("refused-1", "paris"))
        carrier.give(a_shard("quick-1", "paris"))
        events = await until(carrier, over("quick-1"))
        assert [(each.worker, each.code) for each in messages(events, Refused)] == [("paris-1", "scope")]
        assert not [each for each in events if isinstance(each, Failed)]


async def test_what_is_withdrawn_is_stopped_and_makes_room(fleet: Fleet) -> None:
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "paris")
        carrier.give(a_shard("slow-2", "paris"))
        await until(carrier, lambda events: heard(events, Going))
        carrier.withdraw("slow-2", 1)
        carrier.give(a_shard("quick-2", "paris"))
        events = await until(carrier, over("quick-2"))
        assert [note.what for note in fleet.notes("slow-2")] == ["began", "stopped"]
        assert not [each for each in events if isinstance(each, Failed)], "nobody waits for it any more"


async def test_a_coordinator_that_is_slow_is_not_filled_up(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "MOST_WAITING", 1)
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "paris")
        carrier.give(a_shard("quick-5", "paris"))
        await asyncio.to_thread(fleet.wait_for, "ended", "quick-5")
        await asyncio.sleep(0.5)
        events = await until(carrier, over("quick-5"))
        kinds = [type(each.message) for each in events if isinstance(each, Heard)]
        assert kinds == [Began, Lines, Lines, Lines, Ended]


async def test_a_coordinator_that_leaves_stops_what_it_had_under_way(fleet: Fleet) -> None:
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "paris")
        carrier.give(a_shard("slow-3", "paris"))
        await until(carrier, lambda events: heard(events, Going))
        left = time.monotonic()
    assert time.monotonic() - left < 15
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "paris")
        carrier.give(a_shard("quick-3", "paris"))
        await until(carrier, over("quick-3"))
    assert [note.what for note in fleet.notes("slow-3")] == ["began", "stopped"]


async def test_a_site_without_workers_has_no_room_until_one_comes(fleet: Fleet) -> None:
    async with carrier_of(fleet) as carrier:
        assert carrier.capacity("oslo") == 0
        fleet.start_worker("oslo", "oslo-1", "--most-result=1")
        await until(carrier, lambda events: "worker came: oslo-1 (oslo)" in told(events))
        assert carrier.capacity("oslo") == 2
        carrier.give(a_shard("quick-4", "oslo"))
        events = await until(carrier, over("quick-4"))
        assert {each.worker for each in heard(events, Ended)} == {"oslo-1"}
        assert [each.number for each in messages(events, Lines)] == [1, 2, 3], "ahead, and not in the result"


async def test_the_shard_of_a_worker_that_was_killed_is_done_by_another_one(fleet: Fleet) -> None:
    workers = {name: fleet.start_worker("lyon", name) for name in ("lyon-1", "lyon-2")}
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "lyon", 2)
        carrier.give(a_shard("slow-5", "lyon"))
        (began,) = heard(await until(carrier, lambda events: heard(events, Going)), Began)
        workers[began.worker].send_signal(signal.SIGKILL)
        (again,) = heard(await until(carrier, lambda events: heard(events, Began)), Began)
        assert {began.worker, again.worker} == set(workers)
        fleet.go("slow-5")
        (ended,) = heard(await until(carrier, over("slow-5")), Ended)
        assert ended.worker == again.worker
        # Who is gone is told at once, or when it has not been heard for `worker-ttl`.
        await until(carrier, lambda _: carrier.capacity("lyon") == 2, seconds=150.0)
    whose = {note.pid: note.what for note in fleet.notes("slow-5")}
    assert sorted(whose.values()) == ["ended", "left"], "the process of the dead worker did not stay behind"


async def test_a_frozen_workers_shard_is_let_be_before_another_one_has_it(fleet: Fleet) -> None:
    workers = {n: fleet.start_worker("rome", n, f"--lease={LEASE}") for n in ("rome-1", "rome-2")}
    async with carrier_of(fleet) as carrier:
        await until_there(carrier, "rome", 2)
        carrier.give(a_shard("slow-6", "rome"))
        (began,) = heard(await until(carrier, lambda events: heard(events, Going)), Began)
        workers[began.worker].send_signal(signal.SIGSTOP)
        (again,) = heard(await until(carrier, lambda events: heard(events, Began)), Began)
        assert {began.worker, again.worker} == set(workers)
        at = {(note.what, note.worker): note.at for note in fleet.notes("slow-6")}
        assert at["lapsed", began.worker] < at["began", again.worker]
        fleet.go("slow-6")
        await until(carrier, over("slow-6"))
        workers[began.worker].send_signal(signal.SIGCONT)
        after = await until(carrier, lambda _: any(each.name == began.worker for each in carrier.workers()))
        assert not heard(after, Ended), "what it had is nobody's any more"
        assert not [each for each in after if isinstance(each, Failed)]


async def test_workers_that_cannot_be_used_are_told_and_given_nothing(fleet: Fleet) -> None:
    fleet.start_worker("bern", "bern-old", "--version=0.0.9")
    fleet.start_worker("bern", "bern-late", "--clock=-3600")
    fleet.start_worker("bern", "bern-bad", "--problem=its scope cannot be read")
    async with carrier_of(fleet) as carrier:
        await until(carrier, lambda _: sum(each.site == "bern" for each in carrier.workers()) == 3)
        assert carrier.capacity("bern") == 0
        unfit = {each.name: each.unfit for each in carrier.workers() if each.site == "bern"}
        assert unfit["bern-old"].startswith("it is version 0.0.9")
        assert re.fullmatch(r"its clock is 3,[56]\d\d s behind the coordinator's; .*", unfit["bern-late"])
        assert unfit["bern-bad"] == "its scope cannot be read"
        carrier.give(a_shard("quick-bern0", "bern"))
        events = await until(carrier, over("quick-bern0"))
        assert failures(events) == [Failed("quick-bern0", 1, "", "no worker of its site can be used")]
        good = fleet.start_worker("bern", "bern-good")
        await until_there(carrier, "bern")
        carrier.give(a_shard("quick-bern1", "bern"))
        carrier.give(a_shard("quick-bern2", "bern"))
        await until(carrier, over("quick-bern2"))
        carrier.give(a_shard("slow-bern3", "bern"))
        await until(carrier, lambda events: heard(events, Going))
        good.send_signal(signal.SIGKILL)
        events = await until(carrier, over("slow-bern3"))
        why = "the workers that it was meant for are gone"
        assert failures(events) == [Failed("slow-bern3", 1, "", why)]
    assert {note.worker for note in fleet.notes() if "bern" in note.name} == {"bern-good"}


async def test_a_bug_in_what_goes_on_beside_reaches_who_waits(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with carrier_of(fleet) as carrier:
        monkeypatch.setattr(KnownWorkers, "look", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await until(carrier, lambda _: False)
