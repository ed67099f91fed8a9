"""By which route frames leave: interface, our address and the next hop's MAC, from the kernel's own tables.

A range is cut where any route or rule begins or ends, and the kernel is asked once for each part ("ip
route get"), so policy rules, metrics and prohibitions all count as they do for a connect. Only parts behind
a gateway on an Ethernet-like link become lanes. Local addresses, neighbours on our own link (each would
need its own ARP request, and the neighbour table is small) and tunnels are left to the connect engine:
`direct`.

The gateway's MAC comes from the neighbour table. When it is not there, one ordinary connect to the first
target behind it is begun and reset: the kernel resolves its next hop by ARP or ND as for any packet, and
the only address that gets a packet is a target."""

from __future__ import annotations

import errno
import socket
import time
from bisect import bisect_right
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

from pyroute2 import IPRoute  # type: ignore[import-untyped]  # it ships no types
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # likewise

from scanner.network.syn.packets import EgressPath
from scanner.network.syn.target_table import LaneRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scanner.network.syn.messages import TargetRange

_UNICAST = 1  # RTN_UNICAST
_ETHERNET = 1  # ARPHRD_ETHER
_USABLE = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80  # NUD_REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT
_RESOLVE_SECONDS = 3.0
_MOST_PARTS = 100_000


class RouteForbidden(Exception):  # noqa: N818 — the name says what is so
    """A route or a rule of this machine prohibits a target: scope and outer fence disagree."""


class Lane(NamedTuple):
    """One way out: the device and what stands in every frame that takes it."""

    interface: int
    name: str
    path: EgressPath


class RoutePlan(NamedTuple):
    """Where every target goes: by a lane, or to the connect engine. `notes` say why, for people."""

    lanes: list[Lane]
    parts: list[LaneRange]
    direct: list[LaneRange]  # their `lane` is -1
    notes: list[str]


class _Route(NamedTuple):
    """The kernel's answer for one part, as far as it matters here."""

    interface: int
    gateway: str
    source: str


def plan(ranges: Sequence[TargetRange]) -> RoutePlan:
    """Resolve every range; sends nothing but the connects described above. Raises RouteForbidden."""
    with IPRoute() as tables:
        cuts = {version: _boundaries(tables, version) for version in {span.version for span in ranges}}
        resolver = _Resolver(tables)
        begin = 0
        for span in ranges:
            for part in _parts(span, cuts[span.version]):
                resolver.add(part, begin)
                begin += part.targets
        return resolver.result


def _boundaries(tables: Any, version: int) -> list[int]:
    """Every first address, and address after the last, of a route or rule of this family; sorted."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    found: set[int] = set()
    for dump, key in ((tables.get_routes, "RTA_DST"), (tables.get_rules, "FRA_DST")):
        for entry in dump(family=family):
            prefix = entry.get_attr(key)
            if prefix:
                network = ip_network(f"{prefix}/{entry['dst_len']}", strict=False)
                found.update((int(network[0]), int(network[-1]) + 1))
    return sorted(found)


def _parts(span: TargetRange, cuts: list[int]) -> Iterable[TargetRange]:
    first = span.first
    at = bisect_right(cuts, first)
    while at < len(cuts) and cuts[at] <= span.last:
        yield span._replace(first=first, last=cuts[at] - 1)
        first = cuts[at]
        at += 1
    yield span._replace(first=first)


class _Resolver:
    """Collects lanes and parts; neighbouring parts with the same route become one again."""

    def __init__(self, tables: Any) -> None:
        self._tables = tables
        self._lanes: dict[_Route, int] = {}
        self._asked = 0
        self.result = RoutePlan([], [], [], [])

    def add(self, part: TargetRange, begin: int) -> None:
        self._asked += 1
        if self._asked > _MOST_PARTS:
            raise RouteForbidden(
                f"the scope crosses more than {_MOST_PARTS} routes; sweep it in smaller parts"
            )
        lane = self._lane(part)
        known = self.result.direct if lane < 0 else self.result.parts
        if known and self._continues(known[-1], part, begin, lane):
            last = known[-1]
            known[-1] = last._replace(range=last.range._replace(last=part.last))
        else:
            known.append(LaneRange(part, begin, lane))

    @staticmethod
    def _continues(last: LaneRange, part: TargetRange, begin: int, lane: int) -> bool:
        before = last.range
        return (
            last.lane == lane
            and last.begin + before.targets == begin
            and (before.version, before.last + 1, before.ports) == (part.version, part.first, part.ports)
        )

    def _lane(self, part: TargetRange) -> int:
        route = self._ask(part)
        if route is None:
            return -1
        if route not in self._lanes:
            self._lanes[route] = self._open(route, part)
        return self._lanes[route]

    def _ask(self, part: TargetRange) -> _Route | None:
        """The route to the part's first address; None when it is not behind a gateway."""
        address = _address(part.version, part.first)
        try:
            answer = next(iter(self._tables.route("get", dst=str(address))))
        except NetlinkError as error:
            if error.code in (errno.EACCES, errno.EPERM):
                raise RouteForbidden(
                    f"a route or rule of this machine prohibits {address}, which the scope allows"
                ) from None
            return None
        via = answer.get_attr("RTA_VIA")
        gateway = answer.get_attr("RTA_GATEWAY") or (via["addr"] if via else None)
        source, interface = answer.get_attr("RTA_PREFSRC"), answer.get_attr("RTA_OIF")
        if answer["type"] != _UNICAST or not gateway or not source or not interface:
            return None
        return _Route(interface, gateway, source)

    def _open(self, route: _Route, part: TargetRange) -> int:
        """Make the lane of a new route, or -1 with a note when it cannot be one."""
        link = next(iter(self._tables.get_links(route.interface)))
        name, our_mac = link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_ADDRESS")
        if link["ifi_type"] != _ETHERNET or not our_mac:
            self.result.notes.append(f"{name} is not an Ethernet-like device: its targets are connected to")
            return -1
        mac = self._mac(route) or self._resolve_by_connect(route, part)
        if not mac:
            self.result.notes.append(
                f"the next hop {route.gateway} on {name} does not answer: its targets are connected to"
            )
            return -1
        path = EgressPath(
            _bytes(our_mac), _bytes(mac), ip_address(route.source), link.get_attr("IFLA_MTU") or 1500
        )
        self.result.lanes.append(Lane(route.interface, name, path))
        return len(self.result.lanes) - 1

    def _mac(self, route: _Route) -> str:
        family = socket.AF_INET6 if ":" in route.gateway else socket.AF_INET
        for entry in self._tables.get_neighbours(family=family, ifindex=route.interface):
            if entry.get_attr("NDA_DST") == route.gateway and entry["state"] & _USABLE:
                return str(entry.get_attr("NDA_LLADDR") or "")
        return ""

    def _resolve_by_connect(self, route: _Route, part: TargetRange) -> str:
        family = socket.AF_INET if part.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by RST
            client.connect_ex((str(_address(part.version, part.first)), part.ports[0]))
            deadline = time.monotonic() + _RESOLVE_SECONDS
            while not (mac := self._mac(route)) and time.monotonic() < deadline:
                time.sleep(0.02)
        return mac


def _address(version: int, number: int) -> IPv4Address | IPv6Address:
    return IPv4Address(number) if version == 4 else IPv6Address(number)


def _bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
