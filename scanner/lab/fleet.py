"""One listener that answers for a whole loopback prefix: thousands of servers for tests of scale.

Which personality an address has follows from a hash of the address and a seed, so the truth about any
address is known without asking.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import sys
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from scanner.lab.estate import LabError, find
from scanner.lab.server import Listener

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.lab.channel import ServerConnection
    from scanner.lab.personality import Personality

DEFAULT_MIX: dict[str, float] = {"open_8_0": 1, "auth_7_1": 4, "silent": 6, "closing": 2, "http": 1, "ssh": 1}


class Fleet(Listener):
    """Servers on every address of `prefix` (within 127.0.0.0/8), mixed by weight.

    The socket is bound to the wildcard address, because there is no way to bind a prefix; it is tied to the
    loopback device, so that the kernel gives it nothing from outside, and the peer is checked as well.
    """

    def __init__(
        self,
        prefix: str = "127.80.0.0/16",
        port: int = 0,
        mix: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__("0.0.0.0", port)  # noqa: S104 - tied to the loopback device below
        self.prefix = ipaddress.IPv4Network(prefix)
        if not self.prefix.is_loopback:
            raise LabError(f"fleet prefix {prefix}: only prefixes within 127.0.0.0/8 are simulated")
        weights = dict(mix or DEFAULT_MIX)
        self.personalities = [find(name) for name in weights]
        self._bounds = list(accumulate(weights.values()))
        self._seed = str(seed).encode()

    def prepare(self, listening: socket.socket) -> None:
        if sys.platform != "linux":
            raise LabError("a fleet needs Linux: elsewhere one listener cannot be tied to loopback")
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")

    def truth(self, ip: str) -> Personality | None:
        """Who stands on `ip`; None outside the prefix."""
        if ipaddress.IPv4Address(ip) not in self.prefix:
            return None
        digest = hashlib.blake2b(socket.inet_aton(ip), key=self._seed, digest_size=8).digest()
        point = int.from_bytes(digest, "big") / 2**64 * self._bounds[-1]
        return self.personalities[bisect_right(self._bounds, point)]

    def personality_for(self, channel: ServerConnection) -> Personality | None:
        if not channel.peer[0].startswith("127.") or not channel.local[0].startswith("127."):
            return None
        return self.truth(channel.local[0])
