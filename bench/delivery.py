"""Speed of delivery: `python -m bench.delivery [--backlog N] [--no-write]` forwards made-up changes to a
collector on loopback, and writes DELIVERY.md.

The collector is the strict fake of the tests, in a process of its own: it unpacks and checks every envelope.
The limit is what it takes from a sender that does nothing: one body, packed once, posted again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.ledger import ROOT, Goal
from bench.report import load, machine
from results.events.log import EVENTS_FILE
from tests.support.forwarding import Collector, collecting
from tests.support.sinking import line

DUMB = """
import asyncio, gzip, sys, aiohttp
from results.formats.native import FORMAT
from tests.support.forwarding import collector
from tests.support.receivers.hec import TOKEN
from tests.support.receivers.sent import change_event
from tests.support.sinking import line

async def main(url, sendings):
    render = collector(url).render
    body = b"\\n".join(render(change_event(n), line(n)[:-1]) for n in range(500))
    packed = gzip.compress(body, 1)
    headers = {"Authorization": f"Splunk {TOKEN}", "Content-Encoding": "gzip"}
    left = iter(range(sendings))
    async def post(session):
        for _ in left:
            async with session.post(url, data=packed, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*[post(session) for _ in range(8)])

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@dataclass(frozen=True)
class Sent:
    """What one sending of so many events took: seconds of the clock, CPU seconds of both sides, and the
    sender's peak of memory."""

    events: int
    wall: float
    cpu: float
    receiver: float
    peak: int

    @property
    def rate(self) -> float:
        """Events a second by the clock."""
        return self.events / self.wall

    @property
    def rate_of_cpu(self) -> float:
        """Events a second of the sender's CPU time."""
        return self.events / self.cpu


def write_events(output: Path, events: int) -> None:
    """An events file of so many changes, each with an id of its own."""
    head, _, tail = line(0).partition(b"mc_" + b"0" * 24)
    output.mkdir()
    with (output / EVENTS_FILE).open("wb", 1 << 20) as file:
        file.writelines(b"%bmc_%024x%b" % (head, number, tail) for number in range(events))


def measured(command: list[str], receiver: Collector, events: int) -> Sent:
    """Run a sender to its end."""
    before, began = _cpu_of(receiver.process.pid), time.monotonic()
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        told = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if child.returncode or (told and json.loads(told)["delivered"] != events):
        raise RuntimeError(f"not everything was sent: {told.decode()}")
    cpu = usage.ru_utime + usage.ru_stime
    return Sent(events, wall, cpu, _cpu_of(receiver.process.pid) - before, usage.ru_maxrss * 1024)


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def forwarded(folder: Path, receiver: Collector, events: int) -> Sent:
    """Forward so many events."""
    output = folder / "output"
    write_events(output, events)
    command = [sys.executable, "-m", "tests.support.forwarding", str(output), receiver.url]
    try:
        return measured(command, receiver, events)
    finally:
        shutil.rmtree(output)


def dumb(receiver: Collector, events: int) -> Sent:
    """The same number of events from the sender that does nothing."""
    return measured([sys.executable, "-c", DUMB, receiver.url, str(events // 500)], receiver, events)


def markdown(limit: Sent, sent: list[Sent], goals: list[Goal], busy: str) -> str:
    """The whole page."""
    lines = [
        "# What was measured of delivery",
        "",
        f"`python -m bench.delivery` on {machine()}. Changes of {len(line(0))} bytes in native form,",
        "packed by gzip, to a collector on loopback that unpacks and checks each, in a process of its own.",
        "The limit: one body, packed once, posted to it again and again. Start-up is part of it.",
        "",
        busy,
        "",
        "| | goal | measured | |",
        "|---|---|---|---|",
    ]
    for goal in goals:
        sign = "at least" if goal.better > 0 else "at most"
        value = f"{goal.measured:,.0f}" if goal.measured >= 100 else f"{goal.measured:.2f}"
        lines.append(f"| {goal.text} | {sign} {goal.goal:,g}{goal.unit} | {value}{goal.unit} | {goal.word} |")
    lines += [
        "",
        "| | events | a second | a second of the sender's CPU | of the receiver's CPU | peak RSS |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in [("the limit", limit), *(("forward", one) for one in sent)]:
        lines.append(
            f"| {name} | {each.events:,} | {each.rate:,.0f} | {each.rate_of_cpu:,.0f} "
            f"| {each.events / each.receiver:,.0f} | {each.peak / 1e6:.1f} MB |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write, print; 0 when all goals were reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.delivery", description=__doc__)
    parser.add_argument("--backlog", type=int, default=1_000_000, help="events of the largest backlog")
    parser.add_argument("--no-write", action="store_true", help="leave DELIVERY.md as it is")
    options = parser.parse_args()
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with collecting(Path("/dev/null")) as receiver:
            limit = dumb(receiver, 100_000)
            sent = [forwarded(folder, receiver, events) for events in (100_000, options.backlog)]
    small, large = sent
    goals = [
        Goal(f"{large.events:,} events forwarded, a second", 20_000, large.rate, "/s"),
        Goal(f"{large.events:,} events forwarded, a second of CPU", 20_000, large.rate_of_cpu, "/s"),
        Goal(
            f"peak RSS of {large.events:,} over that of {small.events:,}",
            10,
            (large.peak / small.peak - 1) * 100,
            " %",
            -1,
        ),
    ]
    if not options.no_write:
        (ROOT / "bench" / "DELIVERY.md").write_text(markdown(limit, sent, goals, load(before)))
    print(markdown(limit, sent, goals, load(before)))
    return 0 if all(goal.word == "reached" for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
