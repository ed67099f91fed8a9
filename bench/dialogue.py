"""The bytes that every hand-written contender sends: the first write of our own dialogue, made by it."""

from __future__ import annotations

from scanner.mongo.commands import client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits


def _first_write() -> bytes:
    client = client_metadata("bench", "bench@example.com", "0")
    return Dialogue(client=client, depth=Depth.VERDICT, limits=Limits(), loopback=False).connected(
        Layer.PLAIN
    )


def _last_id(requests: bytes) -> bytes:
    at = last = 0
    while at < len(requests):
        last, at = at, at + int.from_bytes(requests[at : at + 4], "little")
    return requests[last + 4 : last + 8]


REQUESTS = _first_write()
LAST_REPLY_ID = _last_id(REQUESTS)  # a reply that carries it as responseTo is the last one


def complete(data: bytes) -> bool:
    """Whether the answer to the last request is in it, whole."""
    at = 0
    while len(data) - at >= 16:
        length = int.from_bytes(data[at : at + 4], "little")
        if len(data) - at < length:
            return False
        if data[at + 8 : at + 12] == LAST_REPLY_ID:
            return True
        at += length
    return False
