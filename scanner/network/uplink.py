"""Whether this machine's own way out stands: the links towards the scope, their addresses, and lost packets.

A link of ours that is down makes every target silent. Nothing here sends a packet: the routing table is read
once, then flags and addresses are looked at four times a second.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from targets.grammar import format_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from targets.scope import Scope, Target

SAMPLES = 64  # targets whose way out is looked up, spread over the scope
SEGMENTS = 20_000  # of each family, whose first address is looked up
NOISE = 8  # drops between two looks that are nothing unusual

_NET = Path("/proc/thread-self/net")  # a thread may be in a network namespace of its own
_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915  # <linux/sockios.h>
_UP, _RUNNING = 0x1, 0x40  # <linux/if.h>; RUNNING falls with the carrier, up to a second later
_SIOCETHTOOL, _ETHTOOL_GLINK = 0x8946, 0x0A  # <linux/ethtool.h>: the carrier itself


class Uplink:
    """The links by which the scope is reached, as they stood at the start of the sweep."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._asking: socket.socket | None = None
        self._known: dict[tuple[str, int], frozenset[str]] = {}  # device and family -> addresses
        self._drops = self._failures = 0
        if sys.platform != "linux":
            return
        self._asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # for ioctl; it never sends
        for device, version in sorted(set(_devices(targets))):
            if device != "lo" and self._stands(device):
                self._known[device, version] = self._addresses(device, version)
        self._drops = self._lost()
        self._failures = _send_failures()

    @property
    def devices(self) -> list[str]:
        """The links that are watched."""
        return sorted({device for device, _ in self._known})

    def trouble(self) -> str:
        """Which link is down or has lost an address, in words; empty when all is as it was."""
        for (device, version), addresses in self._known.items():
            if not self._stands(device):
                return f"the link {device} of this machine is down"
            gone = addresses - self._addresses(device, version)
            if gone:
                return f"this machine lost its address {min(gone)} on {device}"
        return ""

    def drops(self) -> int:
        """Packets that this machine has dropped since the last call, when they are more than noise."""
        if self._asking is None:
            return 0
        now = self._lost()
        since, self._drops = now - self._drops, now
        return since if since > NOISE else 0

    def send_failures(self) -> int:
        """Repeated segments that this machine itself refused to send since the last call: a firewall of its
        own drops them. The first of a connection is in no counter (TCPRetransFail, net/ipv4/tcp_output.c)."""
        if self._asking is None:
            return 0
        now = _send_failures()
        since, self._failures = now - self._failures, now
        return since

    def close(self) -> None:
        """Give the descriptor back."""
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def _ioctl(self, request: int, device: str) -> bytes:
        import fcntl

        assert self._asking is not None
        return fcntl.ioctl(self._asking, request, struct.pack("16s24x", device.encode()))

    def _stands(self, device: str) -> bool:
        try:
            flags = int.from_bytes(self._ioctl(_SIOCGIFFLAGS, device)[16:18], sys.byteorder)
        except OSError:
            return False
        return flags & (_UP | _RUNNING) == _UP | _RUNNING and self._has_carrier(device)

    def _has_carrier(self, device: str) -> bool:
        """The kernel tells of a lost carrier at most once a second (net/core/link_watch.c): too late."""
        import fcntl

        assert self._asking is not None
        value = array("I", [_ETHTOOL_GLINK, 0])  # struct ethtool_value
        with contextlib.suppress(OSError):
            request = struct.pack("16sP16x", device.encode(), value.buffer_info()[0])
            fcntl.ioctl(self._asking, _SIOCETHTOOL, request)
            return bool(value[1])
        return True  # a device that cannot say

    def _addresses(self, device: str, version: int) -> frozenset[str]:
        if version == 4:
            with contextlib.suppress(OSError):
                return frozenset([socket.inet_ntoa(self._ioctl(_SIOCGIFADDR, device)[20:24])])
            return frozenset()
        found = set()
        for line in _lines("if_inet6"):
            address, _, _, scope, flags, name = line.split()
            permanent = int(flags, 16) & 0x81 == 0x80  # neither temporary nor learnt, so it should stay
            if name == device and scope == "00" and permanent:
                found.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address)))
        return frozenset(found)

    def _lost(self) -> int:
        """Drops in the kernel's receive queue, and on the way out of our links (cumulative)."""
        lost = sum(int(line.split()[1], 16) for line in _lines("softnet_stat"))
        for line in _lines("dev"):
            name, colon, columns = line.partition(":")
            if colon and name.strip() in self.devices:
                lost += int(columns.split()[11])  # transmit: dropped
        return lost


def spread(scope: Scope) -> Iterator[Target]:
    """A few targets from all over the scope: each segment's edges matter most, so its first ones are used."""
    segments = [(version, segment) for version in (4, 6) for segment in scope.segments(version)]
    for version, segment in segments[:: max(1, len(segments) // SAMPLES)]:
        yield scope.target(format_address(version, segment.first), segment.ports[0])


def unrouted(scope: Scope) -> list[str]:
    """The entries of the scope to whose first address this machine has no route, as they were written.

    The kernel is asked by a datagram socket's connect, which looks the route up and sends nothing.
    """
    found: dict[str, None] = {}
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        for segment in scope.segments(version)[:SEGMENTS]:
            if segment.entry.text in found:
                continue
            target = scope.target(format_address(version, segment.first), segment.ports[0])
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as asking:
                    asking.connect(target.sockaddr)
            except OSError as error:
                if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                    found[segment.entry.text] = None
    return list(found)


def _lines(name: str) -> list[str]:
    try:
        return (_NET / name).read_text().splitlines()
    except OSError:
        return []


def _send_failures() -> int:
    """TCPRetransFail of /proc/net/netstat, which pairs a line of names with one of numbers."""
    lines = _lines("netstat")
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        columns = dict(zip(names.split(), numbers.split(), strict=False))
        if "TCPRetransFail" in columns:
            return int(columns["TCPRetransFail"])
    return 0


def _devices(targets: Iterable[Target]) -> Iterator[tuple[str, int]]:
    """The device of the longest matching route for each target, and its family; nothing without a route."""
    routes = {4: list(_routes4()), 6: list(_routes6())}
    for target in targets:
        if target.is_loopback:
            continue
        version, address, _ = target
        matching = [
            (length, device)
            for network, length, device in routes[version]
            if address >> ((32 if version == 4 else 128) - length) == network
        ]
        if matching:
            yield max(matching)[1], version


def _routes4() -> Iterator[tuple[int, int, str]]:
    """(network bits, prefix length, device) of /proc/net/route: addresses are in the machine's byte order."""
    for line in _lines("route")[1:]:
        device, destination, _, _, _, _, _, mask, *_ = line.split()
        length = int(mask, 16).bit_count()
        address = int.from_bytes(int(destination, 16).to_bytes(4, sys.byteorder), "big")
        yield address >> (32 - length), length, device


def _routes6() -> Iterator[tuple[int, int, str]]:
    """The same of /proc/net/ipv6_route."""
    for line in _lines("ipv6_route"):
        destination, length_text, *rest = line.split()
        length = int(length_text, 16)
        yield int(destination, 16) >> (128 - length), length, rest[-1]
