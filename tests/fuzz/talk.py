"""Fuzz target `dialogue`: a whole conversation over several connections, byte by byte, to the record."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import bson

from results.lines import to_lines
from scanner.contact import Ending, TlsSession
from scanner.mongo.commands import client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Facts, Layer, Limits, Next
from scanner.mongo.judge import Judgement, judge
from scanner.mongo.metadata import MetadataPlan
from tests.fuzz.observing import observation
from tests.fuzz.oracle import VERDICTS, Conversation, check_open, check_requests, must
from tests.fuzz.source import NOT_BSON, Source
from tests.support.lines import read_back

if TYPE_CHECKING:
    from tests.support.replay import Message

CLIENT: Final = client_metadata("Example", "soc@example.com", "0.1")
ENDINGS: Final = (Ending.CLOSED, Ending.RESET, Ending.TIMEOUT, Ending.TLS_FAILED)
ALERTS: Final = (
    *("", "WRONG_VERSION_NUMBER", "TLSV1_ALERT_PROTOCOL_VERSION", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    *("SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_SHARED_CIPHER", "UNEXPECTED_EOF_WHILE_READING"),
)
MAX_STEPS: Final = 400
MAX_REQUESTS: Final = 2000

KNOWN: Final[tuple[dict[str, Any], ...]] = (
    {"ismaster": True, "maxWireVersion": 21, "ok": 1.0},
    {"ismaster": True, "maxWireVersion": 7, "ok": 1.0},
    {"ismaster": True, "maxWireVersion": 2, "ok": 1.0},
    {"ismaster": True, "ok": 1},
    {"ismaster": True, "msg": "isdbgrid", "maxWireVersion": 21, "ok": 1.0},
    {"ismaster": False, "arbiterOnly": True, "maxWireVersion": 21, "ok": 1.0},
    {"version": "4.0.3", "gitVersion": "abc", "ok": 1.0},
    {"databases": [{"name": "shop"}, {"name": "admin"}], "ok": 1.0},
    {"databases": [{"name": "shop", "sizeOnDisk": 8192.0, "empty": False}], "ok": 1.0},
    {"databases": [], "ok": 1.0},
    {"databases": [{"name": 1}], "ok": 1.0},
    {"databases": [{"name": "shop"}], "ok": 0.0},
    {"ok": 1.0},
    {"ok": "1"},
    {"ok": 0.0, "code": 13, "errmsg": "command requires authentication"},
    {"ok": 0.0, "code": 13435},
    {"ok": 0.0, "code": 13436},
    {"ok": 0.0, "code": 352},
    {"ok": 0.0, "code": 59},
    {"ok": 0.0, "code": 50},
    {"ok": 0.0, "code": 91},
    {"ok": 0.0, "code": 498870},
    {"ok": 0.0, "code": 115, "errmsg": "not supported prior to authentication"},
    {"ok": 0.0, "errmsg": "not master"},
    {"ok": 0.0, "code": 13, "errmsg": "listDatabases may only be run against the admin database."},
    {"$err": "unauthorized", "code": 10057},
    {"cursor": {"id": 0, "ns": "shop.$cmd.listCollections", "firstBatch": [{"name": "c"}]}, "ok": 1.0},
    {"cursor": {"id": 9, "ns": "shop.$cmd.listCollections", "firstBatch": [{"name": "d"}]}, "ok": 1.0},
    {"cursor": {"id": 0, "firstBatch": [{"count": 5, "storageStats": {"size": 9}}]}, "ok": 1.0},
    {"objects": 3, "storageSize": 4096.0, "indexSize": 4096.0, "ok": 1.0},
    {"count": 7, "size": 100, "storageSize": 4096, "ok": 1.0},
    {"n": 7.0, "ok": 1.0},
)


class Stage:
    """Plays the script of one input against one dialogue, in whole pieces or in small ones."""

    def __init__(self, source: Source, size: int) -> None:
        options = source.byte()
        self._source = source
        self._size = size
        depth = (Depth.VERDICT, Depth.DATABASES, Depth.COLLECTIONS)[options % 3]
        limits = Limits(window=(1, 4, 64)[options // 3 % 3])
        if options & 64:
            limits = Limits(window=4, verdict_reply_bytes=400, names_reply_bytes=300, stats_reply_bytes=200)
        self.dialogue = Dialogue(
            client=CLIENT,
            depth=depth,
            limits=limits,
            loopback=bool(options & 128),
            plan_factory=MetadataPlan,
        )
        self.limits = limits
        self.talks: list[Conversation] = []
        self._pending: list[Message] = []

    def play(self) -> None:
        """From the first connection to the last."""
        wanted = Next.OPEN_PLAIN
        for _ in range(20):
            self._connect(wanted)
            for _ in range(MAX_STEPS):
                if self.dialogue.next is not Next.WAIT:
                    break
                self._step()
            if self.dialogue.next is Next.WAIT:
                self.dialogue.ended(Ending.TIMEOUT)
            wanted = self.dialogue.next
            must(wanted is not Next.WAIT, "waits on a connection that has ended")
            if wanted is Next.DONE:
                return
        must(False, "opens connections without end")

    def _connect(self, wanted: Next) -> None:
        session = None
        layer = Layer.PLAIN
        self.talks.append(Conversation())
        self._pending = []
        if wanted is not Next.OPEN_PLAIN:
            layer, choice = Layer.TLS, self._source.byte()
            session = TlsSession(
                established=not choice & 1,
                certificate_requested=bool(choice & 2),
                legacy=wanted is Next.OPEN_TLS_LEGACY,
                alert=ALERTS[choice // 4 % len(ALERTS)],
            )
            if choice & 1:
                self.dialogue.ended(ENDINGS[choice // 32 % 4], session)
                return
        self._sent(self.dialogue.connected(layer, session))

    def _sent(self, out: bytes) -> None:
        requests = check_requests(out)
        self._pending += requests
        self.talks[-1].requests += requests

    def _feed(self, data: bytes) -> None:
        size = self._size or len(data) or 1
        self.talks[-1].stream += data
        out = b""
        for at in range(0, len(data), size):
            out += self.dialogue.received(data[at : at + size])
        self._sent(out)

    def _step(self) -> None:
        source = self._source
        if not source.left:
            self.dialogue.ended(Ending.CLOSED)
            return
        match source.byte() % 10:
            case 0:
                self._feed(source.block())
            case 1:
                self._feed(self._framed(source.block()))
            case 2 | 3:
                self._feed(self._framed(self._known()))
            case 4:
                flipped = bytearray(self._framed(self._known()) or b"\0")
                flipped[source.below(len(flipped))] ^= source.byte()
                self._feed(bytes(flipped))
            case 5:
                whole = self._framed(self._known())
                at = 4 * source.below(4)
                self._feed(whole[:at] + struct.pack("<i", source.signed()) + whole[at + 4 :])
            case 6 | 7:
                self._feed(self._framed(self._made()))
            case 8:
                whole = self._framed(self._known())
                self._feed(whole[: source.below(len(whole))])
            case _:
                self._end(source.byte())

    def _end(self, choice: int) -> None:
        if choice >= 240:
            self.dialogue.abort(Ending.TIMEOUT)
        else:
            self.dialogue.ended(ENDINGS[choice % 4])

    def _known(self) -> bytes:
        return bson.encode(KNOWN[self._source.below(len(KNOWN))])

    def _made(self) -> bytes:
        document = self._source.document()
        try:
            return bson.encode(document)
        except NOT_BSON:
            return bson.encode({"ok": 1})

    def _framed(self, body: bytes) -> bytes:
        """A reply in kind to the request whose turn it is."""
        if not self._pending:
            return b""
        asked = self._pending.pop(0)
        if asked.opcode == 2013:
            return struct.pack("<iiiiIB", 21 + len(body), 7, asked.request_id, 2013, 0, 0) + body
        head = struct.pack("<iiii", 36 + len(body), 7, asked.request_id, 1)
        return head + struct.pack("<iqii", 8, 0, 0, 1) + body


def run(data: bytes) -> None:
    """One input: whole pieces first, then the same script in pieces of another size."""
    size = 1 + data[0] % 40 if data else 1
    whole, judged = _play(data[1:], 0)
    cut, again = _play(data[1:], size)
    must(judged == again, "the pieces change the verdict", judged, again)
    must(_told(whole.facts) == _told(cut.facts), "the pieces change the facts")


def _play(data: bytes, size: int) -> tuple[Dialogue, Judgement]:
    stage = Stage(Source(data), size)
    stage.play()
    dialogue = stage.dialogue
    judgement = judge(dialogue.facts)
    must(judgement.verdict in VERDICTS, "a verdict outside the list")
    must(len(dialogue.facts.attempts) <= stage.limits.connections, "too many connections")
    must(dialogue.messages_sent <= MAX_REQUESTS, "asks without end")
    check_open(judgement, stage.talks)
    seen = observation(dialogue)
    must(seen.verdict is judgement.verdict, "two judgements")
    must(read_back(to_lines(seen)).verdict is judgement.verdict, "a record that does not read back")
    return dialogue, judgement


def _told(facts: Facts) -> str:
    """What was learned, as text, so that NaN equals itself."""
    return repr(
        (facts.hello, facts.build_info, facts.list_databases, facts.confirm_list, facts.confirm_privilege)
    )
