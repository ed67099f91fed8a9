"""Other protocols, told by their first bytes: what answers on the port when MongoDB does not."""

from __future__ import annotations

from typing import Final

# At least three ASCII characters each: as a little-endian messageLength that is over two million bytes, above
# the cap of a first reply, so none of them can be the beginning of a MongoDB message that would be read.
_TEXT: Final[tuple[tuple[bytes, str], ...]] = (
    (b"HTTP/", "HTTP"),
    (b"SSH-", "SSH"),
    (b"220 ", "SMTP or FTP"),
    (b"220-", "SMTP or FTP"),
    (b"421 ", "SMTP or FTP"),
    (b"554 ", "SMTP"),
    (b"+OK", "POP3 or Redis"),
    (b"+PONG", "Redis"),
    (b"* OK", "IMAP"),
    (b"* BYE", "IMAP"),
    (b"-ERR", "Redis"),
    (b"-NOAUTH", "Redis"),
    (b"-DENIED", "Redis"),
    (b"-MISCONF", "Redis"),
    (b"RFB ", "VNC"),
    (b"AMQP", "AMQP"),
    (b"@RSYNCD", "rsync"),
    (b"RTSP/", "RTSP"),
    (b"SIP/", "SIP"),
    (b"ERROR\r\n", "memcached"),
    (b"CLIENT_ERROR", "memcached"),
    (b"EFATAL", "PostgreSQL"),
    (b"INFO {", "NATS"),
    (b"<?xml", "XML"),
    (b"<html", "HTML"),
    (b"<HTML", "HTML"),
    (b"<!DOC", "HTML"),
    (b"<stream", "XMPP"),
    (b"Protocol mismatch", "SSH"),
)
_PREFIXES: Final = tuple(prefix for prefix, _ in _TEXT)
_PRINTABLE: Final = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}


def is_tls_record(head: bytes) -> bool:
    """True for the beginning of a TLS alert or handshake record (RFC 8446 section 5.1).

    `15 03 01 00 02` read as a messageLength is 66,325, above the cap of a first reply. An alert with the
    version number of SSL 3.0 is believed only when it is all that came.
    """
    if len(head) < 3 or head[1] != 3:
        return False
    if head[0] == 0x16:
        return 1 <= head[2] <= 4
    if head[0] != 0x15:
        return False
    return 1 <= head[2] <= 4 or (len(head) == 7 and head[2:5] == b"\x00\x00\x02")


def recognise(head: bytes, *, whole: bool = False) -> str:
    """The name of the protocol that `head` (at most 16 bytes matter) begins, or "".

    Without `whole` only beginnings that can never be a MongoDB header count, so the answer does not depend
    on how the bytes were cut. With `whole`, the bytes are known not to be a MongoDB header, or all that came.
    """
    if head.startswith(_PREFIXES):
        return next(name for prefix, name in _TEXT if head.startswith(prefix))
    if head[:3] and is_tls_record(head) and (whole or head[2] != 0):
        return "TLS"
    return _weak(head) if whole else ""


def _weak(head: bytes) -> str:
    """Beginnings that could be a MongoDB length: asked only when the header has failed."""
    if len(head) >= 6 and head[3] == 0 and head[4] == 0x0A and head[5:6].isdigit():
        return "MySQL"
    if len(head) >= 5 and head[3] == 0 and head[4] == 0xFF:
        return "MySQL"
    if len(head) >= 6 and head[:3] == b"E\x00\x00" and head[5:6] in (b"S", b"V", b"F"):
        return "PostgreSQL"
    if len(head) >= 4 and all(byte in _PRINTABLE for byte in head[:4]):
        return "a text protocol"
    return ""
