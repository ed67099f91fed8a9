"""What live progress costs: `python -m bench.live_pages [--pages 200] [--seconds 20]` opens so many streams
of events of one page process, over a run of 1,000,000 targets, and says how much of a core it takes.

The run is a directory whose lock is held here, with a progress that moves as a sweep of 100 seconds does:
each second a hundredth of the map fills, and a server is found open.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import machine
from results.covered import Row
from tests.support.page_process import running_page
from tests.support.running_run import RunningRun, running_run

if TYPE_CHECKING:
    from tests.support.page_process import PageProcess

GOAL = 0.10  # of one core
NET = 10 << 24
TARGETS = 1_000_000
SWEEP_SECONDS = 100
WARM_UP = 5.0  # seconds: the map is made, everybody is connected


def main() -> int:
    """Measure; 1 when it costs more than the goal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "runs"
        with (
            running_run(output, [Row(4, NET, NET + TARGETS - 1, (27017,))]) as run,
            running_page(output) as page,
        ):
            share, taken, whole = asyncio.run(_measure(run, page, asked.pages, asked.seconds))
    print(machine())
    print(f"{asked.pages} open pages, {asked.seconds:g} s: {100 * share:.1f} % of one core")
    each = taken / asked.pages / asked.seconds / 1024
    print(f"{each:.1f} KiB a page and second; {whole / 1024:.1f} KiB to begin")
    return 0 if share < GOAL else 1


async def _measure(run: RunningRun, page: PageProcess, pages: int, seconds: float) -> tuple[float, int, int]:
    """The share of a core, the bytes that all pages got in the time, and the bytes of one first event."""
    stop = asyncio.Event()
    moving = asyncio.create_task(_move(run, stop))
    cookie = "=".join(page.cookie())
    readers = [asyncio.create_task(_watch(page.port, cookie, stop)) for _ in range(pages)]
    await asyncio.sleep(WARM_UP)
    began, used = time.monotonic(), _cpu(page.process.pid)
    before = sum(_got.values())
    await asyncio.sleep(seconds)
    share = (_cpu(page.process.pid) - used) / (time.monotonic() - began)
    taken = sum(_got.values()) - before
    assert len(_got) == pages, f"{len(_got)} of {pages} pages are connected"
    stop.set()
    await asyncio.gather(moving, *readers)
    return share, taken, max(_first)


_got: dict[int, int] = {}
_first: list[int] = []


async def _move(run: RunningRun, stop: asyncio.Event) -> None:
    number = 0
    while not stop.is_set():
        run.says(run.positions * number // SWEEP_SECONDS, open=number, rate=10_000.0)
        run.finds(f"10.{number % 15}.7.{number % 250}")
        number += 1
        await asyncio.sleep(1.0)


async def _watch(port: int, cookie: str, stop: asyncio.Event) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head, head
    while not stop.is_set():
        data = await reader.read(1 << 16)
        if id(writer) not in _got:
            _first.append(len(data))
        _got[id(writer)] = _got.get(id(writer), 0) + len(data)
    writer.close()


def _cpu(pid: int) -> float:
    """CPU seconds of a process, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
