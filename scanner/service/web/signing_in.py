"""Comparing passwords: each comparison costs 64 MiB and a tenth of a second, so few go on at a time, and who
fails has to wait.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from typing import TYPE_CHECKING, Final, TypeVar

from aiohttp import web

from scanner.service.web.slowing import Patience, Slowing

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.clock import Clock
    from scanner.service.admission.access import Access, User

T = TypeVar("T")

OF_A_NAME, OF_AN_ADDRESS = Patience(free=5, longest=30.0), Patience(free=20, longest=300.0)
_AT_ONCE, _WAITING = 2, 20


class TooManyTriesError(Exception):
    """A try that is not heard. `seconds`: when the next one is."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many tries; wait {math.ceil(seconds)} s")
        self.seconds = math.ceil(seconds)


class SigningIn:
    """The one place where passwords are compared. A name is slowed whoever tries it, so its true owner waits
    half a minute at most; an address is slowed more, whatever names it tries."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._names, self._addresses = Slowing(OF_A_NAME, clock), Slowing(OF_AN_ADDRESS, clock)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._inside = 0

    async def verify(self, name: str, password: str, client: str) -> User | None:
        """The user whose password this is. Raises `TooManyTriesError`."""
        key = name.casefold()[:256]
        user = await self._tried(key, client, lambda: self._access.verify(name, password))
        if user is not None:
            self._names.forget(key)
        return user

    async def first_user(self, code: str, name: str, password: str, client: str) -> bool:
        """Make the first user; False where the code is not the one. Raises `TooManyTriesError` and
        `RefusedAccessError`."""
        return await self._tried("", client, lambda: self._access.add_first_user(code, name, password))

    async def _tried(self, name: str, client: str, work: Callable[[], T]) -> T:
        address = _network_of(client)
        wait = max(self._names.wait(name), self._addresses.wait(address))
        if wait > 0:
            raise TooManyTriesError(wait)
        if self._inside >= _WAITING:
            raise TooManyTriesError(5.0)
        self._names.begin(name)
        self._addresses.begin(address)
        self._inside += 1
        try:
            async with self._slots:
                found = await asyncio.to_thread(work)
        finally:
            self._inside -= 1
        if found:
            self._names.take_back(name)
            self._addresses.take_back(address)
        return found


def _network_of(client: str) -> str:
    """Of IPv6 the /64, all of which one machine may use."""
    address = ipaddress.ip_address(client)
    return client if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


SIGNING_IN: Final = web.AppKey("signing in", SigningIn)
