"""The socket between the service and its page, at both ends; and what the page knows of the service.

The page sends `orders.Order`, the service answers. The socket is a pair that the service made and the page
inherited: nobody else can reach it, and it ends when either process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from scanner.clock import SystemClock, timestamp
from scanner.service.orders import MAX_LINE, Answer, Order
from scanner.service.store import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.service.jobs import Job, ServiceStatus

SILENT = 15.0  # seconds without a beat after which a service counts as gone
_FRESH = 0.5  # seconds that a status is kept, however many pages ask
_PATIENCE = 10.0  # seconds for an answer
_LOG = logging.getLogger(__name__)


class Desk(Protocol):
    """Who takes the page's orders."""

    async def obey(self, order: Order) -> Answer:
        """Do it, and say what became of it."""
        ...


async def take_orders(ours: socket.socket, desk: Desk) -> None:
    """The service's end: take what the page sends until it closes, or sends what is no order."""
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_LINE)
    decoder = msgspec.json.Decoder(Order)
    under_way: set[asyncio.Task[None]] = set()

    async def answer(order: Order) -> None:
        said = await desk.obey(order)
        writer.write(msgspec.json.encode(said) + b"\n")
        with contextlib.suppress(OSError):
            await writer.drain()

    try:
        while line := await reader.readline():
            task = asyncio.create_task(answer(decoder.decode(line)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    except (ValueError, msgspec.MsgspecError):
        _LOG.warning("the page sent what is no order; it is not listened to any more")
    except OSError:
        pass
    finally:
        for task in under_way:
            task.cancel()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class ServiceLink:
    """The page's end: the service, as `web.context.Service` wants it. `gone` is set when the service is;
    never, where there was none."""

    def __init__(self, output: Path, *, silent: float = SILENT) -> None:
        self.gone = asyncio.Event()
        self._silent = silent
        self._store = StoreReader(output)
        self._status: tuple[float, ServiceStatus | None] = (float("-inf"), None)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._number = 0

    async def connect(self, descriptor: int) -> None:
        """Use the inherited socket."""
        theirs = socket.socket(fileno=descriptor)
        theirs.set_inheritable(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=theirs, limit=MAX_LINE)
        self._reading = asyncio.create_task(self._read(reader))

    async def close(self) -> None:
        """Let go of the socket and of the file."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
        self._store.close()

    def status(self) -> ServiceStatus | None:
        """Where the service stands; None when it is gone or was never there."""
        now = time.monotonic()
        at, found = self._status
        if now - at > _FRESH:
            found = self._store.status()
            self._status = now, found
        oldest = timestamp(SystemClock.wall() - self._silent)
        return found if found is not None and found.beat_at >= oldest else None

    def jobs(self, *, limit: int = 100, before: str = "") -> list[Job]:
        """See `web.context.Service`."""
        return self._store.jobs(limit=limit, before=before)

    async def order(self, do: str, name: str, by: str) -> Answer:
        """Ask for something; see `orders.Order`. Whatever hinders it is the answer's problem."""
        try:
            order = msgspec.convert({"number": self._number + 1, "do": do, "name": name, "by": by}, Order)
        except msgspec.ValidationError:
            return Answer(number=0, problem="there is no such order")
        line = msgspec.json.encode(order) + b"\n"
        if len(line) >= MAX_LINE:
            return Answer(number=0, problem="there is nothing of so long a name")
        if self._writer is None or self.gone.is_set():
            return Answer(number=0, problem="no service runs here: `mongosweep serve` starts it")
        self._number = order.number
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[order.number] = future
        try:
            self._writer.write(line)
            async with asyncio.timeout(_PATIENCE):
                await self._writer.drain()
                return await future
        except TimeoutError:
            return Answer(number=order.number, problem="the service does not answer; its log says why")
        except OSError:
            return Answer(number=order.number, problem="the service has ended")
        finally:
            self._asked.pop(order.number, None)
            self._status = (float("-inf"), None)  # what was asked for shows at once

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = msgspec.json.Decoder(Answer)
        with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
            while line := await reader.readline():
                answer = decoder.decode(line)
                future = self._asked.get(answer.number)
                if future is not None and not future.done():
                    future.set_result(answer)
        self.gone.set()
        for number, future in self._asked.items():
            if not future.done():
                future.set_result(Answer(number=number, problem="the service has ended"))
