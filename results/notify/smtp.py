"""Letters as e-mail: STARTTLS with a verified certificate, one connection for all, one transaction each.

A message is handed over by its final dot alone. So everything before it is sent first; then it is noted
durably that the hand-over begins; then the dot goes out. What nobody can know afterwards is only what
happened between the dot and the server's answer to it (RFC 5321 section 4.5.3.2.6, RFC 1047).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime
from typing import TYPE_CHECKING

import aiosmtplib
from msgspec import Struct

from results.durations import instant
from results.notify.way import NotSentError, Said, UnclearError
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.notify.letter import Letter

_SHUT = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError)
_PACE = 0.01  # seconds between two looks at what is not written yet


class SmtpServer(Struct, frozen=True, kw_only=True):
    """A mail server and who writes. `password` is kept out of every text."""

    host: str
    port: int
    tls: str
    sender: str
    ca_file: str = ""
    user: str = ""
    password: str = ""
    timeout: float = 30.0

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"


class SmtpWay:
    """One mail server."""

    name = "smtp"

    def __init__(self, server: SmtpServer) -> None:
        self.place = repr(server)
        self._server = server
        self._client: aiosmtplib.SMTP | None = None
        self._transport: asyncio.BaseTransport | None = None

    async def send(self, letter: Letter, handing_over: Callable[[], None]) -> Said:
        """Send one letter. What is refused for one of several recipients is said; the others get it."""
        if not letter.to:
            raise NotSentError("no address is known for this owner")
        data = as_email(letter, self._server.sender).as_bytes(policy=POLICY)
        client, refused = await self._ready(letter)
        handed_over = in_the_middle = False
        try:
            answer = await client.execute_command(b"DATA")
            if answer.code != 354:
                raise NotSentError(_said(answer))
            in_the_middle = True
            await self._write(client, data)
            handing_over()
            handed_over = True
            assert client.protocol is not None
            answer = await client.protocol.execute_command(b".", timeout=self._server.timeout)
            in_the_middle = False
        except (*_SHUT, aiosmtplib.SMTPException) as error:
            if handed_over:
                raise UnclearError(f"no answer to the whole message: {_short(error)}") from error
            raise NotSentError(f"it was not taken to its end: {_short(error)}") from error
        finally:
            if in_the_middle:  # whatever is said now would be a part of the message
                await self._drop()
        if answer.code != 250:
            raise NotSentError(_said(answer))
        return Said(_said(answer), tuple(refused))

    async def _ready(self, letter: Letter) -> tuple[aiosmtplib.SMTP, list[str]]:
        """A connection that has taken sender and recipients, and who of them was refused."""
        refused = []
        try:
            client = await self._connected()
            await client.mail(self._server.sender)
            for address in letter.to:
                try:
                    await client.rcpt(address)
                except aiosmtplib.SMTPRecipientRefused as error:
                    refused.append(f"refused for {address}: {error.code} {visible(error.message, 200)}")
        except (*_SHUT, aiosmtplib.SMTPException) as error:
            await self._drop()
            raise NotSentError(f"{self._server!r}: {_short(error)}") from error
        if len(refused) == len(letter.to):
            raise NotSentError("; ".join(refused))
        return client, refused

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and self._client.is_connected:
            try:
                await self._client.rset()
            except (*_SHUT, aiosmtplib.SMTPException):
                await self._drop()
            else:
                return self._client
        server = self._server
        context = ssl.create_default_context(cafile=server.ca_file or None)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=server.timeout,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=context,
            local_hostname=server.sender.partition("@")[2],  # a name that we stand for
        )
        await client.connect()
        self._client, self._transport = client, client.transport
        if server.user:
            await client.login(server.user, server.password)
        return client

    async def _write(self, client: aiosmtplib.SMTP, data: bytes) -> None:
        """Everything but the final dot, until the kernel has it. Raises when the server went away."""
        protocol = client.protocol
        assert protocol is not None
        protocol.write(re.sub(rb"(?m)^\.", b"..", data))
        deadline = asyncio.get_running_loop().time() + self._server.timeout
        await asyncio.sleep(0)
        while protocol.is_connected and _unwritten(protocol.transport):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError("the server does not read")
            await asyncio.sleep(_PACE)
        if not protocol.is_connected:
            raise aiosmtplib.SMTPServerDisconnected("the server went away")

    async def close(self) -> None:
        """Say goodbye, as long as anybody listens."""
        if self._client is not None and self._client.is_connected:
            with contextlib.suppress(*_SHUT, aiosmtplib.SMTPException):
                await self._client.quit(timeout=2)
        await self._drop()

    async def _drop(self) -> None:
        """End the connection without a word."""
        client, transport = self._client, self._transport
        self._client = self._transport = None
        if client is not None:
            client.close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
            for _ in range(3):  # the loop closes the socket, then tells TLS, then us
                await asyncio.sleep(0)


def as_email(letter: Letter, sender: str) -> EmailMessage:
    """The letter as a message of two alternatives. `EmailMessage` refuses a header with a line break."""
    message = EmailMessage(policy=POLICY)
    message["From"] = sender
    message["To"] = ", ".join(letter.to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(instant(letter.at))
    message["Message-ID"] = f"<{letter.message_id}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = letter.language
    if letter.earlier:
        message["In-Reply-To"] = f"<{letter.earlier[-1]}>"
        message["References"] = " ".join(f"<{each}>" for each in letter.earlier[-10:])
    message.set_content(letter.plain, cte="quoted-printable")
    message.add_alternative(letter.markdown, subtype="markdown", cte="quoted-printable")
    return message


def _unwritten(transport: asyncio.BaseTransport | None) -> int:
    return transport.get_write_buffer_size() if isinstance(transport, asyncio.WriteTransport) else 0


def _said(answer: aiosmtplib.SMTPResponse) -> str:
    return f"{answer.code} {visible(answer.message, 200)}"


def _short(error: BaseException) -> str:
    return visible(" ".join(str(error).split()) or type(error).__name__, 200)
