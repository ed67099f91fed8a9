"""The networks that this machine is in, as proposals for an allow-list: nothing here allows anything."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scanner.network.link_edges import link_prefixes
from targets.grammar import Span, format_address, parse_span
from targets.policy import beyond_private, is_swept_whole
from targets.special import Policy, overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NET = Path("/proc/thread-self/net")  # a thread may be in a network namespace of its own
_GLOBAL = "00"  # scope, <net/ipv6.h>
_UNFIT = 0x20 | 0x40 | 0x08  # IFA_F_DEPRECATED, _TENTATIVE, _DADFAILED, <linux/if_addr.h>


class OwnNetwork(NamedTuple):
    """A network that a link of this machine is in. `needs`: what its entry must have besides, or what of it
    is asked; "" for private IPv4."""

    cidr: str
    device: str
    needs: str


def own_networks() -> list[OwnNetwork]:
    """Those of all links that are up, IPv4 first, each once; none where the system does not tell (it is
    Linux that does). What may never be probed is left out: loopback, link-local and the like."""
    return judged([*_ipv4(), *_ipv6()])


def judged(found: Iterable[tuple[str, str]]) -> list[OwnNetwork]:
    """(prefix, device) pairs as proposals."""
    networks: dict[str, OwnNetwork] = {}
    for cidr, device in found:
        span = parse_span(cidr)
        if any(row.policy in (Policy.NEVER, Policy.LAB) for row in overlaps(span)):
            continue
        networks.setdefault(cidr, OwnNetwork(cidr, device, _needs(span)))
    return list(networks.values())


def _needs(span: Span) -> str:
    parts = []
    if beyond_private(span):
        parts.append("public: it needs authorised_by and expires, and must be yours as a whole")
    if not is_swept_whole(span):
        parts.append("too wide to sweep: only what [ipv6] candidates names there is asked")
    return "; ".join(parts)


def _ipv4() -> Iterator[tuple[str, str]]:
    for each in link_prefixes():
        if not each.loopback:
            first = each.prefix & ~((1 << 32 - each.length) - 1)
            yield f"{format_address(4, first)}/{each.length}", each.device


def _ipv6() -> Iterator[tuple[str, str]]:
    """Of /proc/net/if_inet6: address, index, prefix length, scope, flags, device; numbers in hexadecimal."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = (_NET / "if_inet6").read_text(encoding="ascii", errors="replace").splitlines()
    for line in lines:
        with contextlib.suppress(ValueError):
            address, _, length, scope, flags, device = line.split()
            if scope == _GLOBAL and device != "lo" and not int(flags, 16) & _UNFIT:
                network = ipaddress.ip_network((int(address, 16), int(length, 16)), strict=False)
                yield str(network), device
