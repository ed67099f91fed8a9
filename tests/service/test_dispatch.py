"""What users ask of the service over the page's socket, with real sweeps: start, stop, pause, verify."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from results.files import REAL
from results.ledger.database import LEDGER_FILE
from results.runs import list_runs
from scanner.clock import SystemClock, timestamp
from scanner.service import working
from scanner.service.dispatch import Dispatcher
from scanner.service.page_link import ServiceLink, take_orders
from scanner.service.store import Store
from scanner.service.supervisor import read_plans
from scanner.service.working import Workshop
from scanner.setup.scope_request import full_scope
from scanner.setup.settings import SweepOptions
from scanner.sweep.begin import begin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from scanner.service.jobs import Job

SILENT = [f"127.98.3.{number}" for number in range(16)]


@pytest.fixture
def silent(port: int) -> Iterator[None]:
    """Servers that take a connection and say nothing."""
    with contextlib.ExitStack() as stack:
        for address in SILENT:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(64)
        yield


class Desk:
    """A dispatcher and what it works with, turned by hand."""

    def __init__(self, home: Path, port: int, rate: int, more: str = "") -> None:
        config = home / "mongosweep.toml"
        config.write_text(
            f'[[allow]]\ncidr = "127.98.3.0/28"\nowner = "web platform"\nkind = "lab"\n'
            f"[sweep]\nports = [{port}]\nrate = {rate}\nper_prefix_rate = 1000\n"
            f'[[schedule]]\nname = "all"\ncron = "0 3 1 1 *"\n{more}'
        )
        self.output = home / "runs"
        self.output.mkdir()
        self.store = Store.open(self.output, timestamp(SystemClock.wall()))
        self.workshop = Workshop(
            self.output, self.store, SystemClock(), lambda job: self.dispatcher.job_ended(job)
        )
        plans = read_plans(config, SystemClock.wall())
        self.dispatcher = Dispatcher(plans, self.store, self.workshop, SystemClock(), self.output)
        self.link = ServiceLink(self.output)

    async def turn_until_run(self) -> Job:
        """Look again and again until the sweep's run is known, and it hears signals."""
        async with asyncio.timeout(60):
            while True:
                self.workshop.look()
                self.dispatcher.look()
                for job in self.workshop.running:
                    if job.run_id and list((self.output / job.run_id).glob("observations-0001.jsonl")):
                        await asyncio.sleep(0.3)
                        return job
                await asyncio.sleep(0.05)

    def commands(self) -> list[str]:
        """What runs now, as a person would type it."""
        return [" ".join(job.command) for job in self.workshop.running]

    async def ended(self, job: Job) -> None:
        """Until a job has ended."""
        for _ in range(3000):
            if all(each.job_id != job.job_id for each in self.workshop.running):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it did not end")

    @contextlib.contextmanager
    def sweep_by_hand(self) -> Iterator[str]:
        """A run over the scope that goes on in this process."""
        options = SweepOptions(output=self.output)
        settings = self.dispatcher.plans.config.settings
        scope = full_scope(None, self.dispatcher.plans.config, settings, 0.0)[0]
        with begin(settings, scope, options, SystemClock(), REAL).directory as run:
            yield run.run_id


@pytest.fixture
async def desk(tmp_path: Path, port: int) -> AsyncIterator[Desk]:
    found = Desk(tmp_path, port, rate=20)
    ours, theirs = socket.socketpair()
    orders = asyncio.create_task(take_orders(ours, found.dispatcher))
    await found.link.connect(theirs.detach())
    yield found
    await found.workshop.leave()
    await found.link.close()
    orders.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await orders
    found.store.close()


async def test_a_sweep_that_is_stopped_ends_within_a_second_and_can_be_resumed(
    desk: Desk, silent: None
) -> None:
    desk.dispatcher.look()
    started = await desk.link.order("start", "all", "web on-call")
    assert (started.problem, started.job_id[:4]) == ("", "job-")
    job = await desk.turn_until_run()
    assert (job.job_id, job.asked_by) == (started.job_id, "web on-call")
    assert (await desk.link.order("start", "all", "another")).job_id == job.job_id
    began = time.monotonic()
    stopped = await desk.link.order("stop", job.job_id, "web on-call")
    took = time.monotonic() - began
    assert (stopped.problem, stopped.job_id) == ("", job.job_id)
    assert sum(working.STOP) < 1.0  # then it is killed; what comes on top is a busy machine's
    assert took < 5.0
    await asyncio.sleep(0)
    (ended,) = desk.link.jobs()
    assert (ended.end, ended.stopped_by) == ("stopped", "web on-call")
    (run,) = list_runs(desk.output)
    assert run.can_resume
    assert run.state in ("interrupted", "aborted")  # or it had to be killed
    desk.dispatcher.look()
    assert [job.kind for job in desk.workshop.running if job.kind == "sweep"] == []


async def test_a_sweep_that_dies_is_a_failed_job_and_goes_on_a_few_times(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "RESUME_AFTER", 0.0)
    monkeypatch.setattr(working, "MOST_RESUMES", 1)
    await desk.link.order("start", "all", "web on-call")
    first = await desk.turn_until_run()
    os.kill(first.pid, signal.SIGKILL)
    await desk.ended(first)
    second = await desk.turn_until_run()
    assert (second.run_id, second.resumes) == (first.run_id, first.run_id)
    os.kill(second.pid, signal.SIGKILL)
    await desk.ended(second)
    desk.dispatcher.look()
    assert not [job for job in desk.workshop.running if job.kind == "sweep"]
    assert [(job.end, job.exit_code) for job in desk.link.jobs() if job.kind == "sweep"] == [
        ("failed", -9)
    ] * 2


async def test_what_cannot_be_done_is_said(desk: Desk) -> None:
    async def problem(do: str, name: str) -> str:
        return (await desk.link.order(do, name, "web on-call")).problem

    assert await problem("start", "paris\x1b[2J") == (
        "there is no schedule 'paris\\\\x1b[2J'; write one of these: all"
    )
    assert await problem("stop", "job-1") == "no such job runs; none does"
    assert await problem("verify", "") == "nothing was swept yet, so that no exposure is known"
    assert await problem("sweep 10.0.0.0/8", "") == "there is no such order"
    assert await problem("start", "x" * 5000) == "there is nothing of so long a name"
    with desk.sweep_by_hand() as run_id:
        waits = f"all cannot start now: it is the turn of the run {run_id}, which was started by hand"
        assert (await problem("start", "all")).startswith(waits)


async def test_a_schedule_is_paused_and_goes_on(desk: Desk) -> None:
    desk.dispatcher.look()
    (schedule,) = desk.dispatcher.schedules()
    assert (schedule.paused_by, schedule.next_at[4:]) == ("", "-01-01T03:00:00.000Z")
    await desk.link.order("pause", "all", "web on-call")
    desk.dispatcher.look()
    (schedule,) = desk.dispatcher.schedules()
    assert (schedule.paused_by, schedule.next_at) == ("web on-call", "")
    again = Dispatcher(desk.dispatcher.plans, desk.store, desk.workshop, SystemClock(), desk.output)
    assert again.schedules()[0].paused_by == "web on-call"
    await desk.link.order("resume", "all", "another")
    desk.dispatcher.look()
    assert desk.dispatcher.schedules()[0].paused_by == ""


async def test_what_is_done_between_sweeps_has_clocks_of_its_own(tmp_path: Path, port: int) -> None:
    more = '[[recipient]]\nowner = "web platform"\nto = ["web-oncall@example.com"]\n'
    desk = Desk(tmp_path, port, rate=20, more=f'{more}[service]\nkeep_runs = "90d"\nnotify_every = ""\n')
    desk.dispatcher.look()
    assert desk.commands() == []  # nothing was ever swept
    (desk.output / LEDGER_FILE).touch()
    desk.dispatcher.look()
    files = f"-c {tmp_path}/mongosweep.toml -o {desk.output}"
    assert desk.commands() == [
        f"mongosweep verify {files} --quiet",
        f"mongosweep ledger prune {files} --keep 90d",
    ]
    desk.dispatcher.look()
    assert len(desk.commands()) == 2
    for job in desk.workshop.running:
        assert await desk.workshop.stop(job.job_id, "web on-call") == ""
        await desk.ended(job)
    again = Dispatcher(desk.dispatcher.plans, desk.store, desk.workshop, SystemClock(), desk.output)
    again.look()
    assert desk.commands() == []  # a restart does not begin them anew
    desk.store.close()


async def test_a_schedule_of_a_fleet_is_swept_by_it(tmp_path: Path, port: int) -> None:
    fleet = '[fleet]\nscheduler = "tls://127.0.0.1:1"\ncertificates = "none"\n'
    desk = Desk(tmp_path, port, rate=20, more=f"fleet = true\n{fleet}")
    job_id, problem = desk.dispatcher._sweep_for("all", "web on-call")
    assert (job_id[:4], problem) == ("job-", "")
    files = f"-c {tmp_path}/mongosweep.toml -o {desk.output}"
    assert desk.commands() == [f"mongosweep sweep {files} --quiet --fleet=tls://127.0.0.1:1"]
    (job,) = desk.workshop.running
    await desk.ended(job)
    (ended,) = [each for each in desk.link.jobs() if each.kind == "sweep"]
    assert (ended.end, ended.exit_code) == ("refused", 2)  # there are no certificates, and nothing was sent
    desk.store.close()


async def test_a_page_that_sends_nonsense_is_not_listened_to(tmp_path: Path, port: int) -> None:
    desk = Desk(tmp_path, port, rate=20)
    for nonsense in (b"[]\n", b"x" * 10_000, b'{"number":1,"do":"erase","by":""}\n'):
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.settimeout(10)
            theirs.sendall(nonsense)
            await take_orders(ours, desk.dispatcher)
            assert theirs.recv(1) == b""
    desk.store.close()


async def test_without_a_service_the_page_says_so(tmp_path: Path) -> None:
    link = ServiceLink(tmp_path)
    assert (link.status(), link.jobs()) == (None, [])
    assert "no service runs here" in (await link.order("verify", "", "web on-call")).problem
    ours, theirs = socket.socketpair()
    await link.connect(theirs.detach())
    asked = asyncio.create_task(link.order("verify", "", "web on-call"))
    await asyncio.sleep(0)
    ours.close()
    assert (await asked).problem == "the service has ended"
    await asyncio.wait_for(link.gone.wait(), 10)
    await link.close()
