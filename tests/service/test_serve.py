"""`mongosweep serve` as a process: what it starts, and what is left when it, or all of it, is killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.runs import list_runs
from scanner.clock import SystemClock, timestamp
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.service.admission.access import Access, RefusedAccessError
from scanner.service.admission.roles import Role
from scanner.service.planner import ScheduleState
from scanner.service.store import Store
from tests.cli.programs import mongosweep
from tests.support.ports import free_port
from tests.support.serving import PATIENCE, Serving, serving, wait_until

if TYPE_CHECKING:
    from scanner.service.jobs import Job

OPEN = "127.98.1.1"
CRON, HOUR = "0 * * * *", 3600.0


def configure(home: Path, port: int, *, rate: int = 1000, verify_every: str = "15m") -> None:
    """A configuration with one schedule, whose start of an hour ago was missed."""
    (home / "mongosweep.toml").write_text(
        '[[allow]]\ncidr = "127.98.1.0/25"\nowner = "web platform"\nsite = "paris"\nkind = "lab"\n'
        f"[sweep]\nports = [{port}]\nper_prefix_rate = 1000\nrate = {rate}\n"
        f'[service]\nlisten = "127.0.0.1:{free_port()}"\nverify_every = "{verify_every}"\n'
        f'[[sink]]\nkind = "file"\npath = "{home}/siem.jsonl"\n'
        f'[[schedule]]\nname = "paris"\ncron = "{CRON}"\ncatch_up = "3h"\nsites = ["paris"]\n'
    )
    (home / "runs").mkdir()
    now = SystemClock.wall()
    store = Store.open(home / "runs", timestamp(now))
    state = ScheduleState(rule=f"{CRON} UTC", handled=now - 2 * HOUR, looked=now - 2 * HOUR)
    store.keep_schedule("paris", msgspec.json.encode(state))
    store.close()


def asked_again(service: Serving) -> list[Job]:
    """The verifications that have made a run, the oldest first."""
    return [job for job in service.ended("verify") if job.run_id]


def test_a_missed_start_is_made_up_for_and_what_is_open_is_asked_again(tmp_path: Path, port: int) -> None:
    """A verification that came before the sweep had found anything had nothing to ask, and made no run."""
    configure(tmp_path, port, verify_every="2s")
    with LabThread({(OPEN, port): find("open_8_0")}), serving(tmp_path) as service:
        (swept,) = service.wait_for_end("sweep")
        wait_until(lambda: asked_again(service), "a verification that asked")
        verified = asked_again(service)[0]
        told = tmp_path / "siem.jsonl"
        wait_until(lambda: told.exists() and "exposure" in told.read_text(), "an event in the file")
        status = service.status()
        held = [raw_sockets(pid) for pid in (service.process.pid, service.page())]
        again = mongosweep("serve", cwd=tmp_path)
        assert service.end() == 0
    assert (swept.end, swept.exit_code, swept.schedule, swept.due_at[14:]) == (
        "complete",
        1,
        "paris",
        "00:00.000Z",
    )
    assert swept.command[:2] == ("mongosweep", "sweep")
    assert "--site=paris" in swept.command
    assert (verified.end, verified.exit_code) == ("complete", 1)
    first, *others = list_runs(service.runs)
    assert (first.run_id, first.state, first.purpose) == (swept.run_id, "complete", "")
    assert {run.purpose for run in others} == {"verify"}
    assert (others[0].run_id, others[0].state) == (verified.run_id, "complete")
    assert status is not None
    (schedule,) = status.schedules
    assert (schedule.name, schedule.last_job, schedule.waits_for) == ("paris", swept.job_id, "")
    assert schedule.next_at[14:] == "00:00.000Z"
    assert held == [False, False]
    assert (again.returncode, f"(service, process {service.process.pid})" in again.stderr) == (5, True)


def raw_sockets(pid: int) -> bool:
    """Whether a process has CAP_NET_RAW, or could get it back."""
    status = Path(f"/proc/{pid}/status").read_text()
    kinds = "Inh|Prm|Eff|Amb" + ("|Bnd" if os.geteuid() == 0 else "")  # a program that root runs gets those
    sets = re.findall(rf"Cap(?:{kinds}):\s*([0-9a-f]+)", status)
    return any(int(each, 16) >> 13 & 1 for each in sets)


def kill_all(service: Serving, *pids: int) -> None:
    for pid in (service.process.pid, *pids):
        os.kill(pid, signal.SIGKILL)
    service.process.wait()


@pytest.mark.exhaustive
def test_a_sweep_that_outlives_its_service_is_taken_over(tmp_path: Path, port: int) -> None:
    configure(tmp_path, port, rate=40)
    with serving(tmp_path) as service:
        job = service.wait_for_running("sweep")
        kill_all(service)
    with serving(tmp_path) as service:
        taken = service.wait_for_running("sweep")
        (ended,) = service.wait_for_end("sweep")
        assert service.end() == 0
    assert (taken.job_id, taken.pid) == (job.job_id, job.pid)
    assert (ended.job_id, ended.end, ended.exit_code) == (job.job_id, "complete", None)
    assert [run.state for run in list_runs(service.runs)] == ["complete"]


@pytest.mark.exhaustive
def test_a_sweep_goes_on_when_its_service_was_ended_in_order_and_is_back(tmp_path: Path, port: int) -> None:
    configure(tmp_path, port, rate=40)
    with serving(tmp_path) as service:
        job = service.wait_for_running("sweep")
        assert service.end() == 0
        assert not alive(job.pid)
    (run,) = list_runs(service.runs)
    assert run.can_resume
    with serving(tmp_path) as service:
        lost, ended = service.wait_for_end("sweep", 2)
        assert service.end() == 0
    assert (lost.job_id, lost.end, ended.end, ended.run_id) == (job.job_id, "lost", "complete", job.run_id)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_sweep_that_was_killed_with_its_service_goes_on_where_it_was(tmp_path: Path, port: int) -> None:
    configure(tmp_path, port, rate=40)
    with serving(tmp_path) as service:
        job = service.wait_for_running("sweep")
        kill_all(service, job.pid)
    with serving(tmp_path) as service:
        lost, ended = service.wait_for_end("sweep", 2)
        assert service.end() == 0
    assert (lost.job_id, lost.end) == (job.job_id, "lost")
    assert (ended.end, ended.run_id, ended.resumes, ended.exit_code) == (
        "complete",
        job.run_id,
        job.run_id,
        0,
    )
    assert ended.command[-2:] == ("--resume", job.run_id)
    assert [(run.run_id, run.state) for run in list_runs(service.runs)] == [(job.run_id, "complete")]


class Systemd:
    """The socket on which systemd hears of a service."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE)
        self.heard: list[str] = []

    def hear(self, line: str) -> None:
        """Until it hears this."""
        while line not in self.heard:
            self.heard += self._socket.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._socket.close()


def test_a_page_that_dies_comes_again_and_a_broken_configuration_changes_nothing(tmp_path: Path) -> None:
    config, port = tmp_path / "mongosweep.toml", free_port()
    whole = f'[service]\nlisten = "127.0.0.1:{port}"\n'
    config.write_text(whole)
    systemd = Systemd(tmp_path / "notify")
    given = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
    with contextlib.closing(systemd), serving(tmp_path, **given) as service:
        systemd.hear("READY=1")
        systemd.hear("WATCHDOG=1")
        first = service.page()
        assert "no address may be asked; write [[allow]]" in service.said
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{first}/environ").read_bytes()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: service.pages() not in ([], [first]) and answers(port), "another page")
        config.write_text(whole + '[[schedule]]\nname = "paris"\ncron = "61 * * * *"\n')
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("wrong now" in each for each in service.warnings()), "a warning")
        assert any("mongosweep.toml:5" in each for each in service.warnings())
        second = service.pages()
        config.write_text(whole + '[[schedule]]\nname = "paris"\ncron = "5 * * * *"\n')
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not any("wrong now" in each for each in service.warnings()), "no warning")
        status = service.status()
        assert status is not None
        assert [each.name for each in status.schedules] == ["paris"]
        wait_until(lambda: service.pages() not in ([], second) and answers(port), "a page of the new one")
        for do, by in (("pause", "token:web-oncall"), ("resume", None)):
            assert asked(service, port, "/orders", {"do": do, "name": "paris"}) == {}
            (paris,) = asked(service, port)["service"]["schedules"]
            assert paris.get("paused_by") == by, "what was ordered shows at once"
        assert service.end() == 0
        systemd.hear("STOPPING=1")
    assert not answers(port)


def asked(service: Serving, port: int, path: str = "", order: dict[str, str] | None = None) -> Any:
    """What the page's resource of the service answers to a user who may operate it."""
    with contextlib.closing(Access(service.runs, SystemClock())) as access:
        with contextlib.suppress(RefusedAccessError):
            access.revoke_token("web-oncall")
        token = access.add_token("web-oncall", Role.OPERATE, 3600)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/service{path}",
        data=msgspec.json.encode(order) if order is not None else None,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return msgspec.json.decode(answer.read())


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def test_a_page_that_cannot_listen_ends_the_service(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "mongosweep.toml").write_text(f'[service]\nlisten = "{listen}"\n')
        done = mongosweep("serve", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{listen} cannot be listened on: Address already in use; write another" in done.stderr


def test_a_directory_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    configure(tmp_path, 27017)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    done = mongosweep("serve", "-o", "other", cwd=tmp_path)
    assert done.returncode == 2
    assert "holds other things and no run" in done.stderr
    assert [each.name for each in (tmp_path / "other").iterdir()] == ["notes.txt"]


def test_no_configuration_is_refused(tmp_path: Path) -> None:
    done = mongosweep("serve", cwd=tmp_path)
    assert (done.returncode, "serve needs a configuration" in done.stderr) == (2, True)
