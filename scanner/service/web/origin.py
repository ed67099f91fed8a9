"""Where a request comes from and for whom it is meant: peers, proxies, host names, and other sites' pages.

A page on loopback is reached by every page that a browser of this machine has open, under any name whose
owner points it here (DNS rebinding). So the name must be one of ours, and what changes something must come
from a page of ours.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scanner.setup.listen import host_and_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from scanner.setup.service_settings import ServiceSettings

_OURS = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")  # no backslash: browsers take it for a slash
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def peer_of(request: web.Request) -> _Address:
    """The address at the other end of the connection."""
    assert request.transport is not None
    return _plain(request.transport.get_extra_info("peername")[0])


def here(request: web.Request) -> tuple[_Address, int]:
    """Our own end of the connection."""
    assert request.transport is not None
    address, port = request.transport.get_extra_info("sockname")[:2]
    return _plain(address), port


def is_proxy(request: web.Request, service: ServiceSettings) -> bool:
    """Whether the other end is a reverse proxy of the configuration."""
    peer = peer_of(request)
    return any(peer in network for network in _networks(service.proxies))


def client_of(request: web.Request, service: ServiceSettings) -> str:
    """The address to blame: that of the peer, or what a configured proxy says last of whom it asks for."""
    if is_proxy(request, service):
        last = ",".join(request.headers.getall("X-Forwarded-For", ())).rpartition(",")[2].strip()
        with contextlib.suppress(ValueError):
            return str(_plain(last))
    return str(peer_of(request))


def is_encrypted(request: web.Request, service: ServiceSettings) -> bool:
    """Whether the browser speaks TLS, with us or with the proxy."""
    return request.secure or (
        is_proxy(request, service) and request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    )


def is_in_clear(request: web.Request, service: ServiceSettings) -> bool:
    """Whether this came over a network without TLS, and from no proxy: passwords would be read on the way."""
    return not request.secure and not peer_of(request).is_loopback and not is_proxy(request, service)


def host_problem(request: web.Request, service: ServiceSettings) -> str:
    """Why a request is for somebody else, and what to do; "" when it is for us. An address as a name is no
    one's but its own, so ours is right."""
    hosts = request.headers.getall("Host", ())
    if len(hosts) != 1:
        return "the request must say once for which host it is"
    name, port = _split(hosts[0].lower())
    address, our_port = here(request)
    for each in service.names:
        if each.lower() in (name, host_and_port(name, port)):
            return ""
    ours = {str(address)} | ({"localhost"} if address.is_loopback else set())
    with contextlib.suppress(ValueError):
        name = str(_plain(name))
    if name in ours and port in (our_port, 0):
        return ""
    return "this service is not called so; open it by its address, or add the name to [service] names"


def comes_from_elsewhere(request: web.Request) -> bool:
    """Whether a page of another site sent this, and not a link that somebody followed: what it gets back
    must be nothing."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if site in ("same-origin", "none"):
        return False
    is_followed = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.method in ("GET", "HEAD")
    return not (is_followed and request.headers.get("Sec-Fetch-Dest", "document") == "document")


def is_followed_from_elsewhere(request: web.Request) -> bool:
    """Whether somebody followed a link of another site: a strict cookie is not sent along then."""
    return request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")


def is_from_our_page(request: web.Request) -> bool:
    """Whether a browser says that a page of ours sent this. One that says nothing is not believed.

    `Origin` is "null" after a page that keeps its address to itself; then only Sec-Fetch-Site tells.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None or origin == "null":
        return site == "same-origin"
    parts = urlsplit(origin)
    if parts.scheme != "https" and (request.secure or parts.scheme != "http"):
        return False
    return parts.netloc.lower() == request.headers.get("Host", "").lower()


def leads_to_us(address: str) -> bool:
    """Whether a path, with what follows it, leads to this service and nowhere else."""
    return bool(_OURS.fullmatch(address))


def _split(host: str) -> tuple[str, int]:
    """`name:port`, or `[::1]:port`; the port is 0 where none is told, -1 where it is none."""
    name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not name:
        name, port = port, ""
    if not port:
        return name.removeprefix("[").removesuffix("]"), 0
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1
    return name.removeprefix("[").removesuffix("]"), number


def _plain(address: str) -> _Address:
    """Without a zone, and IPv4 as IPv4."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(8)
def _networks(proxies: Sequence[str]) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in proxies)
