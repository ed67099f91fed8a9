"""Frames of the MongoDB wire protocol: two encoders, and a reader that trusts no length.

Only OP_QUERY (2004) and OP_MSG (2013) can be written, only OP_REPLY (1) and OP_MSG can be read. The reader
looks at the 16 header bytes before it keeps anything, so that a claimed length never becomes memory.
Layouts: https://github.com/mongodb/specifications/blob/master/source/message/OP_MSG.md and the server's
`src/mongo/rpc/message.h`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, StrEnum
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from scanner.mongo.banners import recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HEADER = Struct("<iiii")  # messageLength, requestID, responseTo, opCode
_MSG_HEAD = Struct("<iiiiIB")  # header, flagBits, section kind
_QUERY_TAIL = Struct("<ii")  # numberToSkip, numberToReturn
_REPLY_HEAD = Struct("<iqii")  # responseFlags, cursorID, startingFrom, numberReturned
_LENGTH = Struct("<i")
_PLAIN_HEAD = Struct("<iiiiIBi").unpack_from  # an OP_MSG up to the length of its first section's document

OP_REPLY: Final = 1
OP_QUERY: Final = 2004
OP_COMPRESSED: Final = 2012
OP_MSG: Final = 2013

SECONDARY_OK: Final = 4
MAX_MESSAGE_BYTES: Final = 48_000_000  # the server's own maximum, `maxMessageSizeBytes`
MAX_REQUEST_BYTES: Final = 2048  # far below the 16 KiB that newer servers take before a login

_SMALLEST: Final = 26  # bytes of an OP_MSG with an empty document
_KNOWN_OPCODES: Final = frozenset({1, 1000, 2001, 2002, 2004, 2005, 2006, 2007, 2010, 2011, 2012, 2013})
_CURSOR_NOT_FOUND: Final = 1
_QUERY_FAILURE: Final = 2
_REQUIRED_FLAGS: Final = 0xFFFF
_LIST_ELEMENT: Final = b"\x04databases\x00"
_ONE_NAME: Final = 24  # bytes of an array of one {"name": ""}: an empty list proves nothing, however padded


class Opcode(StrEnum):
    """The two that a command may leave by. MongoDB answers in kind: OP_REPLY to one, OP_MSG to the other."""

    OP_QUERY = "OP_QUERY"
    OP_MSG = "OP_MSG"


_BY_MSG: Final = Opcode.OP_MSG  # looking up a member of an enumeration costs as much as ten names of a module


class Flaw(Enum):
    """What is wrong with what a peer sent. The value is the word that stands in evidence."""

    OTHER_PROTOCOL = "other protocol"
    NOT_A_HEADER = "not a MongoDB header"
    ECHO = "echo of the request"
    TLS_ALERT = "TLS alert in the clear"
    OUT_OF_ORDER = "out of order"
    PROTOCOL = "protocol"
    TOO_LARGE = "too large"


class WireError(Exception):
    """The peer broke the protocol: the connection must not be used again. `flaw` says in which way."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        super().__init__(detail)
        self.flaw = flaw
        self.detail = detail


@dataclass(slots=True)
class Expected:
    """One request in flight: whose reply is awaited, by which opcode, and how large it may be (bytes).

    `documents`: a legacy find, which may return any number of documents. `optional`: the server may well
    never answer this one (OP_MSG to a server that turned out to be too old for it).
    """

    request_id: int
    by: Opcode
    cap: int
    documents: bool = False
    lists_databases: bool = False
    optional: bool = False


@dataclass(slots=True)
class Frame:
    """One whole reply. `body` holds `documents` BSON documents back to back, none of them checked yet."""

    expected: Expected
    body: bytes
    documents: int = 1
    cursor_id: int = 0
    query_failure: bool = False
    truncated_list: bool = False
    by: Opcode = Opcode.OP_QUERY  # the form that the reply had, in the words of the requests


def write_query(request_id: int, namespace: str, body: bytes, number_to_return: int = -1) -> bytes:
    """One OP_QUERY with the secondaryOk bit alone. `body` is the BSON query, and a field selector if any."""
    name = namespace.encode("utf-8") + b"\x00"
    length = 16 + 4 + len(name) + 8 + len(body)
    return b"".join(
        (
            HEADER.pack(length, request_id, 0, OP_QUERY),
            _LENGTH.pack(SECONDARY_OK),
            name,
            _QUERY_TAIL.pack(0, number_to_return),
            body,
        )
    )


def write_msg(request_id: int, body: bytes) -> bytes:
    """One OP_MSG: no flag, one section of kind 0. `body` is the BSON command with its `$db`."""
    return _MSG_HEAD.pack(21 + len(body), request_id, 0, OP_MSG, 0, 0) + body


class FrameReader:
    """Cuts a byte stream into replies, in the order of the requests, whatever the chunking.

    Give it each request with `expect`, bytes with `feed`, and take replies with `next_frame` until that
    returns None. Memory: never more than the cap of the reply at hand plus one chunk.
    """

    __slots__ = ("_at", "_buffer", "_expected", "_fresh", "_sent_header", "coming")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""  # what came last, or what has come of a reply in pieces
        self._at = 0  # where in it the next reply begins
        self._expected: deque[Expected] = deque()
        self._fresh = True  # no whole reply yet: other protocols are possible
        self._sent_header = b""
        self.coming = 0  # bytes that the reply at hand lacks, by its own word; never more than its cap

    def expect(self, expected: Iterable[Expected], sent: bytes) -> None:
        """Note requests, in the order in which they leave; `sent` are the bytes of the first, of which the
        header is kept to know an echo."""
        if not self._sent_header:
            self._sent_header = sent[:16]
        self._expected.extend(expected)

    def begun(self, sent: bytes) -> None:
        """Whole replies came before, and were read elsewhere. `sent`: the first request."""
        self._sent_header, self._fresh = sent[:16], False

    def forget(self, by: Opcode) -> None:
        """Requests by this opcode in flight may stay without a reply for ever."""
        for expected in self._expected:
            if expected.by is by:
                expected.optional = True

    @property
    def waiting(self) -> deque[Any]:
        """The requests in flight, oldest first."""
        return self._expected

    @property
    def owes(self) -> bool:
        """True while a reply is due to some request in flight."""
        return any(not expected.optional for expected in self._expected)

    @property
    def buffered(self) -> int:
        """Bytes held for a reply that is not whole yet."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        if self._at < len(self._buffer):
            if not isinstance(self._buffer, bytearray):
                self._buffer = bytearray(memoryview(self._buffer)[self._at :])
                self._at = 0
            self._buffer += data
        else:
            self._buffer, self._at = data, 0

    def read_plain(self, read: Callable[[Any, bytes | bytearray, int, int], bool]) -> int:
        """Give each next reply to `read`, until that says no, if it is whole, in its turn, and an OP_MSG in
        which nothing is out of the ordinary. Returns how many were read.

        `read` gets the request, and where the reply's document begins and ends in which bytes. What it does
        not take stays where it is: ask `next_frame`.
        """
        buffer, at, waiting = self._buffer, self._at, self._expected
        held, number = len(buffer), 0
        while waiting and held - at >= _SMALLEST and not self._fresh:
            length, _, response_to, opcode, flags, kind, document = _PLAIN_HEAD(buffer, at)
            expected, end = waiting[0], at + length
            if (
                opcode != OP_MSG
                or response_to != expected.request_id
                or expected.by is not _BY_MSG
                or flags & _REQUIRED_FLAGS
                or kind != 0
                or document != length - 21
                or not _SMALLEST <= length <= expected.cap
                or end > held
                or not read(expected, buffer, at + 21, end)
            ):
                break
            waiting.popleft()
            number += 1
            at = end
        if number:
            self._move(at)
        return number

    def _move(self, end: int) -> None:
        """Go on there. What was read whole is not held on to."""
        if end == len(self._buffer):
            self._buffer, self._at = b"", 0
        elif isinstance(self._buffer, bytearray):
            del self._buffer[:end]
            self._at = 0
        else:
            self._at = end

    def next_frame(self) -> Frame | None:
        """The next whole reply, or None when more bytes are needed.

        Raises:
            WireError: the bytes cannot be the reply to any request in flight.
        """
        buffer, at = self._buffer, self._at
        held = len(buffer) - at
        self.coming = 0
        if self._fresh and held:
            self._refuse_banner(bytes(buffer[at : at + 16]))
        if held < 16:
            return None
        length, _, response_to, opcode = HEADER.unpack_from(buffer, at)
        expected = self._match(length, response_to, opcode)
        if length > expected.cap:
            return self._over_cap(expected, length)
        if held < length:
            self.coming = length - held
            return None
        with memoryview(buffer) as view:
            message = bytes(view[at : at + length])
        self._move(at + length)
        frame = _read_reply(message, expected)
        self._fresh = False
        self._answered(expected)
        return frame

    def _answered(self, expected: Expected) -> None:
        """Those before it were optional, and will not be answered any more."""
        while self._expected.popleft() is not expected:
            pass

    def _refuse_banner(self, head: bytes) -> None:
        name = recognise(head)
        if name == "TLS":
            raise WireError(Flaw.TLS_ALERT, "a TLS alert or handshake record in the clear")
        if name:
            raise WireError(Flaw.OTHER_PROTOCOL, name)

    def _match(self, length: int, response_to: int, opcode: int) -> Expected:
        """The request that this header answers; raises when there is none."""
        if self._fresh:
            self._refuse_foreign_header(length, opcode)
        if opcode == OP_COMPRESSED:
            raise WireError(Flaw.PROTOCOL, "OP_COMPRESSED, and no compression was offered")
        expected = self._owner(response_to, opcode)
        minimum = 36 if expected.documents else 41 if opcode == OP_REPLY else 26  # an empty document
        if length < minimum:
            raise WireError(Flaw.PROTOCOL, f"messageLength {length} is below the minimum of {minimum}")
        return expected

    def _refuse_foreign_header(self, length: int, opcode: int) -> None:
        head = bytes(self._buffer[self._at : self._at + 16])
        if head == self._sent_header:
            raise WireError(Flaw.ECHO, "the first 16 bytes are those that were sent")
        if opcode not in (OP_REPLY, OP_MSG) and (name := recognise(head, whole=True)):
            raise WireError(Flaw.OTHER_PROTOCOL, name)
        if opcode not in _KNOWN_OPCODES or length < 16:
            raise WireError(Flaw.NOT_A_HEADER, f"length {length}, opcode {opcode}: {head.hex()}")

    def _owner(self, response_to: int, opcode: int) -> Expected:
        for expected in self._expected:
            if expected.request_id == response_to:
                if opcode not in _answers(expected):
                    raise WireError(Flaw.PROTOCOL, f"opcode {opcode} in answer to {expected.by}")
                return expected
            if not expected.optional:
                break
        known = any(expected.request_id == response_to for expected in self._expected)
        if known:
            raise WireError(Flaw.OUT_OF_ORDER, f"reply to request {response_to} before its turn")
        raise WireError(Flaw.PROTOCOL, f"responseTo {response_to} answers no request in flight")

    def _over_cap(self, expected: Expected, length: int) -> Frame | None:
        """A reply that is not read. A list of databases still proves itself by its first element."""
        if expected.lists_databases and length <= MAX_MESSAGE_BYTES:
            opcode = HEADER.unpack_from(self._buffer, self._at)[3]
            start = 36 if opcode == OP_REPLY else 21
            end = start + 4 + len(_LIST_ELEMENT) + 4
            if self.buffered < end:
                return None
            if _starts_a_list(bytes(self._buffer[self._at : self._at + end]), start, length):
                self._answered(expected)
                for other in self._expected:
                    other.optional = True  # nothing can come on this connection any more
                by = Opcode.OP_QUERY if opcode == OP_REPLY else Opcode.OP_MSG
                return Frame(expected, b"", truncated_list=True, by=by)
        raise WireError(Flaw.TOO_LARGE, f"messageLength {length} is over the cap of {expected.cap}")


def _answers(expected: Expected) -> tuple[int, ...]:
    """Opcodes of a reply. A command by OP_QUERY may be answered by OP_MSG: traps do, and drivers take it."""
    if expected.by is Opcode.OP_MSG:
        return (OP_MSG,)
    return (OP_REPLY,) if expected.documents else (OP_REPLY, OP_MSG)


def _starts_a_list(prefix: bytes, start: int, length: int) -> bool:
    (document,) = _LENGTH.unpack_from(prefix, start)
    (array,) = _LENGTH.unpack_from(prefix, len(prefix) - 4)
    if start == 36:
        flags, cursor_id, _, returned = _REPLY_HEAD.unpack_from(prefix, 16)
        clean = not flags & (_CURSOR_NOT_FOUND | _QUERY_FAILURE) and cursor_id == 0 and returned == 1
    else:
        clean = not int.from_bytes(prefix[16:20], "little") & _REQUIRED_FLAGS and prefix[20] == 0
    element = prefix[start + 4 : -4]
    return clean and document == length - start and _ONE_NAME <= array < document and element == _LIST_ELEMENT


def _read_reply(message: bytes, expected: Expected) -> Frame:
    if HEADER.unpack_from(message)[3] == OP_MSG:
        return Frame(expected, _msg_body(message), by=Opcode.OP_MSG)
    return _op_reply(message, expected)


def _msg_body(message: bytes) -> bytes:
    """The one document of an OP_MSG reply: exactly one section, of kind 0, as every driver demands."""
    flags = int.from_bytes(message[16:20], "little")
    if flags & _REQUIRED_FLAGS:
        names = {1: "checksumPresent", 2: "moreToCome"}.get(flags & _REQUIRED_FLAGS, f"{flags:#x}")
        raise WireError(Flaw.PROTOCOL, f"flag {names} in a reply that nobody asked to carry it")
    if message[20] != 0:
        raise WireError(Flaw.PROTOCOL, f"first section of kind {message[20]}")
    if _LENGTH.unpack_from(message, 21)[0] != len(message) - 21:
        raise WireError(Flaw.PROTOCOL, "the document does not fill the message")
    return message[21:]


def _op_reply(message: bytes, expected: Expected) -> Frame:
    flags, cursor_id, starting_from, returned = _REPLY_HEAD.unpack_from(message, 16)
    if flags & _CURSOR_NOT_FOUND:
        raise WireError(Flaw.PROTOCOL, "CursorNotFound in a reply to a command")
    if starting_from != 0:
        raise WireError(Flaw.PROTOCOL, f"startingFrom {starting_from}")
    if cursor_id != 0:
        raise WireError(Flaw.PROTOCOL, f"cursorID {cursor_id} where no cursor was left open")
    body = message[36:]
    failure = bool(flags & _QUERY_FAILURE)
    if expected.documents and not failure:
        if returned < 0 or returned * 5 > len(body):
            raise WireError(Flaw.PROTOCOL, f"numberReturned {returned}")
        return Frame(expected, body, documents=returned)
    if returned != 1:
        raise WireError(Flaw.PROTOCOL, f"numberReturned {returned} in a reply to a command")
    if len(body) < 5 or _LENGTH.unpack_from(body)[0] != len(body):
        raise WireError(Flaw.PROTOCOL, "the document does not fill the message")
    return Frame(expected, body, query_failure=failure)
