"""The HTTP status console of MongoDB up to 3.4, on its own port: the one question, and what its answer says.

It stays silent on all but HTTP. It shows its page to whoever asks while no user exists, and from loopback
always; else it demands a login (`src/mongo/db/dbwebserver.cpp` of 2.4; removed in 3.6).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

PORT: Final = 28017  # the default port of a mongod, and 1000
REQUEST: Final = b"GET / HTTP/1.0\r\n\r\n"
KEPT: Final = 2048  # bytes of the page that are read: status, headers, title; what follows is not asked for

_OK = re.compile(rb"HTTP/1\.[01] 200 ")
_TITLE = re.compile(rb"<title>mongodb? [^<\s]{1,300}</title>")
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
