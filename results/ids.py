"""The ids that name one target's line in one run, and one place in every run."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton

_MAPPED = b"\0" * 10 + b"\xff\xff"


def packed(ip: str) -> bytes:
    """An address as 16 bytes, as ids are made of it. Raises `ValueError`."""
    try:
        if ":" in ip:
            return inet_pton(AF_INET6, ip)
        return _MAPPED + inet_pton(AF_INET, ip)
    except OSError as error:
        raise ValueError(f"{ip!r} is no address") from error


def event_id(run_id: str, ip: bytes, port: int) -> str:
    """The name of one target's line in one run: 32 hex digits, the same each time it is asked again.

    `ip` is 16 bytes (an IPv4 address in its mapped form, ::ffff:a.b.c.d). No clock and no chance goes in, so
    a target that is probed twice in a run gives a duplicate which every consumer can drop.
    """
    if len(ip) != 16:
        raise ValueError(f"an address is 16 bytes here, not {len(ip)}")
    return hashlib.sha256(_event_head(run_id) + ip + _PORT_LENGTH + port.to_bytes(2, "big")).hexdigest()[:32]


_PORT_LENGTH = b"\x00\x00\x00\x02"


def finding_id(site: str, ip: bytes, port: int) -> str:
    """The name of what is found at one place, the same in every run: `mf_` and 24 hex digits.

    A place is an address and port within a site of the allow-list, because private addresses exist at every
    site. No run, time, version or host name goes in. `ip` is 16 bytes, as for `event_id`.
    """
    if len(ip) != 16:
        raise ValueError(f"an address is 16 bytes here, not {len(ip)}")
    named = _finding_head(site) + ip + _PORT_LENGTH + port.to_bytes(2, "big")
    return "mf_" + hashlib.sha256(named).hexdigest()[:24]


@lru_cache(1024)
def _finding_head(site: str) -> bytes:
    return _hashed_head(b"mongosweep.finding/1", site)


@lru_cache(8)
def _event_head(run_id: str) -> bytes:
    """What is hashed of every event of a run before its address: each part behind its length in 4 bytes."""
    return _hashed_head(b"mongosweep.event/1", run_id)


def _hashed_head(scheme: bytes, text: str) -> bytes:
    """The parts before an address, each behind its length in 4 bytes, and the length of the address."""
    parts = (scheme, text.encode("utf-8", "surrogatepass"))
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts) + (16).to_bytes(4, "big")
