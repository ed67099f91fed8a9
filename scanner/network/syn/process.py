"""The stage's process: opens its sockets, gives up every privilege, then runs the sweep.

Started by `scanner.network.syn.stage` as `python -I -m scanner.network.syn.process`. It reads a job from
its standard input and writes messages to its standard output; see `scanner.network.syn.messages`."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from scanner.network.syn import bpf, privilege, routes
from scanner.network.syn.cookie import KEY_BYTES, Cookies
from scanner.network.syn.messages import Job, Kind, Ready, Trouble
from scanner.network.syn.pipe import Pipe
from scanner.network.syn.ring import FramesRefused, ReceiveRing
from scanner.network.syn.rounds import Resources, ScopeBreach, SynRounds, TransmitLane
from scanner.network.syn.scope_filter import ScopeFilter
from scanner.network.syn.target_table import TargetTable

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_LOWEST_PORT = 10_000
_PORT_TRIES = 50


class CannotStart(Exception):  # noqa: N818 — becomes a message, see Kind.TROUBLE
    """Why the stage cannot run: `what` is a word for the parent, the text is for people."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what


def _listeners(sources: set[IPv4Address | IPv6Address], base: int, count: int) -> list[socket.socket]:
    """Take the source ports for ourselves, by listening sockets whose filter drops every segment.

    Two ends in one: no other program gets an answer of ours, and the kernel, which finds a socket and a
    filter that eats the segment, does not answer a SYN-ACK with a RST of its own (the stage sends its own,
    in batches). Raises OSError when one of the ports is taken."""
    made: list[socket.socket] = []
    try:
        for source in sources:
            family = socket.AF_INET if source.version == 4 else socket.AF_INET6
            for port in range(base, base + count):
                made.append(sock := socket.socket(family, socket.SOCK_STREAM))
                bpf.attach(sock, bpf.DROP_ALL)
                sock.bind((str(source), port))
                sock.listen(1)
    except OSError:
        for sock in made:
            sock.close()
        raise
    return made


def _take_ports(job: Job, sources: set[IPv4Address | IPv6Address]) -> tuple[int, list[socket.socket]]:
    """The first source port and the sockets that hold all of them; outside the kernel's own range."""
    if job.source_port is not None:
        try:
            return job.source_port, _listeners(sources, job.source_port, job.source_ports)
        except OSError as error:
            wanted = f"{job.source_port}-{job.source_port + job.source_ports - 1}"
            raise CannotStart("ports", f"source ports {wanted} are not free here: {error.strerror}") from None
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    bases = [
        base
        for base in range(_LOWEST_PORT, 65536 - job.source_ports, job.source_ports)
        if base + job.source_ports <= low or base > high
    ]
    for base in random.SystemRandom().sample(bases, min(_PORT_TRIES, len(bases))):
        with contextlib.suppress(OSError):
            return base, _listeners(sources, base, job.source_ports)
    raise CannotStart("ports", f"no {job.source_ports} free source ports in a row outside {low}-{high}")


def _allow_descriptors() -> None:
    """As many as the hard limit gives: a socket for each source port."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _prepare(job: Job) -> tuple[Resources, routes.RoutePlan, list[socket.socket]]:
    """Everything that needs a privilege or a descriptor."""
    if not privilege.has_net_raw():
        raise CannotStart("no raw sockets", "the capability CAP_NET_RAW is missing")
    _allow_descriptors()
    plan = routes.plan(job.ranges)
    if not plan.lanes:
        raise CannotStart(
            "no lanes", "The SYN stage has nothing to ask: no part of the scope lies behind a gateway."
        )
    sources = {lane.path.source for lane in plan.lanes}
    base, held = _take_ports(job, sources)
    scope_filter = ScopeFilter(job.ranges)
    slots = 8192 if len(plan.lanes) <= 8 else 4096
    lanes = [TransmitLane(lane.interface, lane.path, scope_filter, slots) for lane in plan.lanes]
    receiving = {(lane.interface, lane.path.source) for lane in plan.lanes}
    receivers = [ReceiveRing(interface, source, base, job.source_ports) for interface, source in receiving]
    cookies = Cookies(os.urandom(KEY_BYTES), base, job.source_ports)
    return Resources(lanes, receivers, TargetTable(plan.parts), scope_filter, cookies), plan, held


def _run(pipe: Pipe, job: Job, pieces: bytes) -> None:
    try:
        resources, plan, held = _prepare(job)
    except PermissionError as error:
        raise CannotStart("no raw sockets", f"packet sockets are forbidden here: {error.strerror}") from None
    except routes.RouteForbidden as error:
        raise CannotStart("fence", str(error)) from None
    except OSError as error:
        raise CannotStart("local", f"the stage could not open what it needs: {error}") from None
    privilege.drop_everything()
    rounds = SynRounds(job, resources, pipe, pieces)
    direct = [(part.begin, part.range.targets) for part in plan.direct]
    lanes = [f"{lane.name} from {lane.path.source}" for lane in plan.lanes]
    pipe.put(Kind.READY, msgspec.json.encode(Ready(lanes=lanes, direct=direct, notes=plan.notes)))
    stats = rounds.run()
    for opened in (resources.lanes, resources.receivers, held):
        for each in opened:
            each.close()
    pipe.put(Kind.DONE, msgspec.json.encode(stats))


def main() -> int:
    """Run one stage; the exit status is 0 also for trouble that was told to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what a Ctrl-C means
    with open(0, "rb", closefd=False) as parent:
        line = parent.readline()
        if not line:
            return 0
        job = msgspec.json.decode(line, type=Job)
        pieces = parent.read(job.marks_bytes)  # no command comes before READY
    pipe = Pipe(0, 1)
    try:
        _run(pipe, job, pieces)
    except CannotStart as reason:
        _tell(pipe, reason.what, str(reason))
    except FramesRefused as refused:
        _tell(pipe, "refused", str(refused))
    except (ScopeBreach, privilege.StillPrivileged) as bug:
        _tell(pipe, "bug", str(bug))
    except Exception:  # noqa: BLE001 — nothing else can tell it: this process may no longer write any file
        _tell(pipe, "bug", traceback.format_exc(limit=-4))
    pipe.finish()
    return 0


def _tell(pipe: Pipe, what: str, text: str) -> None:
    pipe.put(Kind.TROUBLE, msgspec.json.encode(Trouble(what=what, text=text)))


if __name__ == "__main__":
    sys.exit(main())
