"""The honest servers, asked by raw sockets: gates, forms, framing, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from results.verdict import Verdict
from scanner.lab import honest, others
from scanner.lab.data import DECOY, object_id
from scanner.lab.estate import find
from scanner.lab.profile import utc_now
from scanner.lab.security import client_identity
from tests.lab.asking import any_context
from tests.lab.client import Client, msg, query
from tests.support.servers import serve

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.lab.personality import Personality
    from scanner.lab.server import LabServer

HELLO = {"isMaster": 1, "helloOk": True}
LIST = {"listDatabases": 1, "nameOnly": True, "$readPreference": {"mode": "secondaryPreferred"}}
HONEST = honest.personalities()
PLAIN = [each for each in HONEST if each.security is None or each.name == "tls_prefer"]


async def ask_list(server: LabServer, context: ssl.SSLContext | None = None) -> dict[str, Any]:
    """listDatabases, in the form that the server understands."""
    async with Client.to(server, context) as client:
        hello = (await client.ask(query(HELLO))).document
        if hello.get("maxWireVersion", 0) >= 6:
            extra = {"apiVersion": "1"} if server.personality.name == "api_version" else {}
            return (await client.ask(msg({**LIST, **extra}))).document
        return (await client.ask(query({"listDatabases": 1}))).document


def judged(document: dict[str, Any], name: str) -> Verdict:
    """The verdict that the documents of this estate stand for, told in the simplest words."""
    if document.get("code") == 13436 or (document["ok"] and name in ("arbiter_4_0",)):
        return Verdict.OPEN_NO_DATA
    if document["ok"] and document["databases"]:
        return Verdict.OPEN
    return Verdict.AUTH_REQUIRED


@pytest.mark.both_loops
@pytest.mark.parametrize("personality", PLAIN, ids=lambda each: each.name)
async def test_answers_as_its_verdict_says(personality: Personality) -> None:
    async with serve(personality) as server:
        document = await ask_list(server)
    assert judged(document, personality.name) is personality.verdict
    if personality.verdict is Verdict.OPEN:
        assert tuple(each["name"] for each in document["databases"]) == personality.truth.databases


@pytest.mark.both_loops
@pytest.mark.parametrize("name", ["tls_open", "tls_optional_certificate", "tls_expired", "tls_auth"])
async def test_tls_is_required_and_then_works(name: str) -> None:
    async with serve(name) as server:
        async with Client.to(server) as client:
            client.send(query(HELLO))
            assert await client.rest() == b""
        async with Client.to(server) as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.0 200 OK")
        document = await ask_list(server, any_context())
    assert judged(document, name) is server.personality.verdict


async def test_a_missing_client_certificate_is_a_finished_handshake_and_a_bare_end() -> None:
    def ask(port: int) -> None:
        # Without the last argument Python takes an end without close_notify for an ordinary one.
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            any_context().wrap_socket(plain, suppress_ragged_eofs=False) as secured,
        ):
            secured.sendall(query(HELLO))
            with pytest.raises(ssl.SSLError, match="EOF"):
                secured.recv(1)

    async with serve("tls_client_certificate") as server:
        await asyncio.to_thread(ask, server.port)
    assert not server.record.messages


async def test_the_right_client_certificate_is_let_in(tmp_path: Path) -> None:
    context = any_context()
    pem = tmp_path / "client.pem"
    pem.write_bytes(b"".join(client_identity()))
    context.load_cert_chain(pem)
    async with serve("tls_client_certificate") as server:
        assert (await ask_list(server, context))["ok"] == 1.0


@pytest.mark.parametrize(
    "bad",
    [
        struct.pack("<iiii", 0, 1, 0, 2013),
        struct.pack("<iiii", 15, 1, 0, 2013),
        struct.pack("<iiii", -1, 1, 0, 2013),
        struct.pack("<iiii", 48_000_001, 1, 0, 2013),
        struct.pack("<iiii", 40, 1, 1, 2013) + bytes(24),
        struct.pack("<iiii", 16, 1, 0, 9999),
        msg({"ping": 1}, flags=1 << 5),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20),
    ],
    ids=["0", "15", "negative", "over", "responseTo", "opcode", "flag", "client_hello"],
)
async def test_broken_messages_are_closed_without_a_byte(bad: bytes) -> None:
    async with serve("open_8_0") as server, Client.to(server) as client:
        client.send(bad)
        assert await client.rest() == b""


async def test_old_servers_are_silent_to_new_messages() -> None:
    async with serve("old_2_6") as server, Client.to(server) as client:
        client.send(query(HELLO) + msg(LIST))
        assert (await client.reply()).document["maxWireVersion"] == 2
        assert await client.within(0.1) == b""
        assert (await client.ask(query({"listDatabases": 1}))).document["ok"] == 1.0


async def test_old_servers_list_collections_by_reading_namespaces() -> None:
    async with serve("old_2_4") as server, Client.to(server) as client:
        client.send(query({}, namespace="forum.system.namespaces", limit=0))
        reply = await client.reply()
        newest = await client.ask(
            query(
                {"$query": {}, "$orderby": {"_id": -1}, "$hint": {"_id": 1}},
                namespace="forum.posts",
                fields={"_id": 1},
            )
        )
    assert reply.flags == 8
    assert b"forum.posts.$_id_" in reply.body
    assert list(newest.document) == ["_id"]


async def test_messages_in_one_write_are_answered_in_order() -> None:
    async with serve("open_4_4") as server, Client.to(server) as client:
        client.send(query(HELLO, request_id=5) + msg(LIST, request_id=6) + msg({"ping": 1}, request_id=9))
        replies = [await client.reply() for _ in range(3)]
    assert [(each.response_to, each.opcode) for each in replies] == [(5, 1), (6, 2013), (9, 2013)]


async def test_cursors_are_paged() -> None:
    ask = {"listCollections": 1, "nameOnly": True, "cursor": {"batchSize": 200}}
    async with serve("crowded") as server, Client.to(server) as client:
        cursor = (await client.ask(msg(ask, "warehouse"))).document["cursor"]
        names = [each["name"] for each in cursor["firstBatch"]]
        while cursor["id"]:
            more = {"getMore": cursor["id"], "collection": "$cmd.listCollections", "batchSize": 200}
            cursor = (await client.ask(msg(more, "warehouse"))).document["cursor"]
            names += [each["name"] for each in cursor["nextBatch"]]
        gone = (await client.ask(msg(more, "warehouse"))).document
    assert len(names) == len(set(names)) == 450
    assert gone["code"] == 43


async def test_ids_are_bounded_by_type_and_value() -> None:
    """A forged id of 2106 is above a sane bound; one of 1970 is what remains of another collection."""
    upper = object_id(utc_now() + timedelta(days=1), 0)  # as the sweep asks
    bounds = {"_id": {"$gte": ObjectId("0" * 24), "$lt": upper}}
    stages = [{"$match": bounds}, {"$sort": {"_id": -1}}, {"$limit": 1}]
    shown = [*stages, {"$project": {"_id": 0, "t": {"$toDate": "$_id"}}}]
    async with serve("clinic") as server, Client.to(server) as client:
        unbounded = {"find": "patienten", "projection": {"_id": 1}, "sort": {"_id": -1}, "limit": 1}
        highest = (await client.ask(msg(unbounded, "krankenhaus"))).document
        newest = (
            await client.ask(msg({"aggregate": "patienten", "pipeline": shown, "cursor": {}}, "krankenhaus"))
        ).document
    assert str(highest["cursor"]["firstBatch"][0]["_id"]).startswith("ffffffff")
    moment = newest["cursor"]["firstBatch"][0]["t"]
    assert moment.year >= 2026
    assert list(newest["cursor"]["firstBatch"][0]) == ["t"]


async def test_a_question_for_documents_gets_decoys() -> None:
    async with serve("magazine") as server, Client.to(server) as client:
        reply = await client.ask(msg({"find": "readers"}, "magazine"))
    assert DECOY.encode() in reply.body
    assert [each.command for each in server.record.messages] == ["find"]


async def test_statistics_are_large_until_they_are_projected() -> None:
    stages: list[dict[str, Any]] = [{"$collStats": {"count": {}, "storageStats": {}}}]
    fields = {"$project": {"count": 1, "storageStats.size": 1}}
    async with serve("magazine") as server, Client.to(server) as client:
        whole = await client.ask(msg({"aggregate": "readers", "pipeline": stages, "cursor": {}}, "magazine"))
        less = {"aggregate": "readers", "pipeline": [*stages, fields], "cursor": {}}
        part = await client.ask(msg(less, "magazine"))
    assert whole.length > 30_000
    (document,) = part.document["cursor"]["firstBatch"]
    assert document == {"storageStats": {"size": 9 * 1024**3}, "count": 693_000}


async def test_client_metadata_is_checked_once() -> None:
    client_document = {"driver": {"name": "x", "version": "1"}, "os": {"type": "Linux"}}
    async with serve("open_8_0") as server, Client.to(server) as client:
        bad = (await client.ask(query({**HELLO, "client": {"driver": {"name": "x"}}}))).document
        good = (await client.ask(query({**HELLO, "client": client_document}))).document
        again = (await client.ask(query({**HELLO, "client": client_document}))).document
    assert (bad["code"], good["ok"], again["code"]) == (183, 1.0, 186)


async def test_the_api_version_can_be_demanded() -> None:
    async with serve("api_version") as server, Client.to(server) as client:
        refused = (await client.ask(msg(LIST))).document
        answered = (await client.ask(msg({**LIST, "apiVersion": "1"}))).document
    assert (refused["code"], answered["ok"]) == (498870, 1.0)


async def test_a_slow_server_takes_its_time() -> None:
    loop = asyncio.get_running_loop()
    async with serve("slow") as server, Client.to(server) as client:
        begin = loop.time()
        client.send(query(HELLO) + msg(LIST) + msg({"ping": 1}))
        replies = [await client.reply() for _ in range(3)]
    assert all(each.document["ok"] == 1.0 for each in replies)
    assert loop.time() - begin >= 0.9  # one delay for the burst, as a slow line has it


async def test_the_magazine_is_what_the_story_says() -> None:
    truth = find("magazine").truth
    assert truth.total_size is not None
    assert 58e9 < truth.total_size < 62e9
    assert truth.newest is not None
    assert "READ__ME_TO_RECOVER_YOUR_DATA" in truth.databases


SERVICES = {
    "http": b"HTTP/1.",
    "ssh": b"SSH-2.0-",
    "redis": b"-ERR ",
    "mysql": b"\x4a\x00\x00\x00\x0a8.0",
    "silent": b"",
    "closing": b"",
    "full": b"",
    "tarpit": b"\xc8",
}


@pytest.mark.both_loops
@pytest.mark.parametrize("name", SERVICES)
async def test_other_services_look_like_themselves(name: str) -> None:
    async with serve(name) as server, Client.to(server) as client:
        client.send(query(HELLO))
        try:
            received = await client.within(0.4)
        except ConnectionResetError:
            received = b""
    assert received.startswith(SERVICES[name])
    assert len(received) <= 1 or name in ("http", "ssh", "redis", "mysql")


async def test_an_echo_is_exact() -> None:
    async with serve("echo") as server, Client.to(server) as client:
        client.send(query(HELLO))
        assert await client.exactly(len(query(HELLO))) == query(HELLO)


async def test_other_products_give_themselves_away() -> None:
    seen = {}
    for each in others.personalities():
        if each.truth.product in ("", "honeypot"):
            continue
        async with serve(each) as server, Client.to(server) as client:
            hello = (await client.ask(query(HELLO))).document
            info = (await client.ask(msg({"buildInfo": 1}))).document
            listed = (await client.ask(msg(LIST))).document
            seen[each.name] = hello, info, listed
    assert seen["java_server"][0]["maxWireVersion"] == 8
    assert set(seen["java_server"][1]) == {"version", "versionArray", "maxBsonObjectSize", "ok"}
    assert seen["ferretdb"][1]["ferretdb"]["version"] == "v2.7.0"
    assert seen["ferretdb_auth"][2]["code"] == 13
    assert seen["cosmos"][0]["setName"] == "globaldb"
    assert seen["cosmos"][2]["code"] == 115
    assert seen["java_server"][2]["databases"] == [{"name": "shop"}]


async def test_the_honeypot_has_one_answer() -> None:
    async with serve("honeypot") as server, Client.to(server) as client:
        hello = await client.ask(query(HELLO))
        listed = await client.ask(query({"listDatabases": 1}))
        client.send(msg(LIST))
        assert await client.within(0.1) == b""
    assert hello.flags == 0
    assert set(hello.document) == set(listed.document)
    assert "databases" not in listed.document
