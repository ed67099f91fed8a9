"""A request that was encoded once, cut at what differs from one server's names to the next one's.

Theory of operation. `commands` encodes the request in full for names of its own, the markers below; the
message is cut at these names, and each later request of its kind is put together from the pieces. So nothing
of a command's form is written down twice, and a request from a template is the same, byte for byte, as the
one that the encoder makes. The names must have been checked before: a template writes what it is given.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from scanner.mongo.wire import OP_MSG

DATABASE: Final = "mongosweep-database"
COLLECTION: Final = "mongosweep-collection"
BEFORE: Final = 0x6D73776B  # Unix seconds; its four bytes stand nowhere else in a request
TIME_BYTES: Final = 4

_HEAD: Final = Struct("<ii13si").pack  # messageLength, requestID, what follows, length of the document
_OF_MSG: Final = Struct("<iiIB").pack(0, OP_MSG, 0, 0)  # responseTo, opCode, flagBits, section kind
_BODY_AT: Final = 25  # where the document's elements begin
_LENGTH: Final = Struct("<i").pack
_LENGTHS: Final = [_LENGTH(size + 1) for size in range(256)]  # of names in BSON; no longer one is sent


class Template(NamedTuple):
    """The pieces of one OP_MSG around its names, and how long it is without them (bytes). `to_name` is empty
    where no collection is named, `to_database` where no time stands in it, `to_time` once one was put in."""

    to_name: bytes
    to_time: bytes
    to_database: bytes
    rest: bytes
    size: int

    def dated(self, time: bytes) -> Template:
        """The same with this time in it (4 bytes, or none)."""
        to_name, to_time, to_database, rest, size = self
        return Template(to_name, b"", to_time + time + to_database, rest, size + len(time))

    def message(self, request_id: int, database: bytes, collection: bytes) -> bytes:
        """The request with these names (UTF-8), both checked, of a template whose time stands in it."""
        to_name, _, to_database, rest, size = self
        length = size + len(database) + len(collection)
        head = _HEAD(length, request_id, _OF_MSG, length - 21)
        if not to_name:
            return b"".join((head, to_database, _LENGTHS[len(database)], database, rest))
        named = _LENGTHS[len(collection)]
        return b"".join(
            (head, to_name, named, collection, to_database, _LENGTHS[len(database)], database, rest)
        )


def cut(message: bytes, database: str = DATABASE) -> Template:
    """The template of a message that was encoded in full, for this database, and for the collection and the
    time of this module."""
    before, _, rest = message[_BODY_AT:].partition(_string(database))
    to_name, named, middle = before.partition(_string(COLLECTION))
    if not named:
        to_name, middle = b"", before
    to_time, _, to_database = middle.partition(BEFORE.to_bytes(4, "big"))
    lengths = 8 if named else 4
    size = _BODY_AT + lengths + len(to_name) + len(to_time) + len(to_database) + len(rest)
    return Template(to_name, to_time, to_database, rest, size)


def _string(name: str) -> bytes:
    """A name as it stands in BSON, without its last byte: that stays with what follows."""
    return _LENGTH(len(name) + 1) + name.encode("ascii")
