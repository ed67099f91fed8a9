"""What the responder answers: the documents of an open MongoDB 7.1, as `responder.c` reads them."""

from __future__ import annotations

from typing import Any

import bson

_HELLO: dict[str, Any] = {
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
    "logicalSessionTimeoutMinutes": 30,
    "connectionId": 1,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "ok": 1.0,
}
_NAMES = [{"name": name} for name in ("admin", "config", "local", "customers", "orders")]
REPLIES: dict[str, dict[str, Any]] = {
    "*": {"ok": 1.0},
    "ismaster": _HELLO,
    "hello": _HELLO,
    "buildInfo": {"version": "7.1.0", "versionArray": [7, 1, 0, 0], "bits": 64, "modules": [], "ok": 1.0},
    "listDatabases": {"databases": _NAMES, "ok": 1.0},
    "serverStatus": {"version": "7.1.0", "ok": 1.0},
}


def packed() -> bytes:
    """The file: name length, name, document, for each reply."""
    return b"".join(
        bytes([len(name)]) + name.encode() + bson.encode(reply) for name, reply in REPLIES.items()
    )
