"""The ground of a fleet: a hub, workers behind links of their own, an estate at each site, and the kernel as
a witness of who asked whom.

    hub ── worker paris-1 ── estate paris        a worker reaches its own estate directly, and would reach
     └──── worker lyon-1 ─── estate lyon         everything else through the hub, where it would be counted
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support import netns
from tests.support.netns import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PORT = 27017
MEETING = "198.18.255.1"  # the hub's own address, which no link has
_SYN = "tcp flags & (syn | ack) == syn"


@dataclass(frozen=True)
class Post:
    """A worker's place: its namespace, whose `device` leads to the estate of its site."""

    name: str
    site: str
    namespace: Namespace
    estate: Namespace

    def asked(self) -> set[str]:
        """Every address of the estate that got a SYN on the port from this place."""
        listing = json.loads(
            self.estate.run(["nft", "-j", "list", "set", "inet", "witness", _set_of(self.name)]).stdout
        )
        (found,) = (entry["set"] for entry in listing["nftables"] if "set" in entry)
        return {str(address) for address in found.get("elem", [])}

    def syns(self) -> int:
        """How many SYNs that were."""
        return self.estate.counters()[f"{_set_of(self.name)}_inside"]

    def forget(self) -> None:
        """Begin again with nobody asked."""
        self.estate.run(["nft", "flush", "set", "inet", "witness", _set_of(self.name)])


@dataclass(frozen=True)
class Ground:
    """All of it. `posts` by name, `estates` and the `prefixes` that they answer for by site."""

    hub: Namespace
    posts: Mapping[str, Post]
    estates: Mapping[str, Namespace]
    prefixes: Mapping[str, Sequence[str]]

    def strays(self) -> dict[str, int]:
        """SYNs to where nobody may ask, by the place that saw them; an honest fleet has none."""
        found = {f"hub {name}": count for name, count in self.hub.counters().items() if count}
        for site, estate in self.estates.items():
            outside = {name: count for name, count in estate.counters().items() if name.endswith("_outside")}
            found |= {f"{site} {name}": count for name, count in outside.items() if count}
        return found

    def at(self, site: str) -> list[Post]:
        """The places of a site."""
        return [post for post in self.posts.values() if post.site == site]


def _set_of(name: str) -> str:
    return "of_" + name.replace("-", "_").replace(".", "_")


@contextmanager
def laid(estates: Mapping[str, Sequence[str]], posts: Mapping[str, str]) -> Iterator[Ground]:
    """Make it. `estates`: for each site the prefixes that its estate answers for, which are also the only
    ones that anybody may ask there. `posts`: each place's name, and its site. All of it vanishes at the end,
    with whatever is still inside."""
    mark = f"{os.getpid()}-{next(netns.serial)}"
    with ExitStack() as stack:
        hub = Namespace(f"ms-hub-{mark}", "lo", MEETING, "")
        netns.make(hub.name, stack)
        netns.ip("-n", hub.name, "address", "add", f"{MEETING}/32", "dev", "lo")
        # Whatever the hub itself asked would leave here, and nowhere.
        netns.ip("-n", hub.name, "link", "add", "nowhere0", "type", "veth", "peer", "nowhere1")
        for end in ("nowhere0", "nowhere1"):
            netns.ip("-n", hub.name, "link", "set", end, "up")
        netns.ip("-n", hub.name, "route", "add", "default", "dev", "nowhere0")
        hub.nft(
            "table inet witness {\ncounter from_sites { }\ncounter of_the_hub { }\n"
            f"chain arriving {{\ntype filter hook prerouting priority -300\niif lo accept\n"
            f"ip daddr != {MEETING} {_SYN} counter name from_sites\n}}\n"
            "chain leaving {\ntype filter hook output priority 0\noif lo accept\n"
            f"tcp dport {PORT} {_SYN} counter name of_the_hub\n}}\n}}\n"
        )
        places: dict[str, Namespace] = {}
        for site, prefixes in estates.items():
            places[site] = estate = Namespace(f"ms-estate-{site}-{mark}", "lo", "", "")
            netns.make(estate.name, stack)
            for prefix in prefixes:
                estate.answer_for(prefix)
            estate.sysctl("net.core.somaxconn", 65535)
            estate.sysctl("net.ipv4.tcp_max_syn_backlog", 65536)
            estate.sysctl("net.ipv4.icmp_ratelimit", 0)
        made: dict[str, Post] = {}
        for number, (name, site) in enumerate(posts.items()):
            estate = places[site]
            here = Namespace(f"ms-{name}-{mark}", "estate0", f"198.19.{number}.1", "")
            netns.make(here.name, stack)
            _link(hub, f"to{number}", f"198.18.{number}.1", here, "hub0", f"198.18.{number}.2")
            _link(here, here.device, here.address, estate, f"from{number}", f"198.19.{number}.2")
            here.route("default", f"198.18.{number}.1")
            for prefix in estates[site]:
                here.route(prefix, f"198.19.{number}.2")
            made[name] = Post(name, site, here, estate)
        for site, estate in places.items():
            mine = {number: name for number, name in enumerate(posts) if posts[name] == site}
            _watch(estate, ", ".join(estates[site]), mine)
        yield Ground(hub, made, places, estates)


def _link(one: Namespace, device: str, address: str, other: Namespace, far: str, far_address: str) -> None:
    netns.ip(
        *("link", "add", device, "netns", one.name, "type", "veth"),
        *("peer", "name", far, "netns", other.name),
    )
    for end, name, own in ((one, device, address), (other, far, far_address)):
        netns.ip("-n", end.name, "address", "add", f"{own}/30", "dev", name)
        netns.ip("-n", end.name, "link", "set", name, "up")


def _watch(estate: Namespace, allowed: str, places: Mapping[int, str]) -> None:
    """Who asked, by the device that it came in on; and whoever is asked of what it has not."""
    rules, declared = "", ""
    for number, name in places.items():
        mark = _set_of(name)
        declared += (
            f"set {mark} {{ type ipv4_addr; size 131072; flags dynamic; }}\n"
            f"counter {mark}_inside {{ }}\ncounter {mark}_outside {{ }}\n"
        )
        rules += (
            f'iifname "from{number}" ip daddr {{ {allowed} }} tcp dport {PORT} {_SYN} '
            f"counter name {mark}_inside add @{mark} {{ ip daddr }} accept\n"
            f'iifname "from{number}" {_SYN} counter name {mark}_outside\n'
        )
    estate.nft(
        f"table inet witness {{\n{declared}chain arriving {{\n"
        f"type filter hook prerouting priority -300\n{rules}}}\n}}\n"
    )
