"""Ports and addresses of loopback for tests: free now, and given to nobody else by the tests of this run.

A port that the kernel picks is free when it is looked up and may be anybody's a moment later: another test's,
or the near end of a connection. So ports come from below those that the kernel gives away by itself, and
each worker of a parallel run has a share of them to itself.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import socket
from pathlib import Path

FIRST, BEHIND = 10_000, 27_000  # MongoDB's own ports lie above
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_handed = itertools.count()
_start = random.SystemRandom().random()  # so that two runs on one machine do not meet


def share(worker: str, workers: int, ephemeral: str) -> range:
    """The ports of a worker ("gw0", "gw1", ... or "" for none); empty where the kernel gives them away."""
    if int(ephemeral.split()[0]) < BEHIND:
        return range(0)
    number = int(worker.removeprefix("gw") or 0)
    width = (BEHIND - FIRST) // max(workers, number + 1)
    return range(FIRST + number * width, FIRST + (number + 1) * width)


def _ours() -> range:
    """The share of this process, and of those that it starts."""
    ephemeral = _EPHEMERAL.read_text() if _EPHEMERAL.exists() else "49152 65535"
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return share(os.environ.get("PYTEST_XDIST_WORKER", ""), workers, ephemeral)


def is_free(port: int, host: str = "0.0.0.0") -> bool:
    """Whether nothing holds this port on `host`; without it, on any loopback address. Port 0 always is."""
    with socket.socket() as probe:
        try:
            probe.bind((host, port))  # bound for a moment, never listening
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def free_port() -> int:
    """A port that nothing holds on any loopback address now. None is given twice before all others were."""
    ours = _ours()
    for _ in ours:
        port = ours[(int(_start * len(ours)) + next(_handed)) % len(ours)]
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


def free_address(network: str, port: int) -> str:
    """An address of `network` ("127.96") on which nothing holds `port`: for who needs this very port."""
    chance = random.SystemRandom()
    while True:
        address = f"{network}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        if is_free(port, address):
            return address
