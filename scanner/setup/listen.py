"""Where the page listens, and whether it may: only loopback needs neither TLS nor a proxy in front."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.setup.service_settings import ServiceSettings

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_EXAMPLE = "127.0.0.1:8017 or [::1]:8017"


class Listen(NamedTuple):
    """An address of this machine and a port; port 0 is any that is free."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        mapped = getattr(self.address, "ipv4_mapped", None)
        return (mapped or self.address).is_loopback

    def __str__(self) -> str:
        return host_and_port(str(self.address), self.port)


def host_and_port(address: str, port: int) -> str:
    """As it stands in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parse_listen(text: str) -> Listen:
    """`ADDRESS:PORT`. Raises ValueError, which says what to write."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError(f"{text!r} is no address and port; write one such as {_EXAMPLE}") from None
    if bracketed != (address.version == 6) or getattr(address, "scope_id", None):
        raise ValueError(f"{text!r} is no address and port; write one such as {_EXAMPLE}")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
        raise ValueError(f"{text!r} has no port from 0 to 65535; write one such as {_EXAMPLE}")
    return Listen(address, int(port))


def not_own(where: str, error: OSError) -> str:
    """What is said of an address at which nobody can listen."""
    return f"{where}: {error.strerror or error}; write an address of this machine and a port that is free"


def listen_problems(service: ServiceSettings) -> Iterator[tuple[tuple[Any, ...], str]]:
    """What is wrong with where the page listens and whom it believes: (place, reason with remedy)."""
    if bool(service.certificate) != bool(service.key):
        missing = "key" if service.certificate else "certificate"
        yield ("service", missing), f"[service] has no {missing}; write both certificate and key, or neither"
    for name in service.names:
        host, _, port = name.partition(":")
        if not _NAME.fullmatch(host.lower()) or (port and not port.isdigit()):
            reason = f"[service] names has {name!r}, which is no host name"
            yield ("service", "names"), f"{reason}; write one such as mongosweep.example.com"
    for proxy in service.proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            reason = f"[service] proxies has {proxy!r}, which is no address"
            yield ("service", "proxies"), f"{reason}; write one such as 127.0.0.1 or 10.0.0.0/29"
    try:
        listen = parse_listen(service.listen)
    except ValueError as error:
        yield ("service", "listen"), f"[service] listen = {error}"
        return
    if refusal := unprotected(listen, service):
        yield ("service", "listen"), refusal


def unprotected(listen: Listen, service: ServiceSettings) -> str:
    """Why a page must not listen there, and what to write instead; "" when it may."""
    if listen.is_loopback or service.certificate or service.proxies:
        return ""
    return (
        f'[service] listen = "{listen}" is reached from other machines, which would send passwords in clear; '
        "write certificate and key, or the proxies in front of it, or listen on 127.0.0.1"
    )
