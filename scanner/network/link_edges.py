"""Addresses that no host has: the first and the last of every IPv4 prefix on this machine's own links.

A connect to them fails on this machine (ENETUNREACH, EACCES) or nobody answers for them, so they could never
get an outcome. Nothing here sends a packet. Sources: RFC 919, RFC 1122 3.2.1.3; RFC 3021 (a /31 has neither);
rtnetlink(7); the kernel's fib_add_ifaddr, which makes every last address a broadcast address.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

from targets.entries import Deny
from targets.grammar import format_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.scope import Scope

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type
_GET_ADDRESSES, _DUMP = 22, 0x301  # RTM_GETADDR; NLM_F_REQUEST | NLM_F_DUMP
_ERROR, _DONE = 2, 3
_PREFIX, _OURS, _BROADCAST = 1, 2, 4  # IFA_ADDRESS (the other end's, where there is one), IFA_LOCAL, ...
_GET_FLAGS, _UP, _LOOPBACK = 0x8913, 0x1, 0x8  # SIOCGIFFLAGS, IFF_UP, IFF_LOOPBACK
_LIMITED = 0xFFFFFFFF


class LinkPrefix(NamedTuple):
    """One address of ours with its prefix. Addresses are numbers; `broadcast` is 0 where none was given."""

    device: str
    ours: int
    prefix: int
    length: int
    broadcast: int = 0
    loopback: bool = False


def edges_of(scope: Scope) -> tuple[Deny, ...]:
    """The edges of our own links that the scope holds, each with what it is as the reason."""
    return tuple(
        Deny.of(format_address(4, address), reason=reason)
        for address, reason in sorted(edges(link_prefixes()).items())
        if not scope.explain(4, address)
    )


def edges(prefixes: list[LinkPrefix]) -> dict[int, str]:
    """Address -> what it is. An address that is our own is no edge, whatever prefix it ends."""
    found: dict[int, str] = {}
    for each in prefixes:
        if each.length > 30:
            continue
        below = (1 << 32 - each.length) - 1
        first, last = each.prefix & ~below, each.prefix | below
        name = f"{format_address(4, first)}/{each.length} on {each.device}"
        if not each.loopback:  # there the kernel answers for the first one as for any other
            found.setdefault(first, f"the network address of {name}")
        for address in {last, each.broadcast} - {0, _LIMITED}:
            found.setdefault(address, f"the broadcast address of {name}")
    for each in prefixes:
        found.pop(each.ours, None)
    return found


def link_prefixes() -> list[LinkPrefix]:
    """The IPv4 addresses of all links that are up; none where the kernel does not tell."""
    if sys.platform != "linux":
        return []
    try:
        return list(_read())
    except OSError:
        return []


def _read() -> Iterator[LinkPrefix]:
    for index, length, attributes in _addresses():
        with contextlib.suppress(OSError, KeyError):  # a link that has just gone
            device = socket.if_indextoname(index)
            flags = _flags(device)
            if flags & _UP:
                prefix = attributes[_PREFIX]
                yield LinkPrefix(
                    device=device,
                    ours=attributes.get(_OURS, prefix),
                    prefix=prefix,
                    length=length,
                    broadcast=attributes.get(_BROADCAST, 0),
                    loopback=bool(flags & _LOOPBACK),
                )


def _addresses() -> Iterator[tuple[int, int, dict[int, int]]]:
    """(index of the link, prefix length, attributes that are IPv4 addresses) of every address."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        body = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _GET_ADDRESSES, _DUMP, 1, 0) + body)
        while True:
            data = kernel.recv(1 << 16)
            while len(data) >= _HEADER.size:
                size, kind, *_ = _HEADER.unpack_from(data)
                if kind in (_DONE, _ERROR) or size < _HEADER.size:
                    return
                family, length, _, _, index = _ADDRESS.unpack_from(data, _HEADER.size)
                if family == socket.AF_INET:
                    yield index, length, _attributes(data[_HEADER.size + _ADDRESS.size : size])
                data = data[(size + 3) & ~3 :]


def _attributes(data: bytes) -> dict[int, int]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if size < _ATTRIBUTE.size:
            break
        value = data[_ATTRIBUTE.size : size]
        if kind in (_PREFIX, _OURS, _BROADCAST) and len(value) == 4:
            found[kind] = int.from_bytes(value, "big")
        data = data[(size + 3) & ~3 :]
    return found


def _flags(device: str) -> int:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:  # for ioctl; it never sends
        answer = fcntl.ioctl(asking.fileno(), _GET_FLAGS, struct.pack("16s24x", device.encode()))
    return int.from_bytes(answer[16:18], sys.byteorder)
