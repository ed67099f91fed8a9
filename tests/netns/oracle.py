"""The kernel as a witness: counters at the scanner's own output, at its device and at the other end.

Whatever the program believes of itself, a packet that left for an address outside the scope is in a counter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cli.programs import ROOT
from tests.support import netns
from tests.support.only_run import OnlyRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.netns import Namespace

PORT = 27017
CORP = "10.77.0.0/16"
CORP6 = "fd78::/32"


@contextlib.contextmanager
def estate(local: Sequence[str] = (CORP, CORP6)) -> Iterator[tuple[Namespace, Namespace]]:
    """(scan, corp): corp answers for `local`, and whatever else scan might send would reach it, too."""
    with netns.pair(local=list(local)) as (scan, corp):
        scan.route("default", netns.CORP_V4)
        scan.run(["ip", "-6", "route", "add", "default", "via", netns.CORP_V6])
        corp.sysctl("net.core.somaxconn", 65535)
        corp.sysctl("net.ipv4.tcp_max_syn_backlog", 65536)
        # The kernel would else answer only some of many connects to closed ports and absent hosts.
        corp.sysctl("net.ipv4.icmp_ratelimit", 0)
        corp.sysctl("net.ipv6.ip_nonlocal_bind", 1)
        yield scan, corp


@contextlib.contextmanager
def serving(corp: Namespace, *places: str) -> Iterator[None]:
    """Servers in corp; see tests/netns/servers.py for what a place is."""
    words = [sys.executable, "-m", "tests.netns.servers", *places]
    process = corp.popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n", "the servers did not start"
        yield
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()


def wait_for_ipv6(scan: Namespace) -> None:
    """A new link answers nobody who looks for its IPv6 address until the kernel calls it ready: a second."""
    with scan.entered(), socket.socket(socket.AF_INET6) as sock:
        sock.settimeout(5)
        assert sock.connect_ex((netns.CORP_V6, 9)) == errno.ECONNREFUSED


def watch(scan: Namespace, corp: Namespace, allow4: str, allow6: str = "fd78:ffff::1") -> None:
    """Count what leaves scan for the scope (`inside`) and for anywhere else (`outside`), twice in scan (where
    programs hand packets over, and at the device, where raw frames pass as well) and once in corp."""
    wait_for_ipv6(scan)
    sets = (
        f"set allow4 {{ type ipv4_addr; flags interval; elements = {{ {allow4} }} }}\n"
        f"set allow6 {{ type ipv6_addr; flags interval; elements = {{ {allow6} }} }}\n"
    )
    # Neighbour discovery and multicast reports are the kernel's own and go to nobody's servers.
    judged = (
        "meta l4proto ipv6-icmp accept\n"
        "ip daddr @allow4 tcp dport 27017 counter name {0}inside accept\n"
        "ip6 daddr @allow6 tcp dport 27017 counter name {0}inside accept\n"
        "counter name {0}outside accept\n"
    )
    names = "counter {0}inside {{ }}\ncounter {0}outside {{ }}\n"
    scan.nft(
        f"table inet oracle {{\n{names.format('sent_')}{sets}chain c {{\ntype filter hook output priority 0\n"
        f"oif lo accept\n{judged.format('sent_')}}}\n}}\n"
    )
    # At the device by address alone: frames of a transmit ring have no transport header set (see netns.py).
    scan.nft(
        f"table netdev oracle {{\n{names.format('left_')}{sets}chain c {{\n"
        f"type filter hook egress device {scan.device} priority 0\n"
        "meta protocol arp accept\nip6 nexthdr ipv6-icmp accept\nip6 nexthdr hopopt accept\n"
        "ip daddr @allow4 counter name left_inside accept\n"
        "ip6 daddr @allow6 counter name left_inside accept\ncounter name left_outside accept\n}\n}\n"
    )
    corp.nft(
        f"table inet oracle {{\n{names.format('came_')}{sets}chain c {{\n"
        f"type filter hook prerouting priority -300\niif lo accept\n{judged.format('came_')}}}\n}}\n"
    )


def outside(scan: Namespace, corp: Namespace) -> dict[str, int]:
    """The three counters of packets that went elsewhere."""
    both = scan.counters() | corp.counters()
    return {name: both[name] for name in ("sent_outside", "left_outside", "came_outside")}


NOWHERE = {"sent_outside": 0, "left_outside": 0, "came_outside": 0}


@dataclass
class Program(OnlyRun):
    """mongosweep as a process inside scan, with its configuration and its runs in `home`."""

    scan: Namespace
    home: Path

    def configure(self, text: str) -> None:
        """Write the configuration."""
        (self.home / "mongosweep.toml").write_text(text)

    def command(self, *arguments: str) -> list[str]:
        """The words of one sweep."""
        words = [sys.executable, "-m", "scanner", "sweep", "-c", str(self.home / "mongosweep.toml")]
        return [*words, "-o", str(self.home / "runs"), *arguments]

    def run(self, *arguments: str, timeout: float = 100, **more: str) -> subprocess.CompletedProcess[str]:
        """Sweep to the end; `more` are environment variables."""
        environment = os.environ | {"HOME": str(self.home)} | more
        return self.scan.run(
            self.command(*arguments), check=False, cwd=ROOT, timeout=timeout, env=environment
        )

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A sweep that runs while the block does; whoever needs its end waits for it inside."""
        with (self.home / "stderr").open("w") as errors:
            process = self.scan.popen(
                self.command(*arguments), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @property
    def said(self) -> str:
        """What the sweep of `running` wrote to stderr."""
        return (self.home / "stderr").read_text()

    def started(self, name: str, least: int, seconds: float = 20) -> None:
        """Wait until a counter of scan has counted so much."""
        until(lambda: self.scan.counters()[name] >= least, seconds)

    @property
    def runs(self) -> Path:
        """Where its only run is."""
        return self.home / "runs"


def until(condition: Any, seconds: float = 20) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def active_opens(scan: Namespace) -> int:
    """Connects that programs in scan have begun."""
    with scan.entered():
        lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
    keys, values = (line.split()[1:] for line in lines if line.startswith("Tcp:"))
    return int(values[keys.index("ActiveOpens")])
