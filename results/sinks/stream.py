"""One TCP or TLS connection that carries one sending and ends when the other side has read all of it.

Syslog has no acknowledgement, but closing has one. Whoever has read up to our end of the stream closes in
answer (RFC 5425 section 4.4 makes a receiver answer close_notify with its own; over plain TCP it is the FIN).
A process that goes away with bytes still unread makes its kernel answer with a reset instead (RFC 1122
section 4.2.2.13; Linux does). So our direction is closed first, and what counts is what comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import ssl
import struct
import termios
from typing import TYPE_CHECKING

from msgspec import Struct

from results.sinks.sink import StoppedError, UnavailableError, in_system_words
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

_WRITING, _WAITING = "writing", "waiting until it has read what was written"
_CHUNK = 64 * 1024
_LAST_LOOKS = 100  # of 10 ms each: what the kernel still holds after the other side has closed
_WRONG_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_BY_NOBODY_KNOWN = frozenset({18, 19, 20, 21})  # self-signed, or an issuer that is not there
_ABOUT_US = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "DECRYPT_ERROR")
_ABOUT_TLS = ("HANDSHAKE_FAILURE", "PROTOCOL_VERSION", "WRONG_VERSION", "INSUFFICIENT_SECURITY", "NO_SHARED")


class Receiver(Struct, frozen=True, kw_only=True):
    """Where a connection leads to. Without `tls` the other four say nothing. Files are paths, PEM;
    `server_name` "" is the host; `timeout` is for connecting and the handshake, in seconds."""

    host: str
    port: int
    tls: bool
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""
    timeout: float = 30.0

    @property
    def place(self) -> str:
        """Host and port in one text."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Sending:
    """One sending on its way: `phase` says in words what it does now."""

    def __init__(self, receiver: Receiver) -> None:
        self._to = receiver
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLObject | None = None
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.phase = "connecting"

    async def run(self, data: bytes) -> None:
        """Connect, write all of it, close, and wait until the other side has read it.

        The wait has no bound: whoever calls has. Raises `UnavailableError` and `StoppedError`.
        """
        try:
            await self._carry(data)
        except ssl.SSLError as error:
            raise self._failed_tls(error) from error
        except TimeoutError:
            raise UnavailableError(f"{self._to.place}: no answer in {self._to.timeout:g} s") from None
        except OSError as error:
            hint = "; it may not accept our certificate" if self._tls and self.phase == _WAITING else ""
            raise UnavailableError(f"{self._to.place}: {words(error)} while {self.phase}{hint}") from error
        finally:
            self._let_go()

    async def _carry(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._to.timeout):
                await self._connect()
            self.phase = _WRITING
            await self._write(data)
            self.phase = _WAITING
            await self._finish()
        except ssl.SSLError:
            raise
        except OSError:
            self._hear_what_came()  # an alert may say why, and stands before the reset
            raise

    async def _connect(self) -> None:
        context = _context(self._to) if self._to.tls else None
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._to.host, self._to.port, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, address) in enumerate(found, 1):
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            try:
                await loop.sock_connect(self._socket, address)
            except OSError:
                self._let_go()
                if number == len(found):
                    raise
            else:
                break
        assert self._socket is not None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if context is not None:
            self.phase = "doing the TLS handshake"
            name = self._to.server_name or self._to.host
            try:
                self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
            except ValueError as error:
                raise StoppedError(f"{self._to.place}: {name!r} is no name of a server: {error}") from error
            await self._until(self._tls.do_handshake)

    async def _until(self, step: Callable[[], object]) -> None:
        """Let TLS make this step, however often both sides must say something for it."""
        while True:
            try:
                step()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._take():
                    raise _closed_early() from None
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # the alert that says why
                raise
            else:
                await self._flush()
                return

    async def _write(self, data: bytes) -> None:
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        view = memoryview(data)
        for start in range(0, len(data), _CHUNK):
            part = view[start : start + _CHUNK]
            if self._tls is None:
                await loop.sock_sendall(self._socket, part)
            else:
                self._tls.write(part)
                await self._flush()

    async def _finish(self) -> None:
        """Close our direction; read to the other side's end; see that nothing is left on the way to it."""
        assert self._socket is not None
        if self._hear_what_came():  # an end that comes before ours answers nothing
            raise _closed_early()
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()  # writes close_notify
            await self._flush()
        self._socket.shutdown(socket.SHUT_WR)
        await self._listen()
        # It may have closed by itself just before our last bytes came: then these are never acknowledged,
        # and a reset is on its way.
        for _ in range(_LAST_LOOKS):
            self._raise_pending()
            if _unacknowledged(self._socket) == 0:
                return
            await asyncio.sleep(0.01)
        raise _closed_early()

    def _hear_what_came(self) -> bool:
        """Whether the other side has closed by now; raises the alert with which it did."""
        ended = self._socket is None
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._socket is not None and (data := self._socket.recv(_CHUNK)):
                self._in.write(data)
            ended = True
        return self._heard_end() or ended

    async def _listen(self) -> None:
        """Read until the other side has closed. What it says means nothing, but for an alert."""
        while await self._take():
            self._heard_end()

    def _heard_end(self) -> bool:
        """Whether TLS, in what was read up to now, says that the other side closes; raises its alert."""
        try:
            while self._tls is not None and self._tls.read(_CHUNK):
                pass
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLZeroReturnError:
            return True
        except ssl.SSLError as error:
            if "ALERT" in (error.reason or ""):
                raise
            # rsyslog's ossl driver mixes up its descriptors at times, and writes into this connection, in the
            # clear, what belongs into its file: events that it then closes for are lost.
            raise UnavailableError(
                f"{self._to.place}: what it sends is no TLS any more ({_words(error.reason or '')}); "
                "where it is rsyslog, take its gtls driver in place of ossl"
            ) from error
        return self._tls is not None

    async def _take(self) -> bool:
        """Read once; False at the other side's end."""
        assert self._socket is not None
        data = await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)
        if self._tls is not None and data:
            self._in.write(data)
        return bool(data)

    async def _flush(self) -> None:
        assert self._socket is not None
        if data := self._out.read():
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def _raise_pending(self) -> None:
        assert self._socket is not None
        if number := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))

    def _let_go(self) -> None:
        """Close at once. A part that is on its way goes with it: it is sent again as a whole."""
        if self._socket is not None:
            if self.phase in (_WRITING, _WAITING):
                with contextlib.suppress(OSError):
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()
            self._socket = None

    def _failed_tls(self, error: ssl.SSLError) -> Exception:
        place, reason = self._to.place, error.reason or ""
        if isinstance(error, ssl.SSLCertVerificationError):
            return StoppedError(
                f"{place}: its certificate does not verify: {visible(error.verify_message, 200)}; "
                + _remedy(error.verify_code)
            )
        if "ALERT" in reason and any(word in reason for word in _ABOUT_US):
            ours = self._to.certificate or "none is configured"
            return StoppedError(
                f"{place}: it refuses our certificate ({ours}): {_words(reason)}; set certificate and key to "
                "a pair that the receiver accepts"
            )
        if any(word in reason for word in _ABOUT_TLS):
            return StoppedError(
                f"{place}: no TLS is agreed on: {_words(reason)}; it must speak TLS 1.2 or newer on that port"
            )
        return UnavailableError(f"{place}: {_words(reason) or 'the TLS connection broke'} while {self.phase}")


def _closed_early() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, "")


def _context(receiver: Receiver) -> ssl.SSLContext:
    """Made anew each time: certificates are renewed while we run. Raises `StoppedError`."""
    try:
        context = ssl.create_default_context(cafile=receiver.ca_file or None)
    except OSError as error:
        raise _unreadable("ca_file", receiver.ca_file, error) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if receiver.certificate:
        try:
            # Without a password it would be asked for on the terminal.
            context.load_cert_chain(receiver.certificate, receiver.key or None, password="")
        except OSError as error:
            raise _unreadable("certificate and key", receiver.certificate, error) from error
    return context


def _unreadable(what: str, path: str, error: OSError) -> StoppedError:
    if isinstance(error, ssl.SSLError):
        why = f"not PEM, not a pair, or a key with a password: {_words(error.reason or '')}"
    else:
        why = words(error)
    return StoppedError(f"{what} {path}: {why}")


def _remedy(code: int) -> str:
    if code in _WRONG_NAME:
        return "set server_name to a name that stands in it"
    if code in _BY_NOBODY_KNOWN:
        return "set ca_file to the authority that signed it"
    return "renew it, or look at this machine's clock"


def words(error: OSError) -> str:
    """What happened, in the system's own words."""
    return in_system_words(error).lower()


def _words(reason: str) -> str:
    return visible(reason.replace("_", " ").lower(), 100)


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other kernel has not acknowledged; 0 where this system does not tell."""
    try:
        return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4), "little")
    except OSError:
        return 0
