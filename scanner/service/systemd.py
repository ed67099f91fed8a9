"""What systemd is told, and wants to hear: sd_notify(3), a datagram to the socket that it names."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Tells systemd how the service stands; where it was not started by systemd, it tells nobody."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = 0.0
        with contextlib.suppress(ValueError):
            if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
                self._watchdog = int(environment.get("WATCHDOG_USEC", "0")) / 1e6

    @property
    def interval(self) -> float:
        """Seconds after which it wants to hear from us at the latest, halved as sd_watchdog_enabled(3) says;
        infinite where it does not care."""
        return self._watchdog / 2 if self._watchdog > 0 else float("inf")

    def tell(self, *lines: str) -> None:
        """Such as `READY=1`. A message that cannot be delivered is let be."""
        if self._address:
            with (
                contextlib.suppress(OSError),
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to,
            ):
                to.setblocking(False)
                to.sendto("\n".join(lines).encode(), self._address)
