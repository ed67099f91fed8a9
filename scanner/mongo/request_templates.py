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

_HEAD: Final = Struct("<iiiiIBi").pack  # header, flagBits, section kind, length of the document
_BODY_AT: Final = 25  # where the document's elements begin
_LENGTH: Final = Struct("<i").pack


class Template(NamedTuple):
    """The pieces of one OP_MSG around its names, and how long it is without them (bytes). `to_name` is empty
    where no collection is named, and `to_database` where no time stands in it."""

    to_name: bytes
    to_time: bytes
    to_database: bytes
    rest: bytes
    size: int

    def message(self, request_id: int, database: bytes, collection: bytes, time: bytes) -> bytes:
        """The request with these names (UTF-8) and this time (4 bytes, or none), all of them checked."""
        to_name, to_time, to_database, rest, size = self
        length = size + len(database) + len(collection) + len(time)
        head = _HEAD(length, request_id, 0, OP_MSG, 0, 0, length - 21)
        database = _LENGTH(len(database) + 1) + database
        if not to_name:
            return head + to_time + database + rest
        name = _LENGTH(len(collection) + 1) + collection
        return b"".join((head, to_name, name, to_time, time, to_database, database, rest))


def cut(message: bytes) -> Template:
    """The template of a message that was encoded in full, for the names and the time of this module."""
    before, _, rest = message[_BODY_AT:].partition(_string(DATABASE))
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
