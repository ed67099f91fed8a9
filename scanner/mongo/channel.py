"""One connection's requests in flight: encodes them, and hands back each reply with what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scanner.mongo.answers import succeeded
from scanner.mongo.bson_check import ELEMENT_BYTES, BsonError, decode_all, decode_weighed
from scanner.mongo.commands import (
    Command,
    RefusedRequest,
    Request,
    encode,
    form_of,
    gives_names,
    is_legacy,
    reply_caps,
)
from scanner.mongo.facts import Reply
from scanner.mongo.listing import read_listing
from scanner.mongo.name_lists import read_names, read_sizes
from scanner.mongo.reply_shapes import LESSONS, SHAPES
from scanner.mongo.wire import Expected, Frame, FrameReader, Opcode

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Sequence

    from scanner.mongo.facts import Document, Limits


FLIGHT_BYTES: Final = 600  # of memory that a request in flight takes
ALIKE_KEPT: Final = 64  # builds whose buildInfo is not decoded again
ALIKE_BYTES: Final = 8192
_NOTHING: Final = Request(Command.HELLO)
_LIST_COLLECTIONS: Final = Command.LIST_COLLECTIONS
_LIST_DATABASES: Final = Command.LIST_DATABASES


@dataclass(slots=True)
class Flight(Expected):
    """A request in flight, where its reply goes, and the name of the question that it is, if it is one.

    `length`: of the request, in bytes.
    """

    request: Request = field(default=_NOTHING)
    slot: str = ""
    question: str = ""
    length: int = 0


class Landed(NamedTuple):
    """A reply with its flight. `late`: it was not awaited any more."""

    flight: Flight
    reply: Reply
    late: bool


class Channel:
    """What is on the way on one connection. The bytes to write gather until `take_output`."""

    __slots__ = ("_caps", "_first_id", "_last_id", "_lessons", "_limits", "_output", "_reader", "bytes_sent")

    def __init__(self, limits: Limits, last_id: int = 0) -> None:
        self._limits = limits
        self._caps = reply_caps(limits)
        self._first_id = self._last_id = last_id
        self._reader = FrameReader()
        self._output: list[bytes] = []
        self._lessons = LESSONS  # shapes of replies that this connection may still teach
        self.bytes_sent = 0

    @property
    def messages_sent(self) -> int:
        """Requests that were put in flight."""
        return self._last_id - self._first_id

    @property
    def last_id(self) -> int:
        """The newest request id, so that the next connection does not use it again."""
        return self._last_id

    @property
    def owes(self) -> bool:
        """True while a reply is due."""
        return self._reader.owes

    @property
    def flights(self) -> deque[Flight]:
        """The requests in flight, oldest first."""
        return self._reader.waiting

    @property
    def held(self) -> int:
        """Bytes of memory: what has come of a reply that is not whole yet, and the requests in flight."""
        return self._reader.buffered + FLIGHT_BYTES * len(self.flights)

    @property
    def coming(self) -> int:
        """Bytes that the reply at hand will still bring, by its own word."""
        return self._reader.coming

    def ask(
        self,
        request: Request,
        slot: str,
        by: Opcode,
        question: str = "",
        *,
        time_limit: bool,
        api_version: bool,
    ) -> None:
        """Put one request in flight. Raises `RefusedRequest` when it must not leave."""
        request_id = self._last_id + 1
        message = encode(request, request_id, by, time_limit=time_limit, api_version=api_version)
        self.put(request, slot, by, question, message)

    def put(self, request: Request, slot: str, by: Opcode, question: str, message: bytes) -> None:
        """Put one request in flight whose bytes are known. They carry the id that follows `last_id`."""
        command = request.command
        request_id = self._last_id + 1
        flight = Flight(
            request_id,
            by,
            self._caps[command],
            by is Opcode.OP_QUERY and is_legacy(command),
            command is Command.LIST_DATABASES,
            False,
            request,
            slot,
            question,
            len(message),
        )
        self._send([flight], [message])

    def _send(self, flights: list[Flight], messages: list[bytes]) -> None:
        """Put these requests in flight, in this order."""
        self._last_id = flights[-1].request_id
        self._reader.expect(flights, messages[0])
        self._output += messages
        self.bytes_sent += sum(map(len, messages))

    def ask_all(
        self, requests: Iterable[Request], slot: str, by: Opcode, *, time_limit: bool, api_version: bool
    ) -> list[tuple[Request, RefusedRequest]]:
        """Put many requests in flight. Returns those that must not leave, with the reason.

        What is the same of requests in a row that differ in their names alone is looked up once.
        """
        refused = []
        flights: list[Flight] = []
        messages: list[bytes] = []
        last: tuple[object, object] | None = None
        form, cap, lists, request_id = None, 0, False, self._last_id
        for request in requests:
            command, database, arguments, collection = request
            try:
                if last is None or command is not last[0] or arguments is not last[1]:
                    form = form_of(request, by, time_limit=time_limit, api_version=api_version)
                    cap, lists = self._caps[command], command is _LIST_DATABASES
                    last = command, arguments
                if form is None:
                    if flights:
                        self._send(flights, messages)
                        flights, messages = [], []
                    way = Opcode.OP_QUERY if is_legacy(command) else by
                    self.ask(request, slot, way, time_limit=time_limit, api_version=api_version)
                    request_id = self._last_id
                    continue
                message = form.message(request_id + 1, database, collection)
            except RefusedRequest as refusal:
                refused.append((request, refusal))
                continue
            request_id += 1
            length = len(message)
            flights.append(Flight(request_id, by, cap, False, lists, False, request, slot, "", length))
            messages.append(message)
        if flights:
            self._send(flights, messages)
        return refused

    def begun(self, messages: Sequence[bytes]) -> None:
        """These requests went out on this connection before, and their replies were read elsewhere."""
        self._reader.begun(messages[0])
        self._last_id = len(messages)
        self.bytes_sent = sum(map(len, messages))

    def take_output(self) -> bytes:
        """All bytes that were gathered since the last call."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def forget(self, by: Opcode) -> None:
        """Requests by this opcode in flight may stay without a reply."""
        self._reader.forget(by)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._reader.feed(data)

    def read_known(self, told: Callable[[Request, Sequence[Any]], None]) -> int:
        """Tell of each reply the fields that are read of it, up to the first one whose shape is not known, or
        that is not whole. Returns how many there were."""

        def read(flight: Flight, data: bytes | bytearray, begin: int, end: int) -> bool:
            request = flight.request
            command = request.command
            values: Sequence[Any] | None
            if command is _LIST_COLLECTIONS:
                values = read_names(data, begin, end)
            elif command is _LIST_DATABASES:
                values = read_sizes(data, begin, end)
            else:
                values = SHAPES.read(command, flight.length, data, begin, end)
            if values is None:
                return False
            told(request, values)
            return True

        return self._reader.read_plain(read)

    def next_reply(self) -> Landed | None:
        """The next whole reply, or None. Raises `WireError` when the connection must be given up."""
        frame = self._reader.next_frame()
        if frame is None:
            return None
        flight = frame.expected
        assert isinstance(flight, Flight)
        request = flight.request
        reply = _to_reply(request, frame, self._limits)
        if self._lessons and frame.by is Opcode.OP_MSG and reply.document is not None and succeeded(reply):
            self._lessons -= SHAPES.learn(request.command, flight.length, frame.body, reply.document)
        return Landed(flight, reply, flight.optional)


@lru_cache(ALIKE_KEPT)
def _decode_alike(body: bytes) -> tuple[Document, int]:
    """What servers of one build all answer with the same bytes. Nobody changes what is in such a document."""
    return decode_weighed(body)


def _to_reply(request: Request, frame: Frame, limits: Limits) -> Reply:
    """Decode one frame. A batch of a legacy find takes the form of a find command's reply."""
    by = "OP_REPLY" if frame.by is Opcode.OP_QUERY else "OP_MSG"
    in_kind = frame.by is frame.expected.by
    reply = Reply(command=request.command, by=by, in_kind=in_kind, truncated_list=frame.truncated_list)
    if frame.truncated_list:
        reply.error = "too large"
        return reply
    names = gives_names(request.command)
    try:
        if frame.expected.documents and not frame.query_failure:
            batch = decode_all(frame.body, frame.documents, names=names)
            reply.document = {"cursor": {"id": 0, "firstBatch": batch}, "ok": 1.0}
            reply.weight = ELEMENT_BYTES * frame.documents + 4 * len(frame.body)
            return reply
        if request.command is Command.LIST_DATABASES:
            document, reply.weight, reply.listed = read_listing(frame.body, limits.databases_kept)
        elif request.command is Command.BUILD_INFO and len(frame.body) <= ALIKE_BYTES:
            alike, reply.weight = _decode_alike(frame.body)
            document = alike.copy()
        else:
            document, reply.weight = decode_weighed(frame.body, names=names)
    except BsonError as error:
        reply.error = f"bson: {error}"
        return reply
    if frame.query_failure:
        document.setdefault("$err", "")
    reply.document = document
    return reply
