"""A sweep as a stream: what is given, how it ends, and that a program's own loop and signals stay its own."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mongosweep
from results.audit import audit
from results.reading import read_run
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.library.conftest import Estate

_SLOW = 15.0  # connections a second: the 32 targets take two seconds


def _caught() -> str:
    """The signals that this process has a handler for, in whatever language it was installed."""
    return next(line for line in Path("/proc/self/status").read_text().splitlines() if "SigCgt" in line)


@pytest.mark.both_loops
async def test_every_observation_is_given_and_the_run_is_what_the_command_line_makes(
    servers: Estate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handled, caught, thread = signal.getsignal(signal.SIGINT), _caught(), threading.current_thread()
    handler = asyncio.get_running_loop().get_exception_handler()
    sweep = mongosweep.sweep(config=servers.config, output=tmp_path, confirm=True)
    assert (sweep.summary, sweep.run_dir, sweep.progress) == (None, None, None)
    given = []
    async for observation in sweep:
        assert threading.current_thread() is thread
        assert (signal.getsignal(signal.SIGINT), _caught()) == (handled, caught)
        given.append(observation)
    summary = sweep.summary
    assert summary is not None
    assert {seen.target.ip for seen in given if seen.verdict.is_open} == servers.open
    assert (summary.state, summary.exit_code, summary.open, summary.planned) == ("complete", 1, 2, 32)
    assert sum(summary.outcomes.values()) == 32
    assert summary.outcomes[mongosweep.Verdict.REFUSED] == 29
    assert summary.run_dir == sweep.run_dir == tmp_path / summary.run_id
    assert given == list(read_run(summary.run_dir))
    assert not audit(summary.run_dir).edited
    assert (tmp_path / "ledger.sqlite").exists()
    assert asyncio.get_running_loop().get_exception_handler() is handler
    assert (signal.getsignal(signal.SIGINT), _caught()) == (handled, caught)
    assert capfd.readouterr() == ("", "")


async def test_what_is_found_is_given_while_the_sweep_goes_on(servers: Estate, tmp_path: Path) -> None:
    async with mongosweep.sweep(
        config=servers.config, output=tmp_path, rate=_SLOW, everything=True, ledger=False
    ) as sweep:
        async for _ in sweep:
            progress = sweep.progress
            assert sweep.summary is None
            break
    assert progress is not None
    assert progress.planned == 32
    assert progress.done < 32


async def test_leaving_early_stops_it_and_the_rest_is_asked_by_a_resume(
    servers: Estate, tmp_path: Path
) -> None:
    asked = {"config": servers.config, "output": tmp_path, "everything": True, "ledger": False}
    async with mongosweep.sweep(**asked, rate=_SLOW) as sweep:  # type: ignore[arg-type]
        async for _ in sweep:
            break
    first = sweep.summary
    assert first is not None
    assert (first.state, first.exit_code) == ("interrupted", 3)
    assert 0 < first.not_reached < 32
    rest = mongosweep.sweep(**asked, resume=first.run_id)  # type: ignore[arg-type]
    given = [seen.target.ip async for seen in rest]
    assert rest.summary is not None
    assert (rest.summary.state, rest.run_dir) == ("complete", sweep.run_dir)
    assert len(given) == len(set(given)) < 32
    run = mongosweep.read(first.run_dir or "")
    assert len({seen.target.ip for seen in run}) == len(list(run)) == 32


async def test_a_break_without_a_block_stops_it_too(servers: Estate, tmp_path: Path) -> None:
    sweep = mongosweep.sweep(
        config=servers.config, output=tmp_path, rate=_SLOW, everything=True, ledger=False
    )
    async for _ in sweep:
        break
    await until(lambda: sweep.summary)  # the loop waits for it in its own time
    assert sweep.summary is not None
    assert sweep.summary.state == "interrupted"


async def test_a_task_that_is_cancelled_is_over_when_the_run_is_closed(
    servers: Estate, tmp_path: Path
) -> None:
    sweep = mongosweep.sweep(config=servers.config, output=tmp_path, rate=_SLOW, ledger=False)

    async def look() -> None:
        async with sweep:
            async for _ in sweep:
                pass

    task = asyncio.create_task(look())
    await until(lambda: sweep.progress)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sweep.summary is not None
    assert sweep.summary.state == "interrupted"
    assert mongosweep.read(sweep.run_dir or "").summary.state == "interrupted"


async def test_stopped_it_gives_what_it_found_and_ends_without_an_error(
    servers: Estate, tmp_path: Path
) -> None:
    sweep = mongosweep.sweep(
        config=servers.config, output=tmp_path, rate=_SLOW, everything=True, ledger=False
    )
    given = []
    async for seen in sweep:
        given.append(seen)
        sweep.stop()
    assert sweep.summary is not None
    assert sweep.summary.state == "interrupted"
    assert given == list(read_run(sweep.run_dir or Path()))
    with pytest.raises(RuntimeError, match=r"call mongosweep\.sweep again"):
        aiter(sweep)
    await sweep.aclose()


async def test_without_an_output_nothing_is_left(
    servers: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sweep = mongosweep.sweep(scope=servers.scope, ports=[servers.port], rate=5000)
    found = [seen async for seen in sweep if seen.verdict.is_open]
    assert {seen.target.ip for seen in found} == servers.open
    assert found[0].owner.owner == "web platform"
    assert sweep.summary is not None
    assert sweep.summary.run_dir is None
    assert not any(tmp_path.glob("*"))  # noqa: ASYNC240 - nothing else is in this loop


def test_a_program_without_a_loop_gets_everything_at_once(
    servers: Estate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "mongosweep"):
        observations, summary = mongosweep.sweep(
            config=servers.config, output=tmp_path, targets="127.91.0.0/30", sites="paris"
        ).run()
    assert {seen.target.ip for seen in observations if seen.verdict.is_open} == servers.open
    assert (summary.state, summary.planned) == ("complete", 4)
    assert "2 new, 1 ransomed; mongosweep exposures" in caplog.messages
    again = mongosweep.read(summary.run_dir or "")
    assert list(again) == observations
    assert again.summary.chain_head == summary.chain_head
    assert (again.summary.outcomes, again.summary.exit_code) == (summary.outcomes, 1)
    assert again.summary.elapsed is None


async def test_a_slow_reader_holds_up_nothing(servers: Estate, tmp_path: Path) -> None:
    sweep = mongosweep.sweep(config=servers.config, output=tmp_path, everything=True, ledger=False)
    given = 0
    async for _ in sweep:
        if not given:
            until = time.monotonic() + 60
            while sweep.summary is None:  # it ends though this program fetches nothing, and blocks its loop
                assert time.monotonic() < until
                time.sleep(0.02)  # noqa: ASYNC251 - that is what is tried
        given += 1
    assert given == 32
