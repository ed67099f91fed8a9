"""Names that steer a terminal, a page or a log where they are not escaped."""

from __future__ import annotations

INJECTIONS = (
    "=cmd|'/c calc'!A1",
    "<img src=x onerror=1>",
    "${jndi:ldap://x}",
    "%s%n",
    "\x1b]0;x\x07",
    "\x1b[2J",
    "\x9b31m",
    "a\r\nSet-Cookie: x",
    '\n{"event_id":"forged"}',
    "\ud800",
    "\0",
    "\u202e",
    "\u2028",
    "\x85",
    "__proto__",
    "../../x",
    "'; DROP TABLE t;--",
    "n" * (1 << 20),
)
