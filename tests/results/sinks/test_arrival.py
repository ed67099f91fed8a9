"""Every event arrives over real connections, whatever befalls the receiver or the sender; what arrives twice
has the same id and says the same. The receiver is our strict fake of a collector, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from results.formats.native import FORMAT
from results.sinks.elastic import ElasticOptions, ElasticSink
from results.sinks.http import Endpoint
from results.sinks.sink import Limits
from results.sinks.state import SinkFolder
from tests.support.forwarding import ROOT, collecting, collector, send_all, send_some
from tests.support.receivers.bulk import API_KEY, BulkReceiver
from tests.support.receivers.hec import HecReceiver
from tests.support.receivers.sent import SENDER
from tests.support.sinking import ids_of, line, write_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.forwarding import Collector

CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.support.forwarding"])


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that is well."""
    with collecting(tmp_path_factory.mktemp("collector") / "taken.jsonl") as collector:
        yield collector
        collector.taken()


def all_arrived(taken: list[dict[str, Any]], events: int) -> Counter[str]:
    """How often each came; each is the event that was written."""
    for event in taken:
        assert event == json.loads(line(int(event["event_id"].removeprefix("mc_"), 16)))
    times = Counter(event["event_id"] for event in taken)
    assert set(times) == set(ids_of(*range(events)))
    return times


async def until(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110  # what happens in other processes wakes nobody
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("faults", "twice"),
    [
        (["429", "503"] * 10, False),
        (["429 Retry-After: 1", "503", "ok"] * 6, False),
        (["code 9", "code 8", "code 26", "ok"] * 6, False),
        (["reset", "close", "503", "ok"] * 5, False),
        (["taken reset", "taken close", "half", "garbage", "taken 503", "ok"] * 4, True),
    ],
)
async def test_every_event_arrives_at_a_receiver_that_misbehaves(
    tmp_path: Path, receiver: Collector, faults: list[str], twice: bool
) -> None:
    write_events(tmp_path, range(300))
    receiver.ask(faults)
    report = await send_all(tmp_path, collector(receiver.url, limits=Limits(events=20, in_flight=3)))
    assert (report.ended, report.delivered, report.set_aside) == ("delivered", 300, 0)
    times = all_arrived(receiver.taken(), 300)
    assert (max(times.values()) > 1) == twice


async def test_a_data_stream_has_each_event_once_whatever_was_sent_twice(tmp_path: Path) -> None:
    write_events(tmp_path, range(300))
    receiver = BulkReceiver()
    receiver.fail(*["item 429 @0,2", "503", "taken reset", "item 503 @1", "429", "half", "ok"] * 4)
    async with receiver.serving():
        endpoint = Endpoint(url=receiver.origin, insecure=True, timeout=5.0, proxy_from_environment=False)
        sink = ElasticSink("siem", ElasticOptions(endpoint=endpoint, api_key=API_KEY), FORMAT, SENDER)
        sink.limits = Limits(events=20, in_flight=2)
        report = await send_all(tmp_path, sink)
    assert (report.ended, report.delivered, report.set_aside) == ("delivered", 300, 0)
    assert sorted(document["event_id"] for document in receiver.taken) == ids_of(*range(300))


async def test_a_receiver_of_one_byte_a_second_is_left_in_time_and_tried_again(tmp_path: Path) -> None:
    write_events(tmp_path, range(100))
    receiver = HecReceiver()
    receiver.fail("slow", "slow")
    async with receiver.serving():
        sink = collector(receiver.url, limits=Limits(events=50, in_flight=2), timeout=0.05)
        report = await send_all(tmp_path, sink)
    assert (report.delivered, report.attempts_failed) == (100, 2)
    times = Counter(taken["event"]["event_id"] for taken in receiver.taken)
    assert times == dict.fromkeys(ids_of(*range(100)), 2)


async def test_a_receiver_that_was_down_all_the_time_gets_all_of_it(tmp_path: Path, port: int) -> None:
    """Followed from before the first event until after the last, and nobody was there to take one."""
    sink = collector(f"http://127.0.0.1:{port}")
    running = asyncio.create_task(send_all(tmp_path, sink, follow=True))
    folder = SinkFolder(tmp_path, "siem")
    for number in range(5):
        write_events(tmp_path, range(100 * number, 100 * number + 100))
        await until(lambda: folder.load().attempts_failed >= 2 * number)  # noqa: B023
    assert folder.load().delivered == 0
    receiver = HecReceiver(tmp_path / "taken.jsonl")
    async with receiver.serving(port=port):
        await until(lambda: receiver.count >= 500)
        signal.raise_signal(signal.SIGTERM)
        report = await running
    assert (report.ended, report.delivered) == ("delivered", 500)
    lines = (tmp_path / "taken.jsonl").read_bytes().splitlines()
    taken = [json.loads(each)["event"]["event_id"] for each in lines]
    assert sorted(taken) == ids_of(*range(500)), "each once"
    breaks = sum(before > after for before, after in pairwise(taken))
    assert breaks <= 2, "in their order, but for the batch that found out that it is up again"


def killed(output: Path, receiver: Collector, number: int, rng: random.Random) -> None:
    """Start a forward, and kill it: when a batch was taken and not acknowledged, or at any moment."""
    before = receiver.ask(["ok"] * rng.randrange(4) + ["taken silence"] * 3)["requests"]
    most = 2 if number % 2 == 0 else 1  # requests that it has seen then
    child = CHILDREN.Process(target=send_some, args=(str(output), receiver.url, 10, 2))
    child.start()
    while receiver.ask()["requests"] < before + most:
        assert child.is_alive(), "nothing was left to send"
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.02))
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    child.close()


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=[pytest.mark.exhaustive, pytest.mark.long])])
def test_a_sender_killed_before_the_acknowledgement_loses_nothing(
    tmp_path: Path, receiver: Collector, kills: int
) -> None:
    rng = random.Random(kills)
    taken: list[dict[str, Any]] = []
    for number in range(kills):
        write_events(tmp_path, range(60 * number, 60 * number + 60))
        killed(tmp_path, receiver, number, rng)
        offset = SinkFolder(tmp_path, "siem").load().cursor.offset
        taken += receiver.taken()
        settled = {event["event_id"] for event in taken}
        assert settled.issuperset(ids_of(*range(offset // len(line(0))))), "the cursor is ahead"
    receiver.ask([])
    last = CHILDREN.Process(target=send_some, args=(str(tmp_path), receiver.url, 500, 8))
    last.start()
    last.join()
    assert last.exitcode == 0
    times = all_arrived(taken + receiver.taken(), 60 * kills)
    assert max(times.values()) > 1, "no kill came where it can do harm"


def test_a_forward_in_a_process_ends_cleanly_by_sigterm(tmp_path: Path, receiver: Collector) -> None:
    write_events(tmp_path, range(1200))
    before = receiver.ask()["taken"]
    command = [sys.executable, "-m", "tests.support.forwarding", str(tmp_path), receiver.url, "--follow"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    while receiver.ask()["taken"] == before:
        time.sleep(0.01)
    write_events(tmp_path, [1200])
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(told)["ended"] == "delivered"
    assert max(all_arrived(receiver.taken(), 1201).values()) == 1
