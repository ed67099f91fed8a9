"""Which loop and connector this machine gets, and how many connections its descriptors allow."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection

    from scanner.network.connect.base import Connector, Prober, Timeouts
    from targets.scope import Target

RESERVED_DESCRIPTORS = 64  # journal, lock, log, the loop, the second opinion's pipes


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: uvloop where it is asked for and installed, else asyncio's own."""
    import asyncio  # `doctor` looks at this file's limits, and needs no loop

    if name == "uvloop":
        try:
            import uvloop
        except ImportError:
            return asyncio.new_event_loop
        return uvloop.new_event_loop
    return asyncio.new_event_loop


def make_connector(
    loop: asyncio.AbstractEventLoop,
    prober: Prober,
    permits: Callable[[Target], bool],
    timeouts: Timeouts,
    capacity: int,
    after_turn: Callable[[], None],
    watched: Collection[Target] = (),
) -> Connector:
    """The epoll connector where there is epoll (Linux); plain asyncio elsewhere (macOS). Of `watched` targets
    the first tells one by one what refused them; the other tells all one by one, and does not know."""
    if sys.platform == "linux" and hasattr(select, "epoll"):
        from scanner.network.connect.epoll import EpollConnector

        return EpollConnector(loop, prober, permits, timeouts, capacity, after_turn, watched)
    from scanner.network.connect.portable import PortableConnector

    return PortableConnector(loop, prober, permits, timeouts, capacity, after_turn)


def raise_descriptor_limit(wanted: int) -> tuple[int, str]:
    """Raise the soft limit of open files as far as it goes. Returns how many connections are possible at a
    time (at least 1, at most `wanted`), and a sentence when that is fewer than wanted."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        goal = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
            soft = goal
        except (OSError, ValueError):
            pass
    possible = wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - RESERVED_DESCRIPTORS))
    if possible == wanted:
        return wanted, ""
    return possible, (
        f"{soft} open files are allowed, so {possible} connections at a time instead of {wanted};"
        f" raise it with `ulimit -n {needed}` or LimitNOFILE="
    )
