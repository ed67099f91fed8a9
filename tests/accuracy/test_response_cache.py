"""Servers that answer as another one did are known by it: their records are those of asking each in full."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.reading import read_run
from scanner.lab.server import LabServer
from scanner.lab.thread import LabThread
from scanner.mongo.facts import Depth
from scanner.setup.settings import Settings, SweepOptions, SweepSettings
from scanner.sweep.sweep import run
from targets.entries import Entry
from targets.scope import Scope
from tests.accuracy.asking import ask_all
from tests.accuracy.playing import recorded
from tests.mongo.recorded_verdicts import EXPECTED
from tests.support.ports import free_port
from tests.support.replay import Replay
from tests.support.sweeps import Watcher

if TYPE_CHECKING:
    from results.record import Observation

COPIES = 3
CASES = sorted(EXPECTED)
OWN = ("event_id", "finding_id", "run_id", "observed_at", "target", "owner", "timing")


def what_counts(record: Observation) -> dict[str, Any]:
    """Everything that does not belong to one address or one moment."""
    document: dict[str, Any] = msgspec.to_builtins(record)
    for name in OWN:
        del document[name]
    for room, name in (("server", "clock_skew_seconds"), ("exposure", "last_write")):
        document.get(room, {}).pop(name, None)
    return document


async def in_full(depth: Depth) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Each recording asked for itself."""
    port = free_port()
    places = {(f"127.94.4.{number + 1}", port): case for number, case in enumerate(CASES)}
    async with contextlib.AsyncExitStack() as stack:
        for place, case in places.items():
            await stack.enter_async_context(LabServer(recorded(Replay(*case)), *place))
        answers = await ask_all(places, depth=depth)
    return {case: what_counts(answers[place].record) for place, case in places.items()}


@pytest.mark.parametrize("depth", [Depth.VERDICT, Depth.COLLECTIONS])
def test_servers_known_by_their_answer_are_recorded_as_themselves(depth: Depth, tmp_path: Path) -> None:
    wanted = asyncio.run(in_full(depth))
    port = free_port()
    places = {
        (f"127.94.{5 + copy}.{number + 1}", port): case
        for copy in range(COPIES)
        for number, case in enumerate(CASES)
    }
    scope = Scope([Entry.of(ip, owner="tests", kind="lab", ports=(port,)) for ip, _ in places])
    settings = Settings(
        sweep=SweepSettings(rate=400, per_prefix_rate=400, reply_timeout=20, host_timeout=60, concurrency=64)
    )
    with LabThread({place: recorded(Replay(*case)) for place, case in places.items()}):
        summary = run(settings, scope, SweepOptions(output=tmp_path, depth=depth.value), Watcher())
    found = {(o.target.ip, o.target.port): o for o in read_run(Path(summary.run_dir))}
    assert found.keys() == places.keys()
    for place, case in places.items():
        assert what_counts(found[place]) == wanted[case], (place, case)
    assert len({record.event_id for record in found.values()}) == len(places)
