"""What stands at both ends of a connector in tests: a prober that takes notes, and servers."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from results.verdict import Verdict
from scanner.network.connect.base import Link, Timeouts
from scanner.network.connect.epoll import EpollConnector
from scanner.network.connect.portable import PortableConnector
from targets.entries import Entry
from targets.scope import Scope, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.contact import Ending, LocalFault

AnyConnector = EpollConnector | PortableConnector


class Notes:
    """A prober that writes down everything and does what a test tells it to."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.hello = b"ping"
        self.on_data: Callable[[Link, bytes], None] = lambda link, data: link.close()
        self.on_end: Callable[[Link, Ending], None] = lambda link, ending: None
        self.changed = asyncio.Event()

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        self.changed.set()

    def connected(self, link: Link) -> None:
        link.talk = link.talk or "talk"
        self._note("connected", link.token)
        if self.hello:
            link.send(self.hello)

    def received(self, link: Link, data: bytes) -> None:
        self._note("received", link.token, data)
        self.on_data(link, data)

    def ended(self, link: Link, ending: Ending) -> None:
        self._note("ended", link.token, ending, link.kind)
        self.on_end(link, ending)

    def failed(self, target: Target, token: Any, failure: Verdict, detail: str, talk: Any) -> None:
        self._note("failed", token, failure)

    def refused(self, batch: list[tuple[Any, Target, float]]) -> None:
        for token, _, _ in batch:
            self._note("failed", token, Verdict.REFUSED)

    def fault(self, target: Target, token: Any, fault: LocalFault, detail: str, talk: Any) -> None:
        self._note("fault", token, fault)

    def broke(self, target: Target, token: Any, error: Exception, talk: Any) -> None:
        self._note("broke", token, type(error))

    def ticked(self, lag: float) -> None:
        pass

    def kinds(self) -> list[str]:
        return [event[0] for event in self.events]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scope(*ports: int, cidr: str = "127.0.0.0/8") -> Scope:
    return Scope([Entry.of(cidr, owner="tests", kind="lab")], ports=ports)


FAST = Timeouts(connect=0.3, reply=0.3, host=0.8)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()
