"""Forwarding in a process of its own, to a collector on loopback; and that collector as a process.

    python -m tests.support.forwarding OUTPUT URL [--follow] [--patience SECONDS]

Prints the report. SIGTERM ends it as `forward` ends: what is there is sent, within the patience.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.formats.native import FORMAT
from results.sinks.batch import Pace
from results.sinks.forward import SinkPlan, SinkReport, forward
from results.sinks.http import Endpoint
from results.sinks.sink import Limits
from results.sinks.splunk import SplunkOptions, SplunkSink
from tests.support.receivers.hec import TOKEN
from tests.support.receivers.sent import SENDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.sinks.sink import Sink

ROOT = Path(__file__).resolve().parent.parent.parent
QUICK = Pace(first=0.01, most=0.05, most_asked=0.05)


def collector(url: str, *, limits: Limits | None = None, timeout: float = 5.0, **options: Any) -> SplunkSink:
    """A sink to a collector on loopback."""
    endpoint = Endpoint(url=url, insecure=True, timeout=timeout, proxy_from_environment=False)
    sink = SplunkSink("siem", SplunkOptions(endpoint=endpoint, token=TOKEN, **options), FORMAT, SENDER)
    if limits is not None:
        sink.limits = limits
    return sink


async def send_all(
    output: Path, sink: Sink, *, follow: bool = False, patience: float = 60.0, pace: Pace = QUICK
) -> SinkReport:
    """One forward, until SIGTERM where it follows."""
    stop = asyncio.Event()
    with contextlib.suppress(ValueError, RuntimeError):  # only the main thread hears signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    plans = [SinkPlan(sink)]
    (report,) = await forward(output, plans, follow=follow, stop=stop, patience=patience, pace=pace)
    return report


def send_some(output: str, url: str, events: int, in_flight: int) -> None:
    """For a child of a fork server: small batches, so that there are many moments to die at."""
    sink = collector(url, limits=Limits(events=events, in_flight=in_flight))
    asyncio.run(send_all(Path(output), sink))


class Collector:
    """Our fake of a collector, as a process: what it takes stands in `into`, a line each."""

    def __init__(self, into: Path, process: subprocess.Popen[str], url: str) -> None:
        self.into, self.process, self.url = into, process, url
        self._offset = 0

    def ask(self, faults: list[str] | None = None) -> dict[str, int]:
        """How many events it took in how many requests; with `faults`, misbehave like this from now on,
        whatever it was told before."""
        data = None if faults is None else json.dumps({"faults": faults, "instead": True}).encode()
        origin = self.url.partition("/services")[0]
        request = urllib.request.Request(f"{origin}/control", data, {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            told: dict[str, int] = json.load(answer)
        return told

    def taken(self) -> list[dict[str, Any]]:
        """The events that it took since this was last asked, in order, as often as it took them."""
        with self.into.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        return [json.loads(each)["event"] for each in data.splitlines()]


@contextlib.contextmanager
def collecting(into: Path, port: int = 0, *faults: str, program: str = "hec") -> Iterator[Collector]:
    """Have a collector while the context lasts."""
    into.touch()
    command = [sys.executable, "-m", f"tests.support.receivers.{program}", "--into", str(into)]
    command += ["--port", str(port), *(part for fault in faults for part in ("--fail", fault))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        assert word == "ready"
        yield Collector(into, process, url)
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def main() -> None:
    """Forward once, or until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("url")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--patience", type=float, default=60.0)
    given = parser.parse_args()
    sink = collector(given.url)
    report = asyncio.run(send_all(given.output, sink, follow=given.follow, patience=given.patience))
    usage = os.times()
    told = {"cpu": usage.user + usage.system, "peak": _peak(), **report._replace(error=None)._asdict()}
    sys.stdout.write(json.dumps(told) + "\n")


def _peak() -> int:
    """Peak resident bytes of this process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
