"""The run that goes on, as others see it: by its lock, its progress, its journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from results.covered import Row
from results.lock import Lock
from results.record import Owner
from results.verdict import Severity, Verdict
from scanner.clock import SystemClock
from scanner.service.view.fill import LEVELS
from scanner.service.view.live import MOST_FOUND, Live, LiveRun
from tests.results.examples import observation
from tests.support.lines import line_of
from tests.support.running_run import running_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NET = 10 << 24
ROWS = [Row(4, NET, NET + 255, (27017,))]
HOSTILE = '"><script>alert(1)</script>\x1b[2J\u202e'


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    looker = Live(tmp_path, SystemClock())
    yield looker
    await looker.close()


class CountingLive(Live):
    """Counts its looks."""

    looks = 0

    def look(self) -> LiveRun | None:
        """Look, and count it."""
        self.looks += 1
        return super().look()


def test_a_run_is_seen_from_its_beginning_to_its_end(tmp_path: Path, live: Live) -> None:
    assert live.look() is None
    with running_run(tmp_path, ROWS) as run:
        found = live.look()
        assert found is not None
        assert (found.run_id, found.planned, found.progress, found.trouble) == ("run-1", 256, None, "")
        assert set(found.levels) == {0}
        run.finds("10.0.0.3")
        run.says(run.positions // 2, open=1)
        found = live.look()
        assert found is not None
        assert found.progress is not None
        assert found.progress.open == 1
        (server,) = found.found
        assert (server.ip, server.port, server.severity, server.owner) == (
            "10.0.0.3",
            27017,
            "high",
            "web platform",
        )
        assert server.cell is not None
        assert found.gravest == {server.cell: "high"}
        assert 0 < sum(found.levels) < LEVELS * len(found.levels)
        assert found.ranges()[0].share == pytest.approx(0.5, abs=0.01)
        run.says(run.positions)
        found = live.look()
        assert found is not None
        assert set(found.levels) == {LEVELS}
        assert len(found.found) == 1, "what was read is kept, and not read twice"
    assert live.look() is None, "nobody holds its lock any more"


def test_a_fleet_s_run_has_no_one_order_and_so_no_map_that_fills(tmp_path: Path, live: Live) -> None:
    with running_run(tmp_path, ROWS, fleet={"from": ""}) as run:
        run.says(0, done=100)
        found = live.look()
        assert found is not None
        assert (found.fill, found.levels, found.trouble) == (None, b"", "")
        assert found.progress is not None
        assert found.progress.done == 100


def test_only_open_servers_are_found_and_the_newest_are_kept(tmp_path: Path, live: Live) -> None:
    with running_run(tmp_path, ROWS) as run:
        for number in range(MOST_FOUND + 5):
            run.finds(f"10.0.0.{number}", Severity.LOW if number else Severity.CRITICAL)
        run.directory.journal().append(b'{"schema":"mongosweep.database/1","name":"\\"verdict\\":\\"open"}\n')
        run.finds("10.0.0.200", owner=Owner(owner=HOSTILE))
        found = live.look()
        assert found is not None
        assert [each.ip for each in found.found[:2]] == ["10.0.0.6", "10.0.0.7"]
        assert found.found[-1].owner == HOSTILE, "kept as it came; whoever shows it makes it visible"
        assert Counter(found.gravest.values()) == {"critical": 1, "low": MOST_FOUND + 4, "high": 1}


def test_what_answers_and_is_not_open_is_not_found(tmp_path: Path, live: Live) -> None:
    with running_run(tmp_path, ROWS) as run:
        for verdict in Verdict:
            run.directory.journal().append(
                line_of(observation("10.0.0.9", verdict=verdict, owner=Owner(owner="open")))
            )
        found = live.look()
        assert found is not None
        assert {each.verdict for each in found.found} == {each.value for each in Verdict if each.is_open}


def test_damage_is_told_and_the_rest_goes_on(tmp_path: Path, live: Live) -> None:
    with running_run(tmp_path, ROWS) as run:
        (run.directory.path / "covered.json").write_bytes(b"{}")
        run.says(10)
        found = live.look()
        assert found is not None
        assert "its map cannot be drawn" in found.trouble
        assert (found.levels, found.ranges()) == (b"", [])
        run.finds("10.0.0.3")
        assert live.look().found  # type: ignore[union-attr]
        segment = run.directory.path / "observations-0001.jsonl"
        whole = segment.read_bytes()
        segment.write_bytes(whole[:10])
        found = live.look()
        segment.write_bytes(whole)
        assert found is not None
        assert "its findings cannot be read" in found.trouble
        assert found.progress is not None


@pytest.mark.parametrize("note", ["", "pruning", "run ../../etc, process 1", "run gone, process 1"])
def test_a_lock_that_no_run_of_ours_holds_is_no_run(tmp_path: Path, note: str) -> None:
    with running_run(tmp_path / "other", ROWS):
        lock = Lock.acquire(tmp_path, note)
        assert Live(tmp_path, SystemClock()).look() is None
        lock.release()


async def test_one_look_serves_everybody_who_asks(tmp_path: Path) -> None:
    with running_run(tmp_path, ROWS):
        live = CountingLive(tmp_path, SystemClock())
        asking = [asyncio.create_task(live.current()) for _ in range(50)]
        await asyncio.sleep(0)  # the first has begun to look
        asking[0].cancel()
        _, *others = await asyncio.gather(*asking, return_exceptions=True)
        assert not any(isinstance(each, BaseException) for each in others), "who goes takes nobody along"
        await live.current()
        assert live.looks == 1
        await live.close()


def test_a_second_run_follows_the_first(tmp_path: Path, live: Live) -> None:
    with running_run(tmp_path, ROWS, "run-1") as run:
        run.finds("10.0.0.3")
        assert live.look().run_id == "run-1"  # type: ignore[union-attr]
    with running_run(tmp_path, ROWS, "run-2"):
        found = live.look()
        assert found is not None
        assert (found.run_id, found.found, found.progress) == ("run-2", (), None)
