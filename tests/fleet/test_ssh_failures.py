"""Shards over a real ssh that go wrong: connections that are cut or dead, nonsense, hosts that fail, and who
leaves or is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from scanner.fleet.carrier import Failed, Heard, WorkersChanged
from scanner.fleet.messages import Ended, Lines, Refused
from scanner.fleet.shard_process import LEASE
from tests.support import sshd as real
from tests.support.serving import wait_until
from tests.support.shards import shard_of
from tests.support.ssh_hosts import QUICK, ROOT, World, begins, ends, shard, until, wait_for


async def test_a_cut_connection_is_told_and_another_host_does_the_shard(world: World) -> None:
    async with world.carrier("waits,works", QUICK._replace(lease=1.5)) as carrier:
        carrier.give(shard(1))
        await until(carrier, begins)
        session = real.session_of(int(await wait_for(world.of("waits") / "pid")))
        os.kill(session, signal.SIGKILL)
        cut = time.monotonic()
        failed = (await until(carrier, ends))[-1]
        assert time.monotonic() - cut > 1.5  # until then the process there may believe that it is wanted
        assert isinstance(failed, Failed)
        assert failed.worker == ""  # the way was lost: nothing is said against the shard
        assert failed.why.startswith("waits: the connection was cut")
        assert await wait_for(world.of("waits") / "ended-by") == "end of stdin"
        carrier.give(shard(1, attempt=2))
        ended = (await until(carrier, ends))[-1]
        assert isinstance(ended, Heard)
        assert ended.worker == "works"


async def test_a_connection_that_is_dead_is_noticed_by_ssh(world: World) -> None:
    options = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")
    async with world.carrier("waits,works", QUICK, *options) as carrier:
        carrier.give(shard(1))
        await until(carrier, begins)
        session = real.session_of(int(await wait_for(world.of("waits") / "pid")))
        os.kill(session, signal.SIGSTOP)
        try:
            failed = (await until(carrier, ends))[-1]
        finally:
            os.kill(session, signal.SIGKILL)
        assert isinstance(failed, Failed)
        assert failed.why == "waits: the connection was cut"


async def test_a_process_that_says_nothing_any_more_is_given_up(world: World) -> None:
    async with world.carrier("waits", QUICK._replace(quiet=0.3)) as carrier:
        carrier.give(shard(1))
        failed = (await until(carrier, ends))[-1]
    assert failed == Failed("paris-1", 1, "waits", "nothing was heard of it for 0.3 s")
    assert await wait_for(world.of("waits") / "ended-by") == "end of stdin"


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("nonsense", "no message: JSON is malformed: invalid character (byte 0): 'Segmentation fault'"),
        ("other-shard", "it speaks of another shard: 'another'"),
    ],
)
async def test_nonsense_fails_the_shard_at_its_worker(host: str, says: str, world: World) -> None:
    async with world.carrier(host) as carrier:
        carrier.give(shard(1))
        failed = (await until(carrier, ends))[-1]
    assert failed == Failed("paris-1", 1, host, says)


async def test_a_host_that_fails_again_and_again_is_left_alone_for_a_while(world: World) -> None:
    async with world.carrier("fails") as carrier:
        for number in range(1, 4):
            carrier.give(shard(1, attempt=number))
            failed = (await until(carrier, ends))[-1]
            why = "mongosweep ended there with code 4 (the disk is full)"
            assert failed == Failed("paris-1", number, "fails", why)
        told = f"fails: given nothing: it failed 3 times in a row, at last because {why}"
        assert await carrier.next() == WorkersChanged((told,))
        assert carrier.capacity("paris") == 0
        carrier.give(shard(1, attempt=4))
        assert await carrier.next() == Failed("paris-1", 4, "", "no host of site paris can be used")
        assert await carrier.next() == WorkersChanged(("fails: it can be used again",))
        assert carrier.capacity("paris") == 1


async def test_a_host_that_refuses_rests_before_the_next(world: World) -> None:
    async with world.carrier("refuses,works") as carrier:
        carrier.give(shard(1))
        refused = (await until(carrier, ends))[-1]
        assert isinstance(refused, Heard)
        assert isinstance(refused.message, Refused)
        carrier.give(shard(2))
        ended = (await until(carrier, ends))[-1]
        assert isinstance(ended, Heard)
        assert ended.worker == "works"


async def test_what_is_withdrawn_is_stopped_there_and_keeps_its_account(world: World) -> None:
    async with world.carrier("waits") as carrier:
        carrier.give(shard(1))
        carrier.give(shard(2))
        await until(carrier, begins)
        carrier.withdraw("paris-2", 1)
        carrier.withdraw("paris-1", 1)
        carrier.withdraw("paris-9", 1)  # nobody has it
        events = await until(
            carrier, lambda event: isinstance(event, Heard) and isinstance(event.message, Ended)
        )
        assert Failed("paris-2", 1, "", "it was withdrawn before it began") in events
        assert await wait_for(world.of("waits") / "ended-by") == "stop"
        ended = events[-1]
        assert isinstance(ended, Heard)
        assert isinstance(ended.message, Ended)
        assert ended.message.state == "interrupted"


async def test_who_leaves_stops_what_is_under_way(world: World) -> None:
    async with world.carrier("waits") as carrier:
        carrier.give(shard(1))
        await until(carrier, begins)
        begun = time.monotonic()
    assert time.monotonic() - begun < 20
    assert await wait_for(world.of("waits") / "ended-by") in ("stop", "end of stdin")


async def test_a_host_waits_behind_messages_that_nobody_takes(world: World) -> None:
    async with world.carrier("chatters") as carrier:
        carrier.give(shard(1))
        await until(carrier, begins)
        await wait_for(world.of("chatters") / "pid")
        await asyncio.sleep(3)
        assert not (world.of("chatters") / "said-all").exists()
        events = await until(carrier, ends)
    said = [event.message for event in events if isinstance(event, Heard)]
    assert [each.number for each in said if isinstance(each, Lines)] == list(range(1, 302))


COORDINATOR = """
import asyncio, json, sys
import msgspec
from scanner.fleet.messages import Shard
from scanner.fleet.ssh import SshCarrier, parse_hosts

async def main():
    async with SshCarrier(parse_hosts(sys.argv[1]), ssh=json.loads(sys.argv[2])) as carrier:
        carrier.give(msgspec.json.decode(sys.argv[3], type=Shard))
        while True:
            await carrier.next()

asyncio.run(main())
"""


def test_a_coordinator_that_is_killed_ends_the_process_there(world: World) -> None:
    asked = world.asked
    given = shard_of(f"127.92.0.0-127.92.0.127:{world.listener.port}", name="slow", rate=4, everything=True)
    arguments = ["wide", json.dumps(world.server.ssh), msgspec.json.encode(given).decode()]
    coordinator = subprocess.Popen([sys.executable, "-c", COORDINATOR, *arguments], cwd=ROOT)
    try:
        wait_until(lambda: world.asked > asked, "a connect")
    finally:
        coordinator.kill()
        coordinator.wait()
    (manifest,) = world.of("wide").glob("spool/*/slow/*/manifest.json")
    wait_until(lambda: json.loads(manifest.read_text())["state"] == "interrupted", "the end", LEASE + 10)
