"""The place of the benchmark: two namespaces, a responder on the second core, and a clock at its door."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.replies import packed
from tests.support import netns

if TYPE_CHECKING:
    import resource
    from collections.abc import Iterator

    from tests.support.netns import Namespace

HERE = Path(__file__).parent
PREFIX = "10.0.0.0/8"
FIRST = 10 << 24
PORT, CLOSED_PORT, FAR_PORT = 27017, 27018, 27019
SMALL_PORT, ALIKE_PORT, LARGE_PORT = 27021, 27022, 27023
# What `responder` serves besides (bench/estate.c): databases, collections in each, how its servers differ.
_ESTATES = (f"{SMALL_PORT}:4:3:different", f"{ALIKE_PORT}:4:3:alike", f"{LARGE_PORT}:20:20:different")
PYTHON = sys.executable
_EARLY, _LATE = 0.01, 0.99  # of all packets: the middle is what is timed, without start and cool-down


@dataclass
class Place:
    """Both ends, and what the runs need to know of them."""

    scan: Namespace
    corp: Namespace
    gateway_mac: str
    directory: Path
    responder: int = 0
    scan_core: int = 0
    counter: Path = field(default_factory=Path)

    def answers(self, which: str) -> None:
        """`all`: every address listens; `none`: silence; `one in 1024`: the others are silent."""
        self.corp.run(["nft", "flush", "ruleset"])
        test = {
            "all": "",
            "none": f"tcp dport {PORT}",
            "one in 1024": "ip daddr & 0.0.3.255 != 0.0.0.1 tcp dport 27017",
        }
        if test[which]:
            self.corp.nft(
                "table netdev zone {\nchain arriving {\n"
                f"type filter hook ingress device {self.corp.device} priority -500\n"
                f"ip daddr {PREFIX} {test[which]} drop\n}}\n}}\n"
            )


@contextmanager
def place() -> Iterator[Place]:
    """Build it, start the responder, take it all away again."""
    with netns.pair(local=[PREFIX]) as (scan, corp), tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        binary = home / "responder"
        sources = map(str, sorted(HERE.glob("*.c")))
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", str(binary), *sources], check=True)
        (home / "replies").write_bytes(packed())
        for key, value in (
            ("net.core.somaxconn", 65535),
            ("net.ipv4.tcp_max_syn_backlog", 262144),
            ("net.ipv4.tcp_syncookies", 1),
        ):
            corp.sysctl(key, value)
        scan.sysctl("net.ipv4.ip_local_port_range", "1024 60999")
        cores = sorted(os.sched_getaffinity(0))
        mask = f"{1 << cores[-1]:x}"
        corp.run(["sh", "-c", f"echo {mask} > /sys/class/net/{corp.device}/queues/rx-0/rps_cpus"])
        scan.run(["ip", "route", "add", "default", "via", corp.address])
        macs = [
            here.run(["cat", f"/sys/class/net/{here.device}/address"]).stdout.strip() for here in (scan, corp)
        ]
        scan.run(["ip", "neighbour", "replace", corp.address, "lladdr", macs[1], "dev", scan.device])
        corp.run(["ip", "neighbour", "replace", scan.address, "lladdr", macs[0], "dev", corp.device])
        on_core = ["taskset", "-c", str(cores[-1])]
        with (
            _serving(corp, [*on_core, str(binary), str(PORT), str(home / "replies"), *_ESTATES]) as responder,
            _serving(corp, [*on_core, PYTHON, "-m", "bench.far", str(FAR_PORT)]),
        ):
            yield Place(scan, corp, macs[1], home, responder, cores[0])


@contextmanager
def _serving(corp: Namespace, command: list[str]) -> Iterator[int]:
    """A server that says when it is ready; its process id."""
    server = corp.popen(command, stdout=subprocess.PIPE, cwd=str(HERE.parent))
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == b"ready\n", f"{command[3]} did not start"
        yield server.pid
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


class Clock:
    """Watches the responder's device: how many packets had arrived when. The same clock for every
    contender."""

    def __init__(self, corp: Namespace) -> None:
        self._corp = corp
        self._seen: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        with self._corp.entered(), open("/proc/thread-self/net/dev", "rb", buffering=0) as devices:
            while not self._stop.wait(0.01):
                devices.seek(0)
                line = next(
                    line for line in devices.read().splitlines() if self._corp.device.encode() in line
                )
                self._seen.append((time.monotonic(), int(line.split(b":")[1].split()[1])))

    def __enter__(self) -> Clock:
        self._thread.start()
        time.sleep(0.03)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def packets(self) -> int:
        """All that arrived."""
        return self._seen[-1][1] - self._seen[0][1]

    @property
    def seconds(self) -> float:
        """From 1 % to 99 % of all packets, scaled to the whole."""
        begin, end = self._seen[0][1], self._seen[-1][1]
        times = [
            next(at for at, count in self._seen if count >= begin + share * (end - begin))
            for share in (_EARLY, _LATE)
        ]
        return max(times[1] - times[0], 0.001) / (_LATE - _EARLY)


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    seconds: float  # at the responder's door
    packets: int  # that came to it
    wall: float  # from start to exit
    cpu: float  # user and system seconds of the process and its children
    peak_rss: int  # bytes; all its processes together
    output: str
    responder: float  # CPU seconds of the other side


def measure(where: Place, command: list[str], seconds: float, *, all_cores: bool = False) -> Cost:
    """Run one contender on the scanning core. Raises RuntimeError with its words when it fails."""
    peak = _Peak()
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0)))) if all_cores else str(where.scan_core)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started, before = time.monotonic(), _cpu(where.responder)
        with Clock(where.corp) as clock:
            process = where.scan.popen(
                ["taskset", "-c", cores, *command],
                stdout=out,
                stderr=err,
                cwd=str(HERE.parent),
            )
            with peak.of(process.pid), _nudges(where.corp):
                usage, status = _wait(process.pid, seconds)
            process.returncode = status
        wall = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        text = out.read()
        if status not in (0, 1):  # mongosweep ends with 1 when something is open
            raise RuntimeError(f"{' '.join(command)}: status {status}: {err.read()[-400:]}{text[-200:]}")
    cpu, theirs = usage.ru_utime + usage.ru_stime, _cpu(where.responder) - before
    return Cost(clock.seconds, clock.packets, wall, cpu, peak.bytes, text, theirs)


def _cpu(pid: int) -> float:
    """Seconds of user and system time of a process, as /proc counts them: in hundredths (proc(5), stat)."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _nudges(corp: Namespace) -> Iterator[None]:
    """Ten packets a second from the other end: without any, masscan's receiver never notices that it is
    done."""
    stop = threading.Event()

    def send() -> None:
        with corp.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.wait(0.1):
                sender.sendto(b"", (netns.SCAN_V4, 9))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _wait(pid: int, seconds: float) -> tuple[resource.struct_rusage, int]:
    deadline = time.monotonic() + seconds
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return usage, os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, 15)
            _, status, usage = os.wait4(pid, 0)
            return usage, 124
        time.sleep(0.005)


class _Peak:
    """The largest resident set of a process and its children together, sampled."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Sample during the block."""
        thread = threading.Thread(target=self._watch, args=(pid,))
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _watch(self, pid: int) -> None:
        while not self._stop.wait(0.1):
            self.bytes = max(self.bytes, sum(map(_resident, _family(pid))))


def _family(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(grand for child in children for grand in _family(int(child)))]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
