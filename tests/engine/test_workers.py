"""Conversations in worker processes: the same findings, and what becomes of them when a worker dies."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.audit import audit
from results.reading import read_run
from scanner.clock import SystemClock
from scanner.contact import LocalFault
from scanner.engine.worker import Worker
from scanner.engine.worker_messages import Batch, Handed, Job, Narrow, Report, decode_report, encode, pack
from scanner.engine.workers import DEATHS
from scanner.lab.thread import LabThread
from scanner.network.guard import ScopeGuard
from scanner.network.handover import BrokenHandover, Frames, Handover, pair
from scanner.setup.processors import processors, worker_count
from scanner.setup.settings import Settings, SweepOptions
from scanner.sweep.sweep import run
from tests.support.processes import command, only_run, wait_for_run, workers_of
from tests.support.slow_servers import slow_servers
from tests.support.sweeps import FAST, Watcher, estate, found, scope_of, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from results.record import Observation
    from scanner.clock import Clock
    from scanner.sweep.progress import ProgressSnapshot
    from targets.scope import Scope

PATIENT = Settings(sweep=msgspec.structs.replace(FAST, reply_timeout=4.0, host_timeout=15.0))


def without_times(seen: Observation) -> dict[str, Any]:
    """What two sweeps of the same server must agree on."""
    plain = json.loads(msgspec.json.encode(seen))
    for key in ("event_id", "run_id", "observed_at", "timing"):
        plain.pop(key, None)
    for key in ("started_at", "clock_skew_seconds"):
        (plain.get("server") or {}).pop(key, None)
    for past in (plain.get("exposure") or {}).get("past", ()):
        past.pop("after_start_seconds", None)  # the start is told by two clocks, to the millisecond
    text = json.dumps(plain)
    plain = json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "a time", text))
    return dict(plain)


class Nursemaid(Watcher):
    """A screen that does something to the workers when so many servers were found."""

    def __init__(self, act: Callable[[list[int]], None], after: int = 0) -> None:
        super().__init__()
        self.act = act
        self.after = after
        self.acted = 0
        self.most_children = 0

    def progress(self, snapshot: ProgressSnapshot) -> None:
        super().progress(snapshot)
        mine = workers_of(os.getpid())
        self.most_children = max(self.most_children, len(mine))
        if len(self.seen) >= self.after and mine:
            self.act(mine)
            self.acted += 1


def handed_over() -> int:
    """Unix sockets of this process."""
    links = []
    for place in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.append(place.readlink().name)
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    return sum(link.removeprefix("socket:[").rstrip("]") in unix for link in links)


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    before = handed_over()
    yield
    assert workers_of(os.getpid()) == []
    gc.collect()
    assert handed_over() <= before


@pytest.mark.slow
def test_workers_find_what_one_process_finds(tmp_path: Path, port: int) -> None:
    servers = estate()
    told = {}
    with LabThread({(ip, port): personality for ip, personality in servers.items()}):
        for workers in (1, 2):
            summary, watcher = sweep(scope_of(port), tmp_path / str(workers), PATIENT, workers=workers)
            assert summary.state == "complete", summary.reasons
            assert not audit(Path(summary.run_dir)).edited
            assert len(watcher.seen) == sum(p.verdict.is_open for p in servers.values())
            told[workers] = (
                summary.outcomes,
                {ip: without_times(line) for ip, line in found(summary.run_dir).items()},
            )
    assert told[1] == told[2]


def many(count: int) -> dict[str, Any]:
    """So many addresses with one open server."""
    (personality,) = estate({"magazine"}).values()
    return {f"127.91.1.{number}": personality for number in range(1, count + 1)}


def run_with(nursemaid: Nursemaid, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("tests.support.sweeps.Watcher", lambda: nursemaid)
    settings = Settings(sweep=msgspec.structs.replace(PATIENT.sweep, rate=60, host_timeout=8.0))
    with LabThread({(ip, port): personality for ip, personality in many(120).items()}):
        summary, _ = sweep(scope_of(port, "127.91.1.0/25"), tmp_path, settings, workers=2)
    lines = [line.event_id for line in found_lines(summary.run_dir)]
    assert summary.state == "complete", summary.reasons
    assert summary.outcomes == {"open": 120, "refused": 8}
    assert len(lines) == len(set(lines)) == 120
    return summary


def found_lines(run_dir: str) -> list[Observation]:
    return list(read_run(Path(run_dir)))


@pytest.mark.fault("F81", "kill -9 of a worker while it has conversations in hand")
def test_a_killed_worker_loses_nothing(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill_once(mine: list[int]) -> None:
        if not nursemaid.acted:
            os.kill(mine[0], signal.SIGKILL)

    nursemaid = Nursemaid(kill_once, after=20)
    run_with(nursemaid, tmp_path, port, monkeypatch)
    assert nursemaid.acted
    assert nursemaid.most_children == 2


@pytest.mark.fault("F81", "kill -9 of every worker, again and again: the sweep goes on in one process")
def test_workers_that_always_die_leave_the_sweep_to_the_main_process(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_all(mine: list[int]) -> None:
        for pid in mine:
            os.kill(pid, signal.SIGKILL)

    nursemaid = Nursemaid(kill_all)
    run_with(nursemaid, tmp_path, port, monkeypatch)
    assert nursemaid.acted <= DEATHS + 2


@pytest.mark.slow
@pytest.mark.fault("F81", "SIGSTOP of a worker")
def test_a_frozen_worker_is_noticed_and_replaced(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[int] = []

    def freeze_once(mine: list[int]) -> None:
        if not frozen:
            frozen.append(mine[0])
            os.kill(mine[0], signal.SIGSTOP)

    run_with(Nursemaid(freeze_once, after=20), tmp_path, port, monkeypatch)
    assert frozen
    assert not Path(f"/proc/{frozen[0]}").exists()


CONFIG = """
[sweep]
ports = [{port}]
rate = 60
per_prefix_rate = 100000
workers = 2
[[allow]]
cidr = "127.91.1.0/25"
kind = "lab"
"""


@pytest.mark.slow
@pytest.mark.fault("F81", "kill -9 of the main process; the workers end, and --resume goes on")
def test_workers_end_with_their_parent_and_the_run_goes_on(tmp_path: Path, port: int) -> None:
    config = tmp_path / "mongosweep.toml"
    config.write_text(CONFIG.format(port=port))
    with LabThread({(ip, port): personality for ip, personality in many(120).items()}):
        started = command(config, "--json")
        with subprocess.Popen(started, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            run = wait_for_run(process, config, 1.0)
            mine = workers_of(process.pid)
            process.kill()
        assert len(mine) == 2
        deadline = time.monotonic() + 5
        while any(Path(f"/proc/{pid}").exists() for pid in mine) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not [pid for pid in mine if Path(f"/proc/{pid}").exists()]
        again = subprocess.run([*started, "--resume", run.name], capture_output=True, check=False)
    assert again.returncode == 1, again.stderr
    assert len({line.event_id for line in found_lines(str(only_run(config)))}) == 120


@pytest.mark.slow
def test_an_interrupt_ends_the_workers_too(tmp_path: Path, port: int) -> None:
    config = tmp_path / "mongosweep.toml"
    config.write_text(CONFIG.format(port=port))
    with (
        LabThread({(ip, port): personality for ip, personality in many(120).items()}),
        subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
    ):
        wait_for_run(process, config, 1.0)
        mine = workers_of(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 3
    assert len(mine) == 2
    assert not [pid for pid in mine if Path(f"/proc/{pid}").exists()]


class TestWhatAWorkerMayDo:
    """One worker in this process, with a pipe in our hands."""

    async def start(self, scope: Scope, clock: Clock) -> tuple[Worker, socket.socket]:
        ours, theirs = pair()
        ours.settimeout(5)
        job = Job(
            parent=os.getpid(),
            loop="asyncio",
            depth="verdict",
            confirm=False,
            settings=msgspec.json.encode(Settings()),
            run_id="r",
            vantage="",
            scopes=pack(scope, scope),
            began=ScopeGuard(scope, clock).began,
            memory=1 << 24,
        )
        worker = Worker(asyncio.get_running_loop(), job, theirs, Frames())
        return worker, ours

    async def reports(self, ours: socket.socket, wanted: Callable[[Report], bool]) -> Report:
        ours.setblocking(False)
        frames = Frames()
        for _ in range(200):
            await asyncio.sleep(0.02)
            with suppress(BlockingIOError):
                for content, _ in frames.read(ours):
                    report = decode_report(content)
                    if wanted(report):
                        return report
        raise AssertionError("no such report")

    def hand(self, ours: socket.socket, address: str, port: int, ending: str) -> socket.socket:
        """Hand a connection that has ended, so that the worker would open another one."""
        mine = socket.socket()
        handed = Handed(address, port, 7, time.monotonic(), time.monotonic(), time.monotonic() + 9,
                        time.monotonic(), b"", ending)  # fmt: skip
        self.say(ours, encode(Batch(1.0, 1.0, 9.0, [handed])), mine)
        return mine

    def say(self, ours: socket.socket, content: bytes, *sockets: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        handover = Handover(loop, ours, lambda *_: None, lambda: None, lambda _: None)
        handover.put(content, sockets)
        loop.remove_reader(ours.fileno())

    async def is_refused(self, worker: Worker, ours: socket.socket, server: socket.socket) -> None:
        """A connection to this server that ended is not opened again; then all is over."""
        address, port = server.getsockname()
        mine = self.hand(ours, address, port, "closed")
        report = await self.reports(ours, lambda report: bool(report.done))
        with pytest.raises(BlockingIOError):
            server.accept()
        worker.close()
        mine.close()
        ours.close()
        assert report.done[0].fault == LocalFault.OTHER  # the parent asks its own guard

    async def test_a_target_outside_its_scope_is_refused_before_a_packet(self, port: int) -> None:
        with socket.create_server(("127.91.0.9", port)) as server:
            server.setblocking(False)
            worker, ours = await self.start(scope_of(port, "127.91.0.1"), SystemClock())
            await self.is_refused(worker, ours, server)

    async def test_a_narrowed_scope_holds_for_the_next_connect(self, port: int) -> None:
        whole = scope_of(port, "127.91.0.0/28")
        with socket.create_server(("127.91.0.9", port)) as server:
            server.setblocking(False)
            worker, ours = await self.start(whole, SystemClock())
            left = whole.intersect(scope_of(port, "127.91.0.0/29"))
            self.say(ours, encode(Narrow(1, pack(left))))
            await self.reports(ours, lambda report: report.narrowed == 1)
            await self.is_refused(worker, ours, server)


def test_frames_keep_their_sockets_however_they_are_cut() -> None:
    ours, theirs = pair()
    loop = asyncio.new_event_loop()
    taken: list[tuple[bytes, int]] = []
    frames = Frames()

    def read() -> None:
        for content, descriptors in frames.read(theirs):
            taken.append((content, len(descriptors)))
            for descriptor in descriptors:
                os.close(descriptor)

    sender = Handover(loop, ours, lambda *_: None, lambda: None, lambda _: None)
    with socket.socket() as one, socket.socket() as two:
        sender.put(b"x" * 3_000_000, [one, two])  # more than the buffer takes
        sender.put(b"", [two])
        sender.put(b"last")

        def read_all() -> None:
            while len(taken) < 3:
                read()

        reader = threading.Thread(target=read_all)
        reader.start()
        while sender.queued:
            loop.run_until_complete(asyncio.sleep(0.01))
        reader.join(10)
    sender.close()
    with pytest.raises(BrokenHandover):
        read()
    theirs.close()
    loop.close()
    assert [(len(content), sockets) for content, sockets in taken] == [(3_000_000, 2), (0, 1), (4, 0)]


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 1000), ("100000 100000", 1), ("250000 100000", 2), ("50000 100000", 1)]
)
def test_a_quota_of_the_container_counts(tmp_path: Path, quota: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert 1 <= processors(tmp_path / "cpu.max") <= most
    assert processors(tmp_path / "nothing") >= processors(tmp_path / "cpu.max")


def test_a_number_is_taken_as_it_is() -> None:
    assert worker_count(3) == 3
    assert 1 <= worker_count("auto") <= 8


@pytest.mark.slow
@pytest.mark.fault("F81", "kill -9 of every worker, twice, with the same servers in hand")
def test_a_server_that_is_in_hand_at_two_deaths_is_asked_by_the_main_process(
    tmp_path: Path, port: int
) -> None:
    """Slow servers keep their workers; killed with them twice, they come to their end all the same."""
    killed: list[int] = []

    def kill_twice(mine: list[int]) -> None:
        if len(killed) < 4 and len(mine) == 2 and not set(killed) & set(mine):
            time.sleep(1.0)  # now each has some in hand
            for pid in mine:
                os.kill(pid, signal.SIGKILL)
            killed.extend(mine)

    with slow_servers(port, 6, 0.2):
        summary = run(
            PATIENT,
            scope_of(port, "127.91.0.0/29"),
            SweepOptions(output=tmp_path, workers=2),
            Nursemaid(kill_twice),
        )
    assert len(killed) == 4
    assert summary.state == "complete", summary.reasons
    assert summary.outcomes == {"open": 8}


@pytest.mark.slow
def test_a_second_opinion_is_asked_of_what_workers_found(tmp_path: Path, port: int) -> None:
    servers = estate({"magazine", "empty", "tls_open"})
    with LabThread({(ip, port): personality for ip, personality in servers.items()}):
        summary, _ = sweep(scope_of(port), tmp_path, PATIENT, workers=2, confirm=True)
    lines = found(summary.run_dir)
    assert summary.state == "complete", summary.reasons
    assert len(lines) == 3
    assert all(
        line.confirmation is not None and line.confirmation.agrees is not False for line in lines.values()
    )
