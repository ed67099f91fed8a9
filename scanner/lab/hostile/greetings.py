"""Hellos that lie: other hosts, absurd limits and versions, dates that cannot be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bson import DatetimeMS, Int64, ObjectId, Timestamp

from results.verdict import Verdict
from scanner.lab.hostile.base import base_profile, hostile, says, striking
from scanner.lab.mongod import HELLO
from scanner.lab.others import Changed
from scanner.lab.profile import utc_now

if TYPE_CHECKING:
    from scanner.lab.personality import Personality
    from scanner.lab.wire import ClientMessage, Document

OPEN = Verdict.OPEN
# Addresses of documentation and of nobody: whoever connects to one of them has been led astray.
ELSEWHERE = ["192.0.2.66:27017", "198.51.100.66:27017", "169.254.169.254:80", "[2001:db8::66]:27017"]


def personalities() -> list[Personality]:
    """All cases of this file: honest servers but for their hello."""
    return [*_fields(), *_dates(), _mirror(), _incomplete()]


def _lying(
    name: str,
    text: str,
    fields: Document,
    verdict: Verdict = OPEN,
    also: frozenset[Verdict] = frozenset(),
) -> Personality:
    def change(request: ClientMessage, document: Document) -> Document:
        return {**document, **fields} if request.command in HELLO else document

    return hostile(name, text, Changed(base_profile(), change).talk, verdict, also)


def _fields() -> list[Personality]:
    set_fields: Document = {
        "setName": "rs0",
        "hosts": ELSEWHERE,
        "passives": ELSEWHERE,
        "arbiters": ["metadata.example:80"],
        "primary": ELSEWHERE[0],
        "me": ELSEWHERE[1],
        "secondary": False,
    }
    no_msg = frozenset({Verdict.UNKNOWN})  # a server that hides OP_MSG from us may stay unread
    limits = {"maxMessageSizeBytes": 0, "maxBsonObjectSize": -1, "maxWriteBatchSize": 2**62}
    wires: dict[str, Any] = {
        "negative": -1,
        "maximum": 2**31 - 1,
        "string": "21",
        "double": 21.0,
        "null": None,
        "array": [21],
    }
    made = [
        _lying("other_hosts", "hello names hosts elsewhere as members", set_fields),
        _lying("odd_limits", "limits of 0, below 0 and beyond reason", limits),
        _lying("minimum_wire", "a minimum wire version that nobody has", {"minWireVersion": 4000}),
        _lying("compression", "offers compressors that nobody asked for", {"compression": ["zlib"]}),
        _lying(
            "odd_set",
            "a set name that is a document",
            {"setName": {"a": 1}, "hosts": "x", "secondary": "yes"},
        ),
    ]
    for name, value in wires.items():
        fields = {"maxWireVersion": value}
        made.append(_lying(f"wire_{name}", f"maxWireVersion is {value!r}", fields, also=no_msg))
    return made


def _dates() -> list[Personality]:
    def written(moment: Any) -> Document:
        stamp = {"ts": Timestamp(2**32 - 1, 1), "t": Int64(1)}
        return {
            "setName": "rs0",
            "hosts": ["db-a.example:27017"],
            "lastWrite": {"opTime": stamp, "lastWriteDate": moment, "majorityWriteDate": moment},
        }

    far = utc_now() + timedelta(days=29_000)
    return [
        _lying("written_2106", "last write in the year 2106", written(far)),
        _lying("written_1970", "last write in 1970", written(DatetimeMS(0))),
        _lying("written_never", "last write millions of years from now", written(DatetimeMS(2**62))),
        _lying("written_words", "last write is a text", written("yesterday")),
        _lying("clock", "the server's clock is millions of years off", {"localTime": DatetimeMS(-(2**61))}),
        _lying(
            "process_id",
            "a start-up time in the far future",
            {"topologyVersion": {"processId": ObjectId("ffffffff0000000000000000"), "counter": -1}},
        ),
        _lying(
            "cluster_time",
            "cluster times that nobody should pass on",
            {"$clusterTime": {"clusterTime": Timestamp(2**32 - 1, 2**32 - 1)}, "$gleStats": {"x": 1}},
        ),
    ]


def _mirror() -> Personality:
    """Says ok: 1 to everything and repeats the question, whatever it held."""

    def change(request: ClientMessage, document: Document) -> Document:
        return {**request.document, "ok": 1.0}

    doubtful = frozenset({Verdict.NOT_MONGODB})
    text = "repeats each question with ok: 1"
    return hostile("mirror", text, Changed(base_profile(), change).talk, Verdict.UNKNOWN, doubtful)


def _incomplete() -> Personality:
    talk = striking(says({"ok": 1.0}), HELLO)
    also = frozenset({Verdict.UNKNOWN})
    return hostile("bare_hello", "a hello with ok: 1 and nothing else", talk, Verdict.OPEN, also)
