"""Target: one address and port that may be probed. Holding one is the permission; only a Scope makes one."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final, NoReturn

from targets.grammar import format_address

if TYPE_CHECKING:
    from collections.abc import Iterable

MAPPED: Final = 0xFFFF << 32
_IPV6_KEYS: Final = 1 << 128  # sets the keys of IPv6 prefixes apart from those of IPv4

PrefixKey = int  # one prefix of either family, as a number; see `prefix_key`


def prefix_key(version: int, address: int, length4: int = 24, length6: int = 64) -> PrefixKey:
    """One integer for the prefix of that length that holds an address, different for the two families."""
    return address >> (32 - length4) if version == 4 else _IPV6_KEYS | address >> (128 - length6)


def prefix_keys(
    targets: Iterable[tuple[int, int, int]], length4: int = 24, length6: int = 64
) -> list[PrefixKey]:
    """The key of each target: `prefix_key` for all that a turn brought."""
    shift4, shift6 = 32 - length4, 128 - length6
    return [
        address >> shift4 if version == 4 else _IPV6_KEYS | address >> shift6
        for version, address, _ in targets
    ]


def prefix_of(key: PrefixKey) -> tuple[int, int]:
    """(4 or 6, the prefix's leading bits as a number) of a key."""
    return (6, key ^ _IPV6_KEYS) if key & _IPV6_KEYS else (4, key)


class OutOfScope(Exception):  # noqa: N818 — the name says what is so, not that something broke
    """An address that must not be touched. `target` is its text and `reason` is a clause that says why."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(f"{target} is outside the scope: {reason}")
        self.target = target
        self.reason = reason

    def __reduce__(self) -> tuple[type[OutOfScope], tuple[str, str]]:
        return OutOfScope, (self.target, self.reason)


class Target(tuple[int, int, int]):
    """One address and port that may be probed. Only a Scope makes one; holding one is the permission.

    A tuple `(version, address, port)` underneath, because one is made for every probe and a tuple is the
    cheapest immutable that Python has.
    """

    __slots__ = ()

    def __new__(cls, *_: object, **__: object) -> Target:
        """Refuse: ask a Scope."""
        raise TypeError("only a Scope makes a Target: use Scope.pick or Scope.target")

    if TYPE_CHECKING:
        version: int
        address: int
        port: int
    else:
        version = property(itemgetter(0), doc="4 or 6.")
        address = property(itemgetter(1), doc="The address as an integer.")
        port = property(itemgetter(2), doc="The TCP port, 1 to 65535.")

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's own loopback address (127.0.0.0/8 or ::1)."""
        return self[1] >> 24 == 127 if self[0] == 4 else self[1] == 1

    @property
    def ip(self) -> str:
        """The canonical text of the address."""
        return format_address(self[0], self[1])

    @property
    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """What `socket.connect` takes: made from the checked integer, so that nothing is parsed twice."""
        if self[0] == 4:
            return format_address(4, self[1]), self[2]
        return format_address(6, self[1]), self[2], 0, 0

    @property
    def packed(self) -> bytes:
        """16 bytes that tell addresses apart (IPv4 in its mapped form), for hashing; never for a socket."""
        return (self[1] | MAPPED if self[0] == 4 else self[1]).to_bytes(16, "big")

    def __str__(self) -> str:
        return f"{self.ip}:{self[2]}" if self[0] == 4 else f"[{self.ip}]:{self[2]}"

    def __repr__(self) -> str:
        return f"<Target {self}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Target does not travel: send its index or text and ask the Scope over there")
