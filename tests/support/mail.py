"""A mail server for tests: a real one (aiosmtpd) on loopback with STARTTLS, and ways in which it fails."""

from __future__ import annotations

import asyncio
import ssl
import threading
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

LOGIN = ("mongosweep", "s3cret")


class Authority:
    """The certificates of these tests, and the file that a client trusts."""

    def __init__(self, home: Path) -> None:
        authority = trustme.CA()
        self.file = home / "authority.pem"
        authority.cert_pem.write_to_path(str(self.file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.context)


class MailServer:
    """Takes messages on 127.0.0.1 in a thread of its own, until it is stopped.

    `fail` says how the next transactions end: `midway` (the connection is closed when a part of the message
    is there), `after` (it takes the whole message and closes without an answer), `451`, `554`. What was taken
    stands in `taken`, also where nobody was told of it.
    """

    def __init__(self, authority: Authority, *, login: bool = False, starttls: bool = True) -> None:
        self.taken: list[EmailMessage] = []
        self.envelopes: list[Any] = []
        self.fail: list[str] = []
        self.refuse: set[str] = set()
        self.slow = 0.0
        self.port = 0
        self._login, self._starttls = login, starttls
        self._context = authority.context
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> MailServer:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(self._protocol, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    def _protocol(self) -> SMTP:
        return _Session(
            self,
            handler=_Handler(self),
            hostname="mail.test",
            tls_context=self._context if self._starttls else None,
            require_starttls=self._starttls,
            auth_required=self._login,
            auth_require_tls=self._login,
            authenticator=_authenticate if self._login else None,
            loop=self._loop,
            enable_SMTPUTF8=False,
        )


class _Session(SMTP):
    """One connection. Half of a message is what has come when the first lines of its text have."""

    def __init__(self, server: MailServer, **settings: Any) -> None:
        super().__init__(**settings)
        self.server = server

    async def smtp_DATA(self, arg: str | None) -> None:
        if self.server.fail and self.server.fail[0] == "midway":
            self.server.fail.pop(0)
            await self.push("354 go on")
            await self._reader.readline()
            assert isinstance(self.transport, asyncio.WriteTransport)
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self.server = server

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.server.refuse:
            return "550 no such box"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, connection: Any, _: Any, envelope: Any) -> str:
        how = self.server.fail.pop(0) if self.server.fail else ""
        if how.isdigit():
            return f"{how} not now"
        message = message_from_bytes(envelope.content, policy=default)
        self.server.taken.append(message)
        self.server.envelopes.append(envelope)
        if self.server.slow:
            await asyncio.sleep(self.server.slow)
        if how == "after":
            connection.transport.abort()
            await asyncio.sleep(5)  # ended as soon as the connection is
        return "250 taken"


def _authenticate(_: Any, __: Any, ___: Any, ____: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == tuple(
        map(str.encode, LOGIN)
    )
    return AuthResult(success=right, handled=False)
