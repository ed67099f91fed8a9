"""Two network namespaces joined by a veth pair: the only place where traffic has any address but loopback's.

    with netns.pair(local=["10.77.0.0/16"]) as (scan, corp):   # corp answers for the whole prefix (AnyIP)
        with corp.entered():                                   # sockets made in this block live in corp
            listener = socket.create_server(("0.0.0.0", 27017))
        scan.run(["nft", "list", "counters"])                  # a command inside
        scan.call(function, argument)                          # a function inside, in a thread of its own

Mark such tests `netns` and use `netns.required` to skip them with a reason where they cannot run.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Result = TypeVar("Result")
Test = TypeVar("Test", bound="Callable[..., Any] | type")

SCAN_V4, CORP_V4, LINK_V4 = "198.18.0.1", "198.18.0.2", "198.18.0.0/30"
SCAN_V6, CORP_V6, LINK_V6 = "fd77::1", "fd77::2", "fd77::/126"

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
serial = itertools.count()
_here = threading.local()


def missing() -> str:
    """Why namespaces cannot be made here; an empty string when they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for command, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(command) is None:
            return f"no `{command}` command (Debian package {package})"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "this kernel or container allows no new network namespace"


def required(test: Test) -> Test:
    """Decorate a test or a class: marked `netns`, and skipped with a reason where none can be made."""
    reason = missing()
    marked: Test = pytest.mark.netns(pytest.mark.skipif(bool(reason), reason=reason or "never")(test))
    return marked


def inside() -> bool:
    """Whether this thread is in a namespace of a test's own, from which no route leads out."""
    return getattr(_here, "depth", 0) > 0


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "setns")


@dataclass(frozen=True)
class Namespace:
    """One namespace that this test owns. `device` is its end of the veth pair."""

    name: str
    device: str
    address: str
    address_v6: str

    def run(
        self, command: Sequence[str], *, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and wait for it; its output is captured as text."""
        options = {"capture_output": True, "text": True, "timeout": 60, **options}
        done = subprocess.run(self.command(command), check=False, **options)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} in {self.name}: {done.stderr or done.stdout}")
        return done

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command inside; the caller ends it."""
        return subprocess.Popen(self.command(command), **options)

    def command(self, command: Sequence[str]) -> list[str]:
        """The argument list that runs `command` inside."""
        return ["ip", "netns", "exec", self.name, *command]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Everything this THREAD opens in the block belongs to the namespace, and stays there afterwards."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            target = os.open(f"/var/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(target)
            finally:
                os.close(target)
            _here.depth = getattr(_here, "depth", 0) + 1
            try:
                yield
            finally:
                _here.depth -= 1
                _setns(home)
        finally:
            os.close(home)

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run a function inside, in a thread of its own (an event loop may run there); return its result."""
        outcome: list[Result] = []
        trouble: list[BaseException] = []

        def body() -> None:
            try:
                with self.entered():
                    outcome.append(function(*arguments))
            except BaseException as error:  # noqa: BLE001  (handed to the caller below)
                trouble.append(error)

        thread = threading.Thread(target=body, name=f"in {self.name}")
        thread.start()
        thread.join()
        if trouble:
            raise trouble[0]
        return outcome[0]

    def sysctl(self, key: str, value: object) -> None:
        """Set one `net.` key of this namespace, for example ("net.ipv4.tcp_syncookies", 0)."""
        with self.entered():
            Path("/proc/sys", *key.split(".")).write_text(f"{value}\n")

    def answer_for(self, prefix: str) -> None:
        """AnyIP: every address of the prefix is local here."""
        self.run(["ip", *_family(prefix), "route", "add", "local", prefix, "dev", "lo"])

    def route(self, prefix: str, via: str) -> None:
        """Send a prefix to a next hop on the link."""
        self.run(["ip", *_family(prefix), "route", "add", prefix, "via", via])

    def nft(self, rules: str) -> None:
        """Load nft rules from text."""
        self.run(["nft", "-f", "-"], input=rules)

    def counters(self) -> dict[str, int]:
        """Packets of every named nft counter, by the counter's name."""
        listing = json.loads(self.run(["nft", "-j", "list", "counters"]).stdout)
        found = (entry["counter"] for entry in listing["nftables"] if "counter" in entry)
        return {counter["name"]: counter["packets"] for counter in found}

    def count_syns(self, ports: Sequence[int] = (27017,), **prefixes: str) -> None:
        """Count arriving SYNs per prefix at the device, before anything else sees them.

        Each keyword names a counter; `elsewhere` counts the SYNs to no named prefix. Frames that were written
        to a packet socket by the other end are counted, too. Read with `counters()`.
        """
        allowed = ", ".join(str(port) for port in ports)
        # By place, not as "tcp flags": in a netdev chain nft does not find the TCP header of an
        # IPv6 frame that
        # came out of a transmit ring (seen with Linux 6.18).
        syn = {
            "ip": "ip protocol tcp @nh,264,8 & 0x16 == 0x02",
            "ip6": "ip6 nexthdr tcp @nh,424,8 & 0x16 == 0x02",
        }
        port = {"ip": "@nh,176,16", "ip6": "@nh,336,16"}
        rules = [f"{syn[f]} {port[f]} != {{ {allowed} }} counter name other_port" for f in syn]
        for name, prefix in prefixes.items():
            family = "ip6" if ":" in prefix else "ip"
            rules.append(f"{family} daddr {prefix} {syn[family]} counter name {name} return")
        rules += [f"{test} counter name elsewhere" for test in syn.values()]
        declared = "\n".join(f"counter {name} {{ }}" for name in [*prefixes, "elsewhere", "other_port"])
        self.nft(
            f"table netdev watch {{\n{declared}\nchain arriving {{\n"
            f"type filter hook ingress device {self.device} priority -500\n" + "\n".join(rules) + "\n}\n}\n"
        )


def _family(prefix: str) -> list[str]:
    return ["-6"] if ":" in prefix else []


def ip(*words: str) -> None:
    """The `ip` command. Raises CalledProcessError."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=30)


def make(name: str, stack: ExitStack) -> None:
    """A new namespace with loopback, deleted when the stack is left."""
    ip("netns", "add", name)
    stack.callback(subprocess.run, ["ip", "netns", "delete", name], capture_output=True, check=False)
    ip("-n", name, "link", "set", "lo", "up")


@contextmanager
def pair(
    *, local: Sequence[str] = (), routed: Sequence[str] | None = None
) -> Iterator[tuple[Namespace, Namespace]]:
    """Make the pair (scan, corp); both vanish at the end, with whatever is still inside.

    `local`: prefixes (IPv4 or IPv6) that corp answers for. `routed`: prefixes that scan sends to corp;
    without it the same ones.
    """
    mark = f"{os.getpid()}-{next(serial)}"
    scan = Namespace(f"ms-scan-{mark}", "scan0", SCAN_V4, SCAN_V6)
    corp = Namespace(f"ms-corp-{mark}", "corp0", CORP_V4, CORP_V6)
    with ExitStack() as stack:
        make(scan.name, stack)
        make(corp.name, stack)
        ip(
            *("link", "add", scan.device, "netns", scan.name, "type", "veth"),
            *("peer", "name", corp.device, "netns", corp.name),
        )
        for end, length in ((scan, 30), (corp, 30)):
            ip("-n", end.name, "address", "add", f"{end.address}/{length}", "dev", end.device)
            ip("-n", end.name, "address", "add", f"{end.address_v6}/126", "dev", end.device, "nodad")
            ip("-n", end.name, "link", "set", end.device, "up")
        for prefix in local:
            corp.answer_for(prefix)
        for prefix in local if routed is None else routed:
            scan.route(prefix, CORP_V6 if ":" in prefix else CORP_V4)
        _wait_for_carrier(scan)
        yield scan, corp


def _wait_for_carrier(end: Namespace) -> None:
    """The kernel notices within a second or two that the other end stands; until then routes may be passed
    over."""
    for _ in range(200):
        if end.run(["cat", f"/sys/class/net/{end.device}/operstate"]).stdout.strip() == "up":
            return
        time.sleep(0.02)
