"""Many questions to resolvers at once: the names of addresses, and the addresses of names.

A resolver is no target; nothing that it answers is ever asked unless the scope holds it. Names are taken as
complete, and the hosts file comes first, as everywhere.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from targets.grammar import looks_like_name
from targets.names import HOSTS, MAX_ADDRESSES, named_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    import aiodns

AT_ONCE: Final = 20  # questions on the way
TIMEOUT: Final = 2.0  # seconds for each try
TRIES: Final = 2
HOPELESS: Final = 2 * AT_ONCE  # questions in vain, and none answered: no resolver is there
MAX_NAMES: Final = 8  # of one address

Q = TypeVar("Q")


class Answer(NamedTuple):
    """What came back: names or addresses as text, or why nothing did ("" where there simply is none)."""

    found: tuple[str, ...]
    fault: str = ""


class Dns:
    """A client of the system's resolvers, or of `servers`. Make it with `open_dns`."""

    def __init__(self, resolver: aiodns.DNSResolver, hosts: Path) -> None:
        self._resolver = resolver
        self._hosts = hosts
        self._room = asyncio.Semaphore(AT_ONCE)
        self._answered = False
        self._in_vain = 0  # questions without an answer before the first answer

    async def names(self, addresses: Iterable[str]) -> dict[str, Answer]:
        """The names that reverse zones give to each address."""
        return await self._all(dict.fromkeys(addresses), self._names_of)

    async def addresses(self, names: Iterable[str]) -> dict[str, Answer]:
        """The addresses of each name, of both families."""
        return await self._all(dict.fromkeys(names), self._addresses_of)

    async def _all(self, questions: Iterable[Q], ask: Callable[[Q], Awaitable[Answer]]) -> dict[Q, Answer]:
        async def one(question: Q) -> tuple[Q, Answer]:
            async with self._room:
                return question, await ask(question)

        return dict(await asyncio.gather(*(one(question) for question in questions)))

    async def _names_of(self, address: str) -> Answer:
        asked = await self._ask(ip_address(address).reverse_pointer, "PTR")
        names = {name.rstrip(".").lower() for name in asked.found if looks_like_name(name)}
        return Answer(tuple(sorted(names))[:MAX_NAMES], asked.fault)

    async def _addresses_of(self, name: str) -> Answer:
        if not looks_like_name(name):
            return Answer((), "it is no host name")
        listed = await asyncio.to_thread(named_in, self._hosts, name)
        if listed:
            return Answer(tuple(dict.fromkeys(listed))[:MAX_ADDRESSES])
        if "." not in name.rstrip("."):
            return Answer((), "a name of one label stands in no zone; only the hosts file is asked")
        whole = name.rstrip(".") + "."
        answers = [await self._ask(whole, kind) for kind in ("A", "AAAA")]
        found = tuple(dict.fromkeys(text for answer in answers for text in answer.found))
        fault = "" if found else next((answer.fault for answer in answers if answer.fault), "")
        return Answer(found[:MAX_ADDRESSES], fault)

    async def _ask(self, name: str, kind: str) -> Answer:
        import aiodns
        import pycares

        if not self._answered and self._in_vain >= HOPELESS:
            return Answer((), "no resolver answers")
        try:
            result = await self._resolver.query_dns(name, kind)
        except aiodns.error.DNSError as error:
            if error.args[0] not in (pycares.errno.ARES_ENOTFOUND, pycares.errno.ARES_ENODATA):
                self._in_vain += 1
                return Answer((), str(error.args[-1]))
            self._answered = True
            return Answer(())
        self._answered = True
        return Answer(tuple(filter(None, (_text(record.data) for record in result.answer))))


def _text(data: object) -> str:
    """The name or address of a record; "" for one of another kind, as a CNAME on the way."""
    import pycares

    if isinstance(data, pycares.PTRRecordData):
        return data.dname
    return data.addr if isinstance(data, (pycares.ARecordData, pycares.AAAARecordData)) else ""


@asynccontextmanager
async def open_dns(servers: Sequence[str] = (), *, hosts: Path = HOSTS) -> AsyncIterator[Dns]:
    """A client for as long as the context lasts. `servers`: `address` or `address:port`; none: the
    system's."""
    import aiodns

    resolver = aiodns.DNSResolver(
        nameservers=list(servers) or None, timeout=TIMEOUT, tries=TRIES, domains=[], rotate=len(servers) > 1
    )
    try:
        yield Dns(resolver, hosts)
    finally:
        await resolver.close()
