"""TLS as a layer of bytes: the handshake and the records through memory, for any connector.

Certificates are looked at and never verified: this context is for asking unknown servers what they are,
and must never be used to send anything of value (the sinks have a context of their own).
"""

from __future__ import annotations

import ssl
import warnings
from functools import lru_cache

from scanner.contact import TlsSession

MAX_WIRE_BYTES = 64 * 1024 * 1024  # renegotiation, tickets and key updates all end here
MAX_HANDSHAKE_BYTES = 256 * 1024  # a chain of a hundred certificates fits; a flood does not
_CHUNK = 65536
_HANDSHAKE = 22  # record content type
_CERTIFICATE_REQUEST = 13  # handshake message type (RFC 5246 section 7.4, RFC 8446 section 4)


@lru_cache(maxsize=2)
def context(legacy: bool) -> ssl.SSLContext:
    """The client context for probing. `legacy` allows TLS 1.0, 1.1 and every cipher, and offers no TLS 1.3:
    for servers that have nothing better, or a key too short for it. Its sessions are recorded as such."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("ALL:@SECLEVEL=0" if legacy else "DEFAULT:@SECLEVEL=0")
    if legacy:
        with warnings.catch_warnings():
            # Python warns of TLS 1.0; it is looked for, and nothing of value is sent over it.
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = ssl.TLSVersion.TLSv1
            made.maximum_version = ssl.TLSVersion.TLSv1_2
    # In TLS 1.3 a CertificateRequest is encrypted: only the library sees it, and CPython shows it by this
    # debugging hook alone. A session takes the hook over when it is made, so it is set here, before any is.
    setattr(made, "_msg_callback", _note_message)  # noqa: B010 - not in the type stubs
    return made


class TlsError(Exception):
    """The session is over; the text is the TLS library's own name for the reason."""


class TlsLayer:
    """One client session over memory buffers.

    `feed` takes what the network gave and returns (plaintext, bytes to put on the wire). Raises TlsError
    when the session fails; what still has to leave (an alert) is not worth sending to an unknown server.
    """

    __slots__ = ("_in", "_object", "_out", "_requested", "_wire", "eof", "established", "legacy")

    def __init__(self, legacy: bool = False) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._requested: list[bool] = []
        self._object = context(legacy).wrap_bio(self._in, self._out, server_side=False)
        self._wire = 0
        self.established = False
        self.legacy = legacy
        self.eof = False
        _SESSIONS[id(self._object)] = self._requested

    def forget(self) -> None:
        """Stop watching; call once when the session is done with."""
        _SESSIONS.pop(id(self._object), None)

    def start(self) -> bytes:
        """The ClientHello."""
        self._handshake()
        return self._out.read()

    def _handshake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLError, ValueError) as error:
            raise TlsError(_name(error)) from error
        self.established = True

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes from the wire; give plaintext and bytes for the wire."""
        self._wire += len(data)
        if self._wire > (MAX_WIRE_BYTES if self.established else MAX_HANDSHAKE_BYTES):
            raise TlsError("more bytes than the cap allows")
        self._in.write(data)
        if not self.established:
            self._handshake()
        plain = self._read() if self.established else b""
        return plain, self._out.read()

    def _read(self) -> bytes:
        parts: list[bytes] = []
        while True:
            try:
                part = self._object.read(_CHUNK)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self.eof = True
                break
            except (ssl.SSLError, ValueError) as error:
                if parts:
                    break  # give what came; the error comes again with the next read
                raise TlsError(_name(error)) from error
            if not part:
                self.eof = True
                break
            parts.append(part)
        return b"".join(parts)

    def encrypt(self, data: bytes) -> bytes:
        """Records that carry `data`."""
        try:
            self._object.write(data)
        except (ssl.SSLError, ValueError) as error:
            raise TlsError(_name(error)) from error
        return self._out.read()

    def session(self, alert: str = "") -> TlsSession:
        """What was seen, as plain data. The library takes no certificates of more than 100 KiB in all."""
        cipher = self._object.cipher() or ("", "", None)
        try:
            der = self._object.getpeercert(binary_form=True) or b""
        except ValueError:
            der = b""
        return TlsSession(
            established=self.established,
            version=self._object.version() or "",
            cipher=cipher[0],
            cipher_bits=cipher[2],
            certificate_der=der,
            certificate_requested=bool(self._requested),
            legacy=self.legacy,
            alert=alert,
        )


_SESSIONS: dict[int, list[bool]] = {}


def _note_message(
    connection: object, direction: str, version: object, content: object, kind: object, data: bytes
) -> None:
    """Called by the TLS library for every message; keeps one bit, whether a certificate was asked for."""
    if direction != "read" or getattr(content, "value", content) != _HANDSHAKE:
        return
    if getattr(kind, "value", kind) == _CERTIFICATE_REQUEST:
        requested = _SESSIONS.get(id(connection))
        if requested is not None and not requested:
            requested.append(True)


def _name(error: Exception) -> str:
    """The library's short name of an error: `TLSV1_ALERT_PROTOCOL_VERSION`, `WRONG_VERSION_NUMBER`, …"""
    reason = getattr(error, "reason", None)
    return str(reason) if reason else type(error).__name__
