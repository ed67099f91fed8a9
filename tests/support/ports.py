"""Ports for tests that need the same one on many loopback addresses."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port that nothing holds on any loopback address now."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))  # bound for a moment, never listening
        return int(probe.getsockname()[1])
