"""Our own strict fake of Splunk's HTTP Event Collector, made from its documented table of codes.

    python -m tests.support.receivers.hec --port 8088 --into taken.jsonl [--acknowledge] [--fail 503]

It takes the events that stand before an invalid one. A fault `code 6 @2` is that code at event 2.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
import zlib
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from tests.support.receivers.serving import Receiver, run

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "b0221cd8-c4b4-465a-9a3c-273e3a75aa29"

CODES: dict[int, tuple[int, str]] = {
    0: (200, "Success"),
    1: (403, "Token disabled"),
    2: (401, "Token is required"),
    3: (401, "Invalid authorization"),
    4: (403, "Invalid token"),
    5: (400, "No data"),
    6: (400, "Invalid data format"),
    7: (400, "Incorrect index"),
    8: (500, "Internal server error"),
    9: (503, "Server is busy"),
    10: (400, "Data channel is missing"),
    11: (400, "Invalid data channel"),
    12: (400, "Event field is required"),
    13: (400, "Event field cannot be blank"),
    14: (400, "ACK is disabled"),
    15: (400, "Error in handling indexed fields"),
    16: (400, "Query string authorization is not enabled"),
    17: (200, "HEC is healthy"),
    18: (503, "HEC is unhealthy, queues are full"),
    19: (503, "HEC is unhealthy, ack service unavailable"),
    20: (503, "HEC is unhealthy, queues are full, ack service unavailable"),
    21: (400, "Invalid token"),
    22: (400, "Token disabled"),
    23: (503, "Server is shutting down"),
    24: (200, "HEC queue is approaching its capacity limit"),
    25: (200, "HEC ACK is approaching its capacity limit"),
    26: (429, "HEC queue is at capacity and cannot process any more requests"),
    27: (429, "HEC ACK channel is at capacity and cannot process any more requests"),
}
"""Splunk's "Possible error codes" of HEC: code, status, text."""

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """What may stand around an event."""

    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    time: float | msgspec.UnsetType = msgspec.UNSET
    host: str = ""
    source: str = ""
    sourcetype: str = ""
    index: str = ""
    fields: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_envelope = msgspec.json.Decoder(Envelope)
_fields = msgspec.json.Decoder(dict[str, str | list[str]])


class HecReceiver(Receiver):
    """One token, and the indexes that it may write to. `acknowledge_after`: seconds until an acknowledgement
    is given; None for never. `most_bytes` of one request, unpacked."""

    endpoint = "/services/collector/event"

    def __init__(
        self,
        into: Path | None = None,
        *,
        token: str = TOKEN,
        acknowledge: bool = False,
        indexes: frozenset[str] = frozenset({"", "main", "security"}),
    ) -> None:
        super().__init__(into)
        self.token = token
        self.disabled = False
        self.acknowledge = acknowledge
        self.acknowledge_after: float | None = 0.0
        self.indexes = indexes
        self.takes_fields = True
        self.most_bytes = 1 << 20
        self._numbers: defaultdict[str, count[int]] = defaultdict(count)
        self._acks: defaultdict[str, dict[int, float]] = defaultdict(dict)

    def which(self, request: web.Request) -> str:
        """The three endpoints by name, `nothing` elsewhere."""
        return {
            "/services/collector": "events",
            "/services/collector/event": "events",
            "/services/collector/event/1.0": "events",
            "/services/collector/ack": "ack",
            "/services/collector/health": "health",
        }.get(request.path, "nothing")

    async def answer(self, at: str, request: web.Request, body: bytes) -> web.Response:
        """As the table says."""
        if at == "health":
            return said(17)
        if at == "nothing":
            return web.json_response(
                {"text": "The requested URL was not found on this server.", "code": 404}, status=404
            )
        if request.method != "POST":
            return web.json_response({"text": "Method Not Allowed", "code": 405}, status=405)
        if (refused := self._authorised(request)) is not None:
            return said(refused)
        channel = request.headers.get("X-Splunk-Request-Channel") or request.query.get("channel", "")
        if self.acknowledge and not channel:
            return said(10)
        if channel and not _GUID.fullmatch(channel):
            return said(11)
        return self._ack(channel, body) if at == "ack" else self._events(request, channel, body)

    def documented(self, fault: str, body: bytes) -> web.Response | None:
        """`code N` or `code N @EVENT`."""
        told = re.fullmatch(r"code (\d+)(?: @(\d+))?", fault)
        return said(int(told[1]), int(told[2]) if told[2] else None) if told else None

    def _authorised(self, request: web.Request) -> int | None:
        if "token" in request.query:
            return 16
        given = request.headers.get("Authorization")
        if given is None:
            return 2
        scheme, _, token = given.partition(" ")
        if scheme != "Splunk" or not token:
            return 3
        if token != self.token:
            return 4
        return 1 if self.disabled else None

    def _events(self, request: web.Request, channel: str, body: bytes) -> web.Response:
        try:
            if request.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return said(6)
        if len(body) > self.most_bytes:
            return web.Response(status=413, text="Content-Length exceeds the maximum")
        if not body.strip():
            return said(5)
        taken: list[bytes] = []
        for number, one in enumerate(split(body)):
            if (code := self._fault_of(one)) is not None:
                self.keep(taken)
                return said(code, number)
            taken.append(one)
        self.keep(taken)
        if not self.acknowledge:
            return said(0)
        number = next(self._numbers[channel])
        self._acks[channel][number] = time.monotonic()
        told = web.json_response({"text": "Success", "code": 0, "ackId": self.written(number)})
        told.set_cookie("AWSALB", "indexer-7")
        return told

    def written(self, number: int) -> object:
        """An `ackId` as the answer has it; a number, unless a test wants something else."""
        return number

    def _fault_of(self, one: bytes) -> int | None:
        try:
            envelope = _envelope.decode(one)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return 6
        if envelope.event is msgspec.UNSET:
            return 12
        if bytes(envelope.event) in (b'""', b"null", b"{}"):
            return 13
        if envelope.index not in self.indexes:
            return 7
        if envelope.fields is not msgspec.UNSET:
            try:
                named = _fields.decode(envelope.fields)
            except msgspec.MsgspecError:
                return 15
            if not self.takes_fields or not all(named.values()):
                return 15
        return None

    def _ack(self, channel: str, body: bytes) -> web.Response:
        if not self.acknowledge:
            return said(14)
        try:
            asked = msgspec.json.decode(body, type=dict[str, list[int]])["acks"]
        except (msgspec.MsgspecError, KeyError):
            return said(6)
        given, after, now = self._acks[channel], self.acknowledge_after, time.monotonic()
        done = {
            number: after is not None and number in given and now - given[number] >= after for number in asked
        }
        for number, yes in done.items():
            if yes:
                del given[number]  # told once: then it is forgotten
        return web.json_response({"acks": {str(number): yes for number, yes in done.items()}})


def split(body: bytes) -> list[bytes]:
    """The JSON objects of a body, with or without newlines between them."""
    lines = body.strip().split(b"\n")
    if all(line[:1] == b"{" and line[-1:] == b"}" for line in lines) and b"}{" not in body:
        return lines
    text, position = body.decode("utf-8", "replace"), 0
    found: list[bytes] = []
    decoder = json.JSONDecoder()
    while position < len(text):
        try:
            _, end = decoder.raw_decode(text, position)
        except ValueError:
            return [*found, text[position:].encode()]
        found.append(text[position:end].encode())
        position = end + len(text[end:]) - len(text[end:].lstrip())
    return found


def said(code: int, number: int | None = None) -> web.Response:
    """The documented answer of a code, about the event with this number."""
    status, text = CODES[code]
    told: dict[str, Any] = {"text": text, "code": code}
    if number is not None:
        told["invalid-event-number"] = number
    return web.json_response(told, status=status)


def main() -> None:
    """Be one, in a process of its own."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--token", default=TOKEN)
    options.add_argument("--acknowledge", action="store_true")
    run(lambda given: HecReceiver(given.into, token=given.token, acknowledge=given.acknowledge), options)


if __name__ == "__main__":
    main()
