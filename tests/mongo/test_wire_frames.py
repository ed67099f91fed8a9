"""The frame reader and the two encoders, against byte vectors, every cut, and peers that lie."""

from __future__ import annotations

import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.mongo import wire
from scanner.mongo.banners import is_tls_record, recognise
from scanner.mongo.wire import Expected, Flaw, Frame, FrameReader, Opcode, WireError, write_msg, write_query
from tests.support.recordings import load, scenarios
from tests.support.replay import split

V1 = bytes.fromhex(
    "440000000100000000000000d40700000400000061646d696e2e24636d640000000000ffffffff1d0000001069734d61"
    "7374657200010000000868656c6c6f4f6b000100"
)
V2 = bytes.fromhex(
    "9b0000000200000000000000d40700000400000061646d696e2e24636d640000000000ffffffff740000001069734d61"
    "7374657200010000000868656c6c6f4f6b000103636c69656e74004f000000036472697665720029000000026e616d65"
    "000b0000006d6f6e676f7377656570000276657273696f6e0002000000300000036f7300150000000274797065000600"
    "00004c696e757800000000"
)
V3 = bytes.fromhex(
    "470000000300000000000000dd070000000000000032000000106c6973744461746162617365730001000000086e616d"
    "654f6e6c79000102246462000600000061646d696e0000"
)
V4 = bytes.fromhex(
    "4f0000004d000000010000000100000008000000000000000000000000000000010000002b000000026572726d736700"
    "0e0000006e65656420746f206c6f67696e00016f6b00000000000000000000"
)
V5 = bytes.fromhex(
    "850000004e00000003000000dd070000000000000070000000016f6b000000000000000000026572726d7367002e0000"
    "00636f6d6d616e64206c6973744461746162617365732072657175697265732061757468656e7469636174696f6e0010"
    "636f6465000d00000002636f64654e616d65000d000000556e617574686f72697a65640000"
)
V6 = bytes.fromhex(
    "960000004f00000003000000dd0700000000000000810000000464617461626173657300650000000330001500000002"
    "6e616d65000600000061646d696e000003310016000000026e616d650007000000636f6e666967000003320015000000"
    "026e616d6500060000006c6f63616c000003330014000000026e616d65000500000073686f70000000016f6b00000000"
    "000000f03f00"
)
V7 = bytes.fromhex(
    "8b0000005000000003000000dd070000000000000076000000016f6b000000000000000000026572726d7367002b0000"
    "006e6f6465206973206e6f7420696e207072696d617279206f72207265636f766572696e672073746174650010636f64"
    "65007c34000002636f64654e616d6500160000004e6f745072696d6172794f725365636f6e646172790000"
)
V8 = bytes.fromhex("260000005100000003000000dd070000020000000011000000016f6b00000000000000f03f00")
OK = bson.encode({"ok": 1.0})


def msg(response_to: int = 3, body: bytes = OK, flags: int = 0, kind: int = 0, opcode: int = 2013) -> bytes:
    return struct.pack("<iiiiIB", 21 + len(body), 9, response_to, opcode, flags, kind) + body


def op_reply(
    response_to: int = 1,
    body: bytes = OK,
    flags: int = 8,
    cursor_id: int = 0,
    start: int = 0,
    returned: int = 1,
) -> bytes:
    head = struct.pack("<iiii", 36 + len(body), 9, response_to, 1)
    return head + struct.pack("<iqii", flags, cursor_id, start, returned) + body


def reader(*expected: Expected) -> FrameReader:
    made = FrameReader()
    for one in expected or (Expected(3, Opcode.OP_MSG, 65536),):
        made.expect([one], msg(0, b"sent before"))
    return made


def flaw_of(data: bytes, *expected: Expected) -> Flaw:
    made = reader(*expected)
    made.feed(data)
    with pytest.raises(WireError) as caught:
        made.next_frame()
    assert str(caught.value) == caught.value.detail
    return caught.value.flaw


def one_frame(data: bytes, *expected: Expected) -> Frame:
    made = reader(*expected)
    made.feed(data)
    frame = made.next_frame()
    assert frame is not None
    assert made.next_frame() is None
    return frame


def feed_bytewise(made: FrameReader, data: bytes) -> None:
    for byte in data:
        made.feed(bytes([byte]))
        made.next_frame()


QUERY = Expected(1, Opcode.OP_QUERY, 65536)
FIND = Expected(1, Opcode.OP_QUERY, 65536, documents=True)
LIST = Expected(3, Opcode.OP_MSG, 100, lists_databases=True)


def test_requests_are_the_known_vectors() -> None:
    assert write_query(1, "admin.$cmd", bson.encode({"isMaster": 1, "helloOk": True})) == V1
    driver = {"driver": {"name": "mongosweep", "version": "0"}, "os": {"type": "Linux"}}
    assert write_query(2, "admin.$cmd", bson.encode({"isMaster": 1, "helloOk": True, "client": driver})) == V2
    assert write_msg(3, bson.encode({"listDatabases": 1, "nameOnly": True, "$db": "admin"})) == V3


def test_replies_of_the_known_vectors() -> None:
    assert bson.decode(one_frame(V4, QUERY).body) == {"errmsg": "need to login", "ok": 0.0}
    assert bson.decode(one_frame(V5).body)["code"] == 13
    assert [d["name"] for d in bson.decode(one_frame(V6).body)["databases"]] == [
        "admin",
        "config",
        "local",
        "shop",
    ]
    assert bson.decode(one_frame(V7).body)["code"] == 13436
    assert flaw_of(V8) is Flaw.PROTOCOL


@pytest.mark.parametrize("vector", [V4, V5, V6, V7])
def test_one_byte_at_a_time(vector: bytes) -> None:
    made = reader(QUERY, Expected(3, Opcode.OP_MSG, 65536)) if vector is V4 else reader()
    for byte in vector[:-1]:
        made.feed(bytes([byte]))
        assert made.next_frame() is None
    assert made.owes
    made.feed(vector[-1:])
    assert made.next_frame() is not None


@pytest.mark.parametrize("opcode", [2001, 2002, 2004, 2005, 2006, 2007, 2010, 2011, 2012, 1, 1000])
def test_no_other_opcode_answers_a_message(opcode: int) -> None:
    assert flaw_of(msg(opcode=opcode)) is Flaw.PROTOCOL


def test_answers_come_in_kind() -> None:
    assert flaw_of(op_reply(3)) is Flaw.PROTOCOL
    # Traps answer a command by OP_QUERY with OP_MSG, and drivers take it; a legacy find is never so answered.
    assert one_frame(msg(1), QUERY).by is wire.Opcode.OP_MSG
    assert flaw_of(msg(3), FIND) is Flaw.PROTOCOL
    roomy = bson.encode({"ok": 1.0, "databases": []})
    assert flaw_of(msg(body=roomy, opcode=1)) is Flaw.PROTOCOL
    by_query = bytearray(op_reply(body=roomy))
    by_query[12:16] = struct.pack("<i", 2013)
    assert flaw_of(bytes(by_query), QUERY) is Flaw.PROTOCOL


def test_compression_that_nobody_offered_is_named() -> None:
    with pytest.raises(WireError, match="no compression was offered"):
        one_frame(msg(opcode=wire.OP_COMPRESSED), LIST)


@pytest.mark.parametrize("length", [0, 15, -1, -(2**31)])
def test_a_length_below_the_header_is_no_header(length: int) -> None:
    assert flaw_of(struct.pack("<i", length) + msg()[4:]) is Flaw.NOT_A_HEADER


def test_a_length_below_the_smallest_reply() -> None:
    assert flaw_of(struct.pack("<i", 25) + msg()[4:]) is Flaw.PROTOCOL
    assert flaw_of(struct.pack("<i", 40) + op_reply()[4:], QUERY) is Flaw.PROTOCOL
    assert flaw_of(struct.pack("<i", 35) + op_reply()[4:], FIND) is Flaw.PROTOCOL


def test_the_cap_is_exact_and_nothing_is_kept_above_it() -> None:
    exact = msg()
    assert one_frame(exact, Expected(3, Opcode.OP_MSG, len(exact))).body == OK
    assert flaw_of(exact[:16], Expected(3, Opcode.OP_MSG, len(exact) - 1)) is Flaw.TOO_LARGE
    huge = struct.pack("<iiii", 2**31 - 1, 9, 3, 2013)
    assert flaw_of(huge) is Flaw.TOO_LARGE


@pytest.mark.parametrize("response_to", [0, 2, 4, -1, 2**31 - 1])
def test_response_to_is_compared(response_to: int) -> None:
    assert flaw_of(msg(response_to)) is Flaw.PROTOCOL


def test_replies_in_order_and_nothing_else() -> None:
    made = reader(QUERY, Expected(2, Opcode.OP_MSG, 65536), Expected(3, Opcode.OP_MSG, 65536))
    made.feed(op_reply() + msg(2) + msg(3))
    frames = [made.next_frame() for _ in range(4)]
    assert [frame.expected.request_id for frame in frames[:3] if frame] == [1, 2, 3]
    assert frames[3] is None
    assert not made.owes
    assert flaw_of(msg(3), QUERY, Expected(3, Opcode.OP_MSG, 65536)) is Flaw.OUT_OF_ORDER
    made.feed(msg(3))
    with pytest.raises(WireError, match="no request in flight"):
        made.next_frame()


def test_forgotten_requests_may_be_skipped_or_answered() -> None:
    for answers in ((msg(2), op_reply(4)), (op_reply(4),)):
        made = reader(QUERY, Expected(2, Opcode.OP_MSG, 65536))
        made.feed(op_reply())
        assert made.next_frame() is not None
        made.forget(Opcode.OP_MSG)
        assert not made.owes
        made.expect([Expected(4, Opcode.OP_QUERY, 65536)], b"")
        for answer in answers:
            made.feed(answer)
            assert made.next_frame() is not None
        assert not made.owes


@pytest.mark.parametrize("bit", range(16))
def test_no_required_flag_is_accepted(bit: int) -> None:
    assert flaw_of(msg(flags=1 << bit)) is Flaw.PROTOCOL


@pytest.mark.parametrize("bit", range(16, 32))
def test_optional_flags_are_ignored(bit: int) -> None:
    assert one_frame(msg(flags=1 << bit)).body == OK


def test_sections() -> None:
    sequence = b"\x01" + struct.pack("<i", 6) + b"a\x00"
    assert flaw_of(msg(kind=1)) is Flaw.PROTOCOL
    assert flaw_of(msg(kind=2)) is Flaw.PROTOCOL
    assert flaw_of(msg(body=OK + sequence)) is Flaw.PROTOCOL
    assert flaw_of(msg(body=OK + b"\x00" + OK)) is Flaw.PROTOCOL
    assert flaw_of(msg(body=OK[:-1])) is Flaw.PROTOCOL
    assert flaw_of(msg(body=OK + b"\x00")) is Flaw.PROTOCOL


@pytest.mark.parametrize(
    "reply",
    [
        op_reply(flags=1),
        op_reply(start=1),
        op_reply(cursor_id=5),
        op_reply(returned=0),
        op_reply(returned=2),
        op_reply(returned=-1),
        op_reply(returned=2**31 - 1),
        op_reply(body=OK + OK),
        op_reply(body=OK[:-1]),
    ],
)
def test_a_command_reply_has_one_document_and_no_cursor(reply: bytes) -> None:
    assert flaw_of(reply, QUERY) is Flaw.PROTOCOL


def test_query_failure_is_told() -> None:
    body = bson.encode({"$err": "no", "code": 13})
    assert one_frame(op_reply(body=body, flags=2), QUERY).query_failure
    assert one_frame(op_reply(body=body, flags=2), FIND).query_failure


def test_a_legacy_find_may_return_any_number() -> None:
    for count in (0, 1, 3):
        frame = one_frame(op_reply(body=OK * count, returned=count), FIND)
        assert (frame.documents, frame.body) == (count, OK * count)
    for returned in (-1, 11, 2**31 - 1):
        assert flaw_of(op_reply(body=OK * 3, returned=returned), FIND) is Flaw.PROTOCOL


LISTED = bson.encode({"databases": [{"name": f"database {i}"} for i in range(20)], "ok": 1.0})


def test_a_list_over_the_cap_proves_itself_by_its_beginning() -> None:
    by_query = Expected(1, Opcode.OP_QUERY, 100, lists_databases=True)
    for data, expected in ((msg(body=LISTED), LIST), (op_reply(body=LISTED), by_query)):
        made = reader(expected)
        frame = None
        for byte in data:
            made.feed(bytes([byte]))
            frame = made.next_frame()
            if frame:
                break
        assert frame is not None
        assert frame.truncated_list
        assert made.buffered < 64


@pytest.mark.parametrize(
    "data",
    [
        msg(body=bson.encode({"ok": 0.0, "errmsg": "x" * 200, "code": 13})),
        msg(body=bson.encode({"databases": "x" * 200, "ok": 1.0})),
        msg(body=LISTED, flags=2),
        msg(body=LISTED, kind=1),
        msg(body=LISTED[:4] + b"\x04databasez\x00" + LISTED[15:]),
        struct.pack("<i", len(LISTED) + 400) + msg(body=LISTED)[4:],
        struct.pack("<i", wire.MAX_MESSAGE_BYTES + 1) + msg(body=LISTED)[4:],
        msg(body=LISTED[:15] + struct.pack("<i", 4) + LISTED[19:]),
        msg(body=bson.encode({"databases": [], "ok": 1.0, "padding": "x" * 200})),
        msg(body=bson.encode({"databases": [{"name": 1}], "ok": 1.0, "padding": "x" * 200})),
        msg(body=LISTED[:15] + struct.pack("<i", 2**30) + LISTED[19:]),
    ],
)
def test_anything_else_over_the_cap_proves_nothing(data: bytes) -> None:
    assert flaw_of(data, LIST) is Flaw.TOO_LARGE


@pytest.mark.parametrize("flags", [1, 2])
def test_an_over_cap_error_by_op_reply_is_no_list(flags: int) -> None:
    by_query = Expected(1, Opcode.OP_QUERY, 100, lists_databases=True)
    assert flaw_of(op_reply(body=LISTED, flags=flags), by_query) is Flaw.TOO_LARGE


@pytest.mark.parametrize(
    ("banner", "name"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"),
        (b"220 mail.example ESMTP\r\n", "SMTP or FTP"),
        (b"+OK ready\r\n", "POP3 or Redis"),
        (b"-ERR unknown command\r\n", "Redis"),
        (b"-NOAUTH Authentication required.\r\n", "Redis"),
        (b"* OK IMAP4rev1\r\n", "IMAP"),
        (b"RFB 003.008\n", "VNC"),
        (b"AMQP\x00\x00\x09\x01", "AMQP"),
        (b"<?xml version='1.0'?><x/>", "XML"),
        (b"J\x00\x00\x00\x0a8.0.36\x00" + b"\x01" * 60, "MySQL"),
        (b"E\x00\x00\x00\x8bSFATAL\x00C0A000\x00", "PostgreSQL"),
        (b"#\x00\x00\x00\xffj\x04Host not allowed", "MySQL"),
        (b"what is this you are saying to me", "a text protocol"),
    ],
)
def test_other_protocols_are_named(banner: bytes, name: str) -> None:
    assert flaw_of(banner, QUERY) is Flaw.OTHER_PROTOCOL
    with pytest.raises(WireError) as caught:
        feed_bytewise(reader(QUERY), banner)
    assert (caught.value.flaw, caught.value.detail) == (Flaw.OTHER_PROTOCOL, name)


def test_a_tls_alert_in_the_clear() -> None:
    assert flaw_of(b"\x15\x03\x01\x00\x02\x02\x46", QUERY) is Flaw.TLS_ALERT
    assert flaw_of(b"\x15\x03\x03\x00\x02\x02\x28", QUERY) is Flaw.TLS_ALERT
    assert flaw_of(b"\x16\x03\x03\x00\x40\x02" + b"\x00" * 20, QUERY) is Flaw.TLS_ALERT
    assert recognise(b"\x15\x03\x00\x00\x02\x02\x28", whole=True) == "TLS"
    assert not is_tls_record(b"\x17\x03\x03")
    assert not is_tls_record(b"\x15\x03")
    assert recognise(b"\x00\x01") == ""
    assert recognise(b"\x00\x01\x02\x03\x04\x05", whole=True) == ""


def test_a_valid_reply_of_789_bytes_is_no_tls_alert() -> None:
    """Its length begins with the bytes 15 03, as an alert does."""
    body = bson.encode({"ok": 1.0, "x": "y" * (789 - 36 - len(bson.encode({"ok": 1.0, "x": ""})))})
    data = op_reply(body=body)
    assert data[:2] == b"\x15\x03"
    assert one_frame(data, QUERY).body == body


def test_a_valid_reply_with_the_look_of_mysql_is_read() -> None:
    data = bytearray(op_reply())
    data[4:8] = b"\x0a8.0"
    assert one_frame(bytes(data), QUERY).body == OK


def test_an_echo_is_told() -> None:
    made = FrameReader()
    made.expect([QUERY], V1)
    made.feed(V1)
    with pytest.raises(WireError) as caught:
        made.next_frame()
    assert caught.value.flaw is Flaw.ECHO


def test_garbage_is_no_header() -> None:
    assert flaw_of(b"\x80\x00\x00\x00" + b"\x01" * 12) is Flaw.NOT_A_HEADER


def test_every_recorded_reply_to_one_request_is_read() -> None:
    read = 0
    for version, scenario in scenarios():
        for step in load(version, scenario):
            requests, replies = list(split(step.request)), list(split(step.reply))
            if len(requests) != 1 or len(replies) != 1 or step.family not in ("query", "msg", "pref"):
                continue
            by = Opcode.OP_QUERY if int.from_bytes(requests[0][12:16], "little") == 2004 else Opcode.OP_MSG
            request_id = int.from_bytes(requests[0][4:8], "little")
            one_frame(replies[0], Expected(request_id, by, 100_000))
            read += 1
    assert read > 3000


@given(st.binary(max_size=120), st.integers(1, 40))
def test_any_bytes_in_any_chunking_give_the_same(data: bytes, size: int) -> None:
    results = []
    for step in (size, max(1, len(data))):
        made = reader(QUERY, Expected(3, Opcode.OP_MSG, 4096))
        seen: list[object] = []
        try:
            for at in range(0, len(data), step):
                made.feed(data[at : at + step])
                while frame := made.next_frame():
                    seen.append((frame.body, frame.documents))
        except WireError as error:
            seen.append((error.flaw, error.detail))
        results.append(seen)
    assert results[0] == results[1]
