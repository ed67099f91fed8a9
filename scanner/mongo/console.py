"""The status page of MongoDB up to 3.4, by HTTP on a port of its own: the one question, and what it says.

It stays silent on all but HTTP. Up to 2.6 it is shown to whoever asks while no administrator exists, and from
loopback always; 3.2 and 3.4 show it while access control is off, and from loopback while no administrator
exists; else it demands a login (`src/mongo/db/dbwebserver.cpp` of 2.4, 2.6 and 3.2; removed in 3.6).

Its head names the host, the version and the uptime. What follows, behind a rule, are clients, collections and
the last lines of the log, in which values of documents may stand: nothing of that is kept. Whether the REST
interface is on, which gives out documents, only other addresses than `/` tell, and they are never asked for.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

PORT: Final = 28017  # the default port of a mongod, and 1000
REQUEST: Final = b"GET / HTTP/1.0\r\n\r\n"
KEPT: Final = 8192  # bytes of the page that are read: status, headers, title, a list of commands, the head
HOST_LENGTH: Final = 262  # a host's name of 255 characters and a port

_OK = re.compile(rb"HTTP/1\.[01] 200 ")
_TITLE = re.compile(rb"<title>mongo(?:d|s|db)(?:\.exe)? ([^<\s]{1,300})</title>")
_HEAD_END = re.compile(rb"uptime: *(\d{1,12}) seconds|<hr>")
_VERSION = re.compile(rb"db version v([0-9A-Za-z.+_-]{1,64})")
_GIT = re.compile(rb"git hash: ([0-9A-Za-z._-]{1,64})")
_OPENSSL = re.compile(rb"OpenSSL version: ([^\n<]{1,64})")
_LOGIN = re.compile(rb'HTTP/1\.[01] 401 .*WWW-Authenticate: *Digest +realm="mongo"', re.DOTALL)


class Console(Enum):
    """What a console did: it showed its page, or it wanted a login."""

    SHOWN = "shown"
    LOCKED = "locked"


def recognise(page: bytes) -> Console | None:
    """What the beginning of an answer says; None when it is no console's, or not long enough yet."""
    if _OK.match(page) and _TITLE.search(page):
        return Console.SHOWN
    return Console.LOCKED if _LOGIN.match(page) else None


class StatusPage(NamedTuple):
    """What the head of a page says. Texts are as it wrote them, "" for none; the uptime in seconds."""

    shown: bool
    host: str = ""  # with its port, where the page has one
    version: str = ""
    git_version: str = ""
    openssl: str = ""
    uptime: int | None = None


def head_end(page: bytes) -> int:
    """Where that which is wanted of an answer ends; 0 while it has not."""
    found = recognise(page)
    if found is not Console.SHOWN:
        return len(page) if found is not None else 0
    title, rule = _TITLE.search(page), None
    if title is not None:
        rule = _HEAD_END.search(page, title.end())
    return rule.end() if rule is not None else 0


def read(page: bytes) -> StatusPage | None:
    """What an answer says, as far as it came; None where it is no status page's."""
    found = recognise(page)
    if found is not Console.SHOWN:
        return StatusPage(shown=False) if found is not None else None
    told = _HEAD_END.search(page)
    return StatusPage(
        shown=True,
        host=_text(_TITLE.search(page))[:HOST_LENGTH],
        version=_text(_VERSION.search(page)),
        git_version=_text(_GIT.search(page)),
        openssl=_text(_OPENSSL.search(page)).strip(),
        uptime=int(told[1]) if told is not None and told[1] else None,
    )


def _text(found: re.Match[bytes] | None) -> str:
    return found[1].decode("utf-8", "replace") if found is not None else ""
