"""What this machine allows a sweep: each check reads, judges and says what to do. Nothing is sent.

Sources: proc(5), proc_sys_net(5), capabilities(7); the kernel's Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import resource
import select
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from results.place import NEED_INODES
from results.run import NEED_BYTES
from results.text import human_bytes
from scanner.clock import SystemClock
from scanner.errors import ExitCode, MongosweepError, RefusedError
from scanner.mongo import wire
from scanner.network.connect.choose import RESERVED_DESCRIPTORS
from scanner.network.syn.needs import GRANT, INSTALL, missing_modules
from scanner.setup.clock_check import clock_fault, witnesses
from scanner.setup.request import SweepRequest, load
from scanner.setup.settings import SweepSettings
from targets.errors import ScopeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.clock import Clock
    from scanner.setup.request import LoadedRequest

Level = Literal["ok", "warning", "failure"]

FEWEST = 128  # descriptors without which a sweep does not start
STATE_SECONDS = 120  # how long a state table keeps an unanswered connect: Linux's default for SYN_SENT
AMPLE_BYTES = 256 * 1024 * 1024  # for the findings of a large sweep
CAP_NET_RAW = 13


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `remedy` is there unless all is well."""

    name: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the facts come from: the real machine, or a directory that stands for it in a test."""

    root: Path = Path("/")
    clock: Clock
    descriptors: tuple[int, int] | None = None  # soft and hard; the process's own when None
    seen: tuple[Path, ...] = ()  # what was there before, for the clock

    def read(self, path: str) -> str | None:
        """The text of a small file below /proc or /sys; None when it is not there."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """A file's single number."""
        text = self.read(path)
        return int(text) if text is not None and text.lstrip("-").isdigit() else None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks; the exit code is 2 when one of them would make a sweep refuse to start."""

    checks: list[Check]

    @property
    def exit_code(self) -> int:
        """0 or 2."""
        failed = any(check.level == "failure" for check in self.checks)
        return ExitCode.REFUSED if failed else ExitCode.CLEAN


def diagnose(config: str | None, scope_file: str | None, output: str) -> Diagnosis:
    """Examine this machine for the settings found, or for the defaults when there are none."""
    sweep = SweepSettings()
    inventories: list[Check] = []
    try:
        loaded = load(SweepRequest(config=config, scope_file=scope_file), SystemClock.wall())
        sweep = loaded.settings.sweep
        scope = _scope_check(loaded)
        inventories = _inventories(loaded)
    except (MongosweepError, ScopeError) as error:
        scope = Check("scope", "failure", str(error).partition("; ")[0], str(error).partition("; ")[2])
    seen: tuple[Path, ...] = ()
    with contextlib.suppress(RefusedError):  # said by the check of the scope
        seen = tuple(witnesses(config, scope_file, output))
    checks = examine(Machine(clock=SystemClock(), seen=seen), sweep, Path(output))
    return Diagnosis([platform_check(), core_check(), *checks, scope, *inventories])


def _scope_check(loaded: LoadedRequest) -> Check:
    count = f"{loaded.scope.address_count:,} addresses, deny takes away "
    count += f"{sum(item.addresses for item in loaded.scope.excluded):,}"
    return Check("scope", "ok", f"{count}; `doctor --fence iproute` prints a fence outside the process")


def _inventories(loaded: LoadedRequest) -> list[Check]:
    """Whether every inventory that the scope names answers."""
    inventories = loaded.options.inventories
    if inventories is None:
        return []
    checks = []
    for name in inventories.asked:
        why = inventories.why_not(name)
        remedy = "run its command by hand, and correct it" if why else ""
        checks.append(
            Check(f"inventory {name}", "failure" if why else "ok", why or "lists addresses", remedy)
        )
    return checks


def examine(machine: Machine, sweep: SweepSettings, output: Path) -> list[Check]:
    """Run every check against what the settings ask for."""
    checks = [
        _descriptors(machine, sweep),
        _ports(machine, sweep),
        *_timeouts(machine, sweep),
        *_state_tables(machine, sweep),
        _raw_sockets(machine, sweep),
        _loop(sweep),
        _ipv6(machine),
        *_clocks(machine),
        _disk(output),
    ]
    return [check for check in checks if check is not None]


def _descriptors(machine: Machine, sweep: SweepSettings) -> Check:
    soft, hard = machine.descriptors or resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1_000_000_000 if hard == resource.RLIM_INFINITY else hard
    found = f"soft limit {soft}, hard limit {'none' if hard == resource.RLIM_INFINITY else hard}"
    usable = most - RESERVED_DESCRIPTORS
    if most < FEWEST:
        return Check("descriptors", "failure", found, "allow more: ulimit -Hn 65536, or LimitNOFILE=65536")
    if usable < sweep.concurrency:
        return Check(
            "descriptors",
            "warning",
            f"{found}: room for {usable} connections, concurrency is {sweep.concurrency}",
            f"allow {sweep.concurrency + RESERVED_DESCRIPTORS} (ulimit -Hn, LimitNOFILE=), "
            "or the sweep goes slower",
        )
    return Check("descriptors", "ok", f"{found} (a sweep raises the soft one)")


def require_descriptors() -> None:
    """Refuse to start a sweep with too few descriptors even for its own files. Raises RefusedError."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < FEWEST:
        raise RefusedError(
            f"only {hard} open files are allowed here and a sweep needs {FEWEST}; "
            "allow more with `ulimit -n 4096`, or LimitNOFILE=4096 in the unit"
        )


def _ports(machine: Machine, sweep: SweepSettings) -> Check | None:
    text = machine.read("/proc/sys/net/ipv4/ip_local_port_range")
    if text is None or len(text.split()) != 2:
        return None
    low, high = (int(part) for part in text.split())
    size = high - low + 1
    found = f"{size} local ports ({low} to {high})"
    if size < 1024:
        return Check("ports", "warning", found, "sysctl -w net.ipv4.ip_local_port_range='32768 60999'")
    return Check("ports", "ok", f"{found}; each destination has them all")


def _timeouts(machine: Machine, sweep: SweepSettings) -> Iterator[Check]:
    """When the kernel sends a SYN again decides how long a connect must be waited for."""
    retries = machine.number("/proc/sys/net/ipv4/tcp_syn_retries")
    if retries is None:
        return
    linear = machine.number("/proc/sys/net/ipv4/tcp_syn_linear_timeouts")
    sent = syn_schedule(retries, linear or 0)
    timeout = sweep.connect_timeout
    within = [moment for moment in sent if moment < timeout]
    found = f"connect_timeout {timeout:g} s: SYNs at {', '.join(f'{moment:g}' for moment in within)} s"
    margin = timeout - within[-1]
    if len(within) < 3:
        later = sent[2] + 0.5 if len(sent) > 2 else 3.5
        yield Check(
            "connect timeout",
            "warning",
            f"{found}: two lost packets are a missed server",
            f"write connect_timeout = {later:g}",
        )
    elif margin < 0.4:
        yield Check(
            "connect timeout",
            "warning",
            f"{found}: the last has {margin:.2f} s to be answered",
            f"write connect_timeout = {within[-1] + 0.5:g}",
        )
    else:
        yield Check("connect timeout", "ok", found)


def syn_schedule(retries: int, linear: int) -> list[float]:
    """Seconds at which a SYN is sent: `linear` times 1 s apart, then doubling (ip-sysctl.rst)."""
    moments, gap = [0.0], 1.0
    for attempt in range(retries):
        moments.append(moments[-1] + gap)
        if attempt >= linear:
            gap *= 2
    return moments


def _state_tables(machine: Machine, sweep: SweepSettings) -> Iterator[Check]:
    most = machine.number("/proc/sys/net/netfilter/nf_conntrack_max")
    count = machine.number("/proc/sys/net/netfilter/nf_conntrack_count")
    need = int(sweep.rate * STATE_SECONDS)
    if most is not None:
        found = f"conntrack holds {count or 0} of {most}; a silent range at this rate fills {need}"
        full = need + (count or 0) > most * 0.5
        remedy = "lower the rate, raise nf_conntrack_max, or exempt the sweep with a notrack rule"
        yield Check("conntrack", "warning" if full else "ok", found, remedy if full else "")
    neighbours = machine.number("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
    if neighbours is not None:
        small = neighbours < 4096
        yield Check(
            "neighbour table",
            "warning" if small else "ok",
            f"at most {neighbours} neighbours",
            "only for ranges on this machine's own link: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192"
            if small
            else "",
        )


def _raw_sockets(machine: Machine, sweep: SweepSettings) -> Check:
    status = machine.read("/proc/self/status") or ""
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    allowed = bool(int(effective, 16) >> CAP_NET_RAW & 1)
    modules = missing_modules()
    if allowed and not modules:
        return Check("raw sockets", "ok", "allowed: the SYN engine can be used")
    missing = [] if allowed else ["CAP_NET_RAW is missing"]
    missing += [f"{' and '.join(modules)} of the syn extra not installed"] if modules else []
    found = f"{'; '.join(missing)}: only the connect engine can be used"
    if sweep.engine != "syn":
        return Check("raw sockets", "ok", found)
    remedies = ([INSTALL] if modules else []) + ([] if allowed else [GRANT])
    return Check("raw sockets", "failure" if modules else "warning", found, "; ".join(remedies))


def require_engine(engine: str) -> None:
    """Refuse the SYN engine where its extra is not installed: whoever names it must not get another in its
    place. Raises RefusedError."""
    modules = missing_modules() if engine == "syn" else []
    if modules:
        raise RefusedError(
            f'engine "syn" needs {" and ".join(modules)}, not installed here; {INSTALL}, or --engine connect'
        )


def _loop(sweep: SweepSettings) -> Check:
    uvloop = importlib.util.find_spec("uvloop") is not None
    epoll = hasattr(select, "epoll")
    found = f"uvloop {'present' if uvloop else 'missing'}, epoll {'present' if epoll else 'missing'}"
    if uvloop and epoll:
        return Check("event loop", "ok", found)
    wanted = sweep.loop == "uvloop" and not uvloop
    return Check(
        "event loop",
        "warning",
        f"{found}: a sweep runs on asyncio, slower",
        "pip install uvloop" if wanted else "nothing to do here; Linux has both",
    )


def _ipv6(machine: Machine) -> Check:
    disabled = machine.number("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    if not socket.has_ipv6 or disabled != 0:
        return Check(
            "IPv6", "warning", "not available", "sysctl -w net.ipv6.conf.all.disable_ipv6=0, if needed"
        )
    return Check("IPv6", "ok", "available")


def _clocks(machine: Machine) -> Iterator[Check]:
    fault = clock_fault(machine.clock.wall(), machine.seen)
    if fault is not None:
        yield Check("clock", "failure", *fault)
    else:
        synchronised = machine.read("/run/systemd/timesync/synchronized") is not None
        yield Check("clock", "ok", "plausible" + (", synchronised" if synchronised else ""))


def _disk(output: Path) -> Check:
    place = output.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return Check("disk", "failure", f"{place} is not a directory", "name another output with -o DIR")
    if not os.access(place, os.W_OK):
        return Check("disk", "failure", f"{place} cannot be written", "name another output with -o DIR")
    room = os.statvfs(place)
    free = room.f_bavail * room.f_frsize
    found = f"{human_bytes(free)} free for {output}"
    remedy = "make room, or name another output with -o DIR"
    if free < NEED_BYTES:
        return Check("disk", "failure", f"{found}; a sweep needs {human_bytes(NEED_BYTES)}", remedy)
    if room.f_files and room.f_favail < NEED_INODES:
        return Check("disk", "failure", f"only {room.f_favail} more files fit into {output}", remedy)
    if free < AMPLE_BYTES:
        return Check("disk", "warning", found, remedy)
    return Check("disk", "ok", found)


def platform_check() -> Check:
    """Which Python on which system this is."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("platform", "ok", f"Python {version} on {sys.platform}, {os.cpu_count()} processors")


def core_check() -> Check:
    """Whether what reads servers' answers was compiled. Neither is a fault."""
    compiled = Path(wire.__file__).suffix != ".py"
    return Check("core", "ok", "compiled" if compiled else "interpreted: all of it is Python")
