"""The hostile servers that speak properly and lie: in their hello, their cursors, their TLS."""

from __future__ import annotations

import math
import ssl
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from bson import DatetimeMS, Timestamp
from cryptography import x509

from scanner.lab.estate import find
from scanner.lab.hostile.framing import LENGTHS
from tests.lab import test_hostile
from tests.lab.asking import ALL, ANY_DATE, HELLO, LIST, any_context
from tests.lab.client import Client, Reply, msg, patience, query
from tests.support.servers import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.server import LabServer

GREETINGS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "other_hosts": lambda hello: hello["primary"] == "192.0.2.66:27017" and len(hello["hosts"]) == 4,
    "odd_limits": lambda hello: hello["maxMessageSizeBytes"] == 0 and hello["maxBsonObjectSize"] == -1,
    "minimum_wire": lambda hello: hello["minWireVersion"] == 4000,
    "compression": lambda hello: hello["compression"] == ["zlib"],
    "odd_set": lambda hello: hello["setName"] == {"a": 1} and hello["secondary"] == "yes",
    "wire_negative": lambda hello: hello["maxWireVersion"] == -1,
    "wire_maximum": lambda hello: hello["maxWireVersion"] == 2**31 - 1,
    "wire_string": lambda hello: hello["maxWireVersion"] == "21",
    "wire_double": lambda hello: isinstance(hello["maxWireVersion"], float),
    "wire_null": lambda hello: hello["maxWireVersion"] is None,
    "wire_array": lambda hello: hello["maxWireVersion"] == [21],
    "written_2106": lambda hello: hello["lastWrite"]["lastWriteDate"].year > 2100,
    "written_1970": lambda hello: hello["lastWrite"]["lastWriteDate"].year == 1970,
    "written_never": lambda hello: hello["lastWrite"]["lastWriteDate"] == DatetimeMS(2**62),
    "written_words": lambda hello: hello["lastWrite"]["lastWriteDate"] == "yesterday",
    "clock": lambda hello: hello["localTime"] == DatetimeMS(-(2**61)),
    "process_id": lambda hello: str(hello["topologyVersion"]["processId"]).startswith("ffffffff"),
    "cluster_time": lambda hello: hello["$clusterTime"]["clusterTime"] == Timestamp(2**32 - 1, 2**32 - 1),
    "bare_hello": lambda hello: hello == {"ok": 1.0},
}


async def ask(server: LabServer, *requests: bytes, context: ssl.SSLContext | None = None) -> list[Reply]:
    """The answers to these requests, on one connection."""
    async with Client.to(server, context) as client:
        return [await client.ask(each) for each in requests]


def decoded(reply: Reply) -> dict[str, Any]:
    """The document, whatever its dates."""
    import bson

    return bson.decode(reply.document_bytes, ANY_DATE)


@pytest.mark.parametrize("name", GREETINGS)
async def test_hellos_lie_and_the_rest_is_honest(name: str) -> None:
    async with serve(ALL[name]) as server:
        hello, listed = await ask(server, query(HELLO), msg(LIST))
    assert GREETINGS[name](decoded(hello))
    assert listed.document["ok"] == 1.0
    assert [each["name"] for each in listed.document["databases"]] == ["admin", "config", "local", "shop"]


CURSORS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "endless_cursor": lambda seen: seen["listCollections"]["cursor"]["id"] == seen["getMore"]["cursor"]["id"],
    "empty_batches": lambda seen: (
        seen["getMore"]["cursor"]
        == {
            "id": 78,
            "ns": "shop.$cmd.listCollections",
            "nextBatch": [],
        }
    ),
    "foreign_cursor": lambda seen: seen["listCollections"]["cursor"]["ns"] == "admin.system.users",
    "odd_cursor": lambda seen: seen["listCollections"]["cursor"]["ns"] == 5,
    "million_collections": lambda seen: len(seen["listCollections"]["cursor"]["firstBatch"]) == 100_000,
    "odd_counts": lambda seen: math.isnan(first(seen, "aggregate")["storageStats"]["count"]),
    "far_ids": lambda seen: first(seen, "aggregate")["t"] == DatetimeMS(2**62),
    "denied_inside": lambda seen: seen["aggregate"]["code"] == seen["listCollections"]["code"] == 13,
}


def first(seen: dict[str, Any], command: str) -> dict[str, Any]:
    """The first entry of a first batch."""
    entry: dict[str, Any] = seen[command]["cursor"]["firstBatch"][0]
    return entry


@pytest.mark.parametrize("name", CURSORS)
async def test_metadata_lies_and_the_list_is_honest(name: str) -> None:
    requests = [
        msg(LIST),
        msg({"listCollections": 1, "nameOnly": True}, "shop"),
        msg({"getMore": 77, "collection": "$cmd.listCollections"}, "shop"),
        msg({"aggregate": "orders", "pipeline": [{"$collStats": {"count": {}}}], "cursor": {}}, "shop"),
    ]
    async with serve(ALL[name]) as server:
        listed, *rest = await ask(server, *requests)
    assert listed.document["databases"]
    commands = ("listCollections", "getMore", "aggregate")
    assert CURSORS[name]({command: decoded(reply) for command, reply in zip(commands, rest, strict=True)})


BROKEN_HANDSHAKES = {
    "tls_garbage": ssl.SSLError,
    "tls_alert": ssl.SSLError,
    "tls_stall": TimeoutError,
    "tls_half": TimeoutError,
    "tls_huge_message": ssl.SSLError,
    "tls_plain_answer": ssl.SSLError,
}


@pytest.mark.parametrize("name", BROKEN_HANDSHAKES)
async def test_handshakes_fail_as_described(name: str) -> None:
    async with serve(ALL[name]) as server:
        with pytest.raises(BROKEN_HANDSHAKES[name]):
            async with patience(0.3), Client.to(server, any_context()):
                pass
        async with Client.to(server) as client:
            client.send(query(HELLO))
            assert await client.rest() == b""


@pytest.mark.parametrize("name", ["tls_many_names", "tls_odd_names", "tls_legacy"])
async def test_odd_certificates_are_shown_and_the_rest_is_honest(name: str) -> None:
    context = any_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TLS 1.1, which is the point here
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    async with serve(ALL[name]) as server, Client.to(server, context) as client:
        tls: ssl.SSLObject = client.writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
        version = tls.version()
        assert (await client.ask(msg(LIST))).document["databases"]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if name == "tls_many_names":
        assert len(list(names)) == 2_000
    if name == "tls_odd_names":
        assert "\x1b[31m" in certificate.subject.rfc4514_string()
    assert version == "TLSv1.1" if name == "tls_legacy" else version == "TLSv1.3"


INSIDE: dict[str, Callable[[bytes], bool]] = {
    "tls_http_inside": lambda seen: seen.startswith(b"HTTP/1.1 400"),
    "tls_silent_inside": lambda seen: seen == b"",
    "tls_drip": lambda seen: len(seen) == 1,
    "tls_endless": lambda seen: len(seen) > 500_000,
    "tls_close": lambda seen: seen == b"",
}


@pytest.mark.parametrize("name", INSIDE)
async def test_what_is_inside_tls(name: str) -> None:
    async with serve(ALL[name]) as server, Client.to(server, any_context()) as client:
        client.send(msg(LIST))
        assert INSIDE[name](await client.within(0.3))
        assert client.reader.at_eof() == (name in ("tls_close", "tls_http_inside"))


def test_every_case_is_checked() -> None:
    """No hostile server stands in the lab unproven."""
    apart = {"long_names", "million_names", "list_48mb", "hello_48mb", "bytes_alone"}
    apart |= {"alternating", "alternating_locked", "tls_many_names", "tls_odd_names", "tls_legacy"}
    # What these do is seen by real handshakes and by the whole engine, in tests/accuracy.
    apart |= {"collections_48mb", "tls_20000_names", "tls_tickets", "tls_weak"}
    checked = {*test_hostile.CHECKS, *test_hostile.BSON, *GREETINGS, *CURSORS, *BROKEN_HANDSHAKES, *INSIDE}
    checked |= {f"length_{name}" for name in LENGTHS} | apart
    assert checked == set(ALL)
    assert find("endless_reply").group == "hostile"
