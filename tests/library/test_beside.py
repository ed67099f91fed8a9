"""Several sweeps in one process, and sweeps that end before they begin, or are ended by another task."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

import mongosweep
from scanner.setup.data_tables import Installed, export, install
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.library.conftest import Estate

_SLOW = 15.0  # connections a second: the 32 targets take two seconds


async def test_two_at_once_do_not_meet_and_a_place_that_is_taken_is_busy(
    servers: Estate, tmp_path: Path
) -> None:
    async def one(folder: str) -> tuple[frozenset[str], mongosweep.Summary | None]:
        sweep = mongosweep.sweep(config=servers.config, output=tmp_path / folder, rate=_SLOW, ledger=False)
        return frozenset([seen.target.ip async for seen in sweep if seen.verdict.is_open]), sweep.summary

    async def third() -> mongosweep.BusyError:
        await until(lambda: any((tmp_path / "a").glob("2*/manifest.json")))
        with pytest.raises(mongosweep.BusyError) as taken:
            await one("a")
        return taken.value

    (one_found, one_end), (two_found, two_end), taken = await asyncio.gather(one("a"), one("b"), third())
    assert one_found == two_found == servers.open
    assert one_end is not None
    assert two_end is not None
    assert one_end.state == two_end.state == "complete"
    assert one_end.run_id != two_end.run_id
    assert taken.where == str(tmp_path / "a")
    assert "another run holds this directory" in taken.what
    assert taken.exit_code == 5


async def test_other_dated_tables_wait_until_nobody_uses_those_of_now(
    servers: Estate, tmp_path: Path
) -> None:
    bundle = export(None)
    digest = hashlib.sha256(bundle).hexdigest()
    what = {"at": "2026-11-29T10:11:12Z", "source": "a file", "signer": "soc", "key": "", "sha256": digest}
    install(tmp_path / "data", Installed(**what, pinned=True, bundle=bundle.decode()))
    other = tmp_path / "other.toml"
    other.write_text(f'{servers.config.read_text()}[data]\ndirectory = "data"\n')
    async with mongosweep.sweep(config=servers.config, rate=_SLOW) as sweep:
        waiting = asyncio.ensure_future(anext(aiter(sweep)))
        await until(lambda: sweep.progress)
        with pytest.raises(mongosweep.BusyError, match="other dated tables"):
            await anext(aiter(mongosweep.sweep(config=other)))
        await waiting
    async with mongosweep.sweep(config=other) as sweep:
        assert [seen async for seen in sweep if seen.verdict.is_open]


async def test_another_task_may_close_it_and_whoever_waits_gets_the_end(
    servers: Estate, tmp_path: Path
) -> None:
    sweep = mongosweep.sweep(
        config=servers.config, output=tmp_path, rate=5, targets="127.91.0.16/28", ledger=False
    )

    async def look() -> int:
        return len([seen async for seen in sweep])

    task = asyncio.create_task(look())
    await until(lambda: sweep.progress)
    await sweep.aclose()
    await sweep.aclose()
    assert await task == 0  # nobody is there
    assert sweep.summary is not None
    assert sweep.summary.state == "interrupted"


async def test_cancelled_twice_it_waits_for_no_conversation_and_still_closes_the_run(
    servers: Estate, tmp_path: Path
) -> None:
    sweep = mongosweep.sweep(config=servers.config, output=tmp_path, rate=5, ledger=False)

    async def look() -> None:
        async with sweep:
            async for _ in sweep:
                pass

    task = asyncio.create_task(look())
    await until(lambda: sweep.progress)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert mongosweep.read(sweep.run_dir or "").summary.state == "interrupted"


async def test_stopped_before_it_begins_it_sends_nothing_and_leaves_nothing(
    servers: Estate, tmp_path: Path
) -> None:
    sweep = mongosweep.sweep(config=servers.config, output=tmp_path / "runs")
    sweep.stop()
    assert [seen async for seen in sweep] == []
    assert (sweep.summary, sweep.run_dir) == (None, None)
    other = mongosweep.sweep(config=servers.config, output=tmp_path / "runs")
    other.stop()
    with pytest.raises(mongosweep.RefusedError, match="stopped before it began"):
        other.run()
    assert not (tmp_path / "runs").exists()
