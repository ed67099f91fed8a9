"""What our own receivers of events share: an HTTP server on loopback, in this process or as one of its own,
that keeps what it took and misbehaves on command.

They are fakes: strict ones, made from the documented tables of what the real ones answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import struct
from collections import defaultdict, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Sequence

MOST_BYTES = 64 * 1024 * 1024
REMEMBERED = 10_000  # requests


class Seen(NamedTuple):
    """A request as it came."""

    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A server. `fail` says how it misbehaves, request for request, at one of its endpoints:

    * `503`, `429 Retry-After: 7`, …: this status, with these headers (`; ` between them), and nothing taken
    * `reset`: the connection is reset while the request is read; `close`: closed in place of an answer
    * `half`: half of an answer; `garbage`: 200 and no word of the protocol; `large`: 200 and 1 MiB
    * `silence`: no answer; `slow`: the right answer, a byte each `pause` seconds
    * `echo 400`, …: this status, and in each field of the answer what was sent, secrets and all
    * `redirect`: 302 to `elsewhere`, which it serves, too, and counts

    With `taken ` before it, what was sent is taken first. `ok` is no fault. What was taken stands in `taken`,
    or is appended to the file `into`, a line each, before anybody is told.
    """

    endpoint = "/"

    def __init__(self, into: Path | None = None) -> None:
        self.taken: list[dict[str, Any]] = []
        self.count = 0  # events that were taken
        self.seen: deque[Seen] = deque(maxlen=REMEMBERED)
        self.connections: set[int] = set()  # ports of the clients
        self.pause = 1.0
        self.elsewhere = 0
        self.origin = ""
        self._faults: defaultdict[str, deque[str]] = defaultdict(deque)
        self._into = os.open(into, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600) if into else None

    @property
    def url(self) -> str:
        """What a sink is given."""
        return self.origin + self.endpoint

    def fail(self, *faults: str, at: str = "events") -> None:
        """Misbehave like this at the next requests to the endpoint `at`."""
        self._faults[at].extend(faults)

    def heal(self) -> None:
        """Misbehave no more."""
        self._faults.clear()

    @contextlib.asynccontextmanager
    async def serving(
        self, context: ssl.SSLContext | None = None, port: int = 0, address: str = "127.0.0.1"
    ) -> AsyncIterator[None]:
        """Serve while the context lasts."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, address, port, ssl_context=context).start()
            self.origin = f"http{'s' if context else ''}://{address}:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)  # what is aborted is closed at the loop's next turn
            if self._into is not None:
                os.close(self._into)
                self._into = None

    def which(self, request: web.Request) -> str:
        """The name of the endpoint that is asked."""
        return "events"

    async def answer(self, at: str, request: web.Request, body: bytes) -> web.Response:
        """The right answer."""
        raise NotImplementedError

    def documented(self, fault: str, body: bytes) -> web.Response | None:
        """A fault of this kind of receiver; None where it knows no such one."""
        return None

    def keep(self, events: Sequence[bytes]) -> None:
        """Take events, each a JSON object."""
        self.count += len(events)
        if self._into is None:
            self.taken += [json.loads(event) for event in events]
        elif events:
            data = memoryview(b"\n".join(events) + b"\n")
            while data:
                data = data[os.write(self._into, data) :]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/control":
            return await self._control(request)
        if request.path == "/elsewhere":
            self.elsewhere += 1
            return web.Response()
        if peer := request.transport and request.transport.get_extra_info("peername"):
            self.connections.add(peer[1])
        at = self.which(request)
        fault = self._faults[at].popleft() if self._faults[at] else "ok"
        if fault == "reset":
            return self._reset(request)
        body = await request.read()
        self.seen.append(Seen(request.path, request.query_string, dict(request.headers), body))
        right = web.Response(status=500)
        if fault in ("ok", "slow", "half") or fault.startswith("taken "):
            right = await self.answer(at, request, body)
        if fault == "ok":
            return right
        return await self._misbehave(fault.removeprefix("taken "), request, body, right)

    async def _misbehave(
        self, fault: str, request: web.Request, body: bytes, right: web.Response
    ) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        if fault == "reset":
            return self._reset(request)
        if fault == "close":
            transport.close()
            return web.Response()
        if fault == "garbage":
            return web.Response(body=b"<html>Welcome to the \x00\xff guest network</html>")
        if fault == "large":
            return web.Response(body=b"{" * (1 << 20))
        if fault == "silence":
            try:
                await asyncio.sleep(3600)
            finally:
                transport.abort()
        if fault == "redirect":
            return web.Response(status=302, headers={"Location": f"{self.origin}/elsewhere"})
        if fault in ("half", "slow"):
            return await self._in_pieces(request, right, whole=fault == "slow")
        if (told := self.documented(fault, body)) is not None:
            return told
        if fault.startswith("echo "):
            return _echo(int(fault[5:]), request, body)
        status, _, rest = fault.partition(" ")
        headers = dict(each.split(": ", 1) for each in rest.split("; ") if each)
        return web.Response(status=int(status), headers=headers)

    async def _in_pieces(
        self, request: web.Request, right: web.Response, *, whole: bool
    ) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        text = right.body if isinstance(right.body, bytes) else b""
        head = f"HTTP/1.1 {right.status} As It Is\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        data = head.encode() + text
        try:
            for position in range(len(data) if whole else len(head) + len(text) // 2):
                if transport.is_closing():
                    break
                transport.write(data[position : position + 1])
                if whole:
                    await asyncio.sleep(self.pause)
        finally:
            transport.close()
        return web.Response()

    @staticmethod
    def _reset(request: web.Request) -> web.Response:
        assert request.transport is not None
        if (connection := request.transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
        return web.Response()

    async def _control(self, request: web.Request) -> web.Response:
        """For a receiver in a process of its own: POST faults, GET what was taken."""
        if request.method == "POST":
            asked = await request.json()
            if asked.get("instead"):
                self._faults.clear()
            self.fail(*asked["faults"], at=asked.get("at", "events"))
        return web.json_response({"taken": self.count, "requests": len(self.seen)})


def _echo(status: int, request: web.Request, body: bytes) -> web.Response:
    sent = f"{request.path_qs} {sorted(request.headers.items())} {body.decode('utf-8', 'replace')}"
    error = {"type": sent, "reason": sent, "code": sent, "message": sent}
    told = {"text": sent, "code": 6, "error": error}
    if "oauth2" in request.path:
        told = {"error": body.decode(), "error_description": sent}
    return web.json_response(told, status=status)


def run(make: Callable[[argparse.Namespace], Receiver], options: argparse.ArgumentParser) -> None:
    """Be a receiver in a process of its own: says `ready URL` on stdout, and ends by a signal."""
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--address", default="127.0.0.1")
    options.add_argument("--into", type=Path, help="append what is taken to this file")
    options.add_argument("--certificate", help="PEM with the key: serve TLS")
    options.add_argument("--fail", action="append", default=[], help="misbehave, request for request")
    given = options.parse_args()
    context = None
    if given.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certificate)

    async def serve() -> None:
        receiver = make(given)
        receiver.fail(*given.fail)
        async with receiver.serving(context, given.port, given.address):
            print(f"ready {receiver.url}", flush=True)  # noqa: T201
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
