"""The second opinion: what the official driver says of real servers, of closed ports and of hostile ones."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import bson
import pytest

from results.verdict import Verdict
from scanner.engine.agreement import confirm
from scanner.network.driver.driver import DriverOpinion, SecondOpinion
from scanner.network.driver.worker import ADDRESS_SPACE
from tests.network.driver.peers import (
    HELLO,
    databases,
    lab_scope,
    permits,
    read_message,
    reply,
    scripted,
)
from tests.support import real
from tests.support.kinds import State
from tests.support.streams import stream_server


async def opinion_of(port: int, *, tls: bool = False, seconds: float = 2.0) -> DriverOpinion:
    """One question to one port of loopback."""
    scope = lab_scope(port)
    async with SecondOpinion(permits(scope), app_name="tests", timeout=seconds, workers=1) as opinions:
        return await opinions.ask(scope.target("127.0.0.1", port), tls=tls)


OPEN_KINDS = real.kinds(State.OPEN, State.TLS, State.REPLICA_SET)


@pytest.mark.parametrize("real_server", OPEN_KINDS, indirect=True, ids=str)
async def test_lists_what_a_real_server_holds(real_server: real.RealServer) -> None:
    """An open server is open, and the names are those that PyMongo reads."""
    opinion = await opinion_of(real_server.port, tls=real_server.tls, seconds=5)
    names = sorted(real_server.truth().databases)
    assert (opinion.verdict, sorted(opinion.databases)) == ("open", names), opinion.error
    confirmation = confirm(Verdict.OPEN, names, opinion)
    assert confirmation.agrees is True
    assert confirmation.driver.startswith("motor 3.")


@pytest.mark.parametrize("real_server", real.kinds(State.AUTH), indirect=True, ids=str)
async def test_is_refused_by_a_locked_server(real_server: real.RealServer) -> None:
    """A server with access control is that, for the driver too."""
    opinion = await opinion_of(real_server.port, seconds=5)
    assert opinion.verdict == "auth_required"
    assert confirm(Verdict.AUTH_REQUIRED, [], opinion).agrees is True
    disagreement = confirm(Verdict.OPEN, ["readers"], opinion)
    assert disagreement.agrees is False
    assert "we say open, the driver says auth_required" in disagreement.detail


@pytest.mark.parametrize("real_server", real.kinds(State.CLIENT_CERTIFICATE), indirect=True, ids=str)
async def test_gets_no_answer_without_a_certificate(real_server: real.RealServer) -> None:
    """The driver without a client certificate is turned away, as we are."""
    opinion = await opinion_of(real_server.port, tls=True, seconds=1)
    assert opinion.verdict == "no_answer"
    assert confirm(Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED, [], opinion).agrees is True


@pytest.mark.both_loops
async def test_says_no_answer_of_a_refusing_port() -> None:
    """A port that refuses costs one timeout and is no answer, on both loops."""
    opinion = await opinion_of(real.free_port(), seconds=0.3)
    assert opinion.verdict == "no_answer"
    assert "refused" in opinion.error


async def test_says_three_things_and_no_more() -> None:
    """The driver greets, asks `listDatabases` with `nameOnly`, and takes leave. It asks nothing else."""
    heard: list[dict[str, Any]] = []
    async with stream_server(scripted({"listDatabases": databases("shop")}, heard)) as port:
        opinion = await opinion_of(port)
    assert opinion == DriverOpinion("open", ["shop"], ms=opinion.ms)
    assert {next(iter(document)) for document in heard} <= {
        "hello",
        "ismaster",
        "listDatabases",
        "endSessions",
    }
    (question,) = [document for document in heard if "listDatabases" in document]
    assert question["nameOnly"] is True
    assert any(document.get("client", {}).get("application") == {"name": "tests"} for document in heard)
    assert not any("compression" in document and document["compression"] for document in heard)


async def test_never_follows_the_hosts_of_a_set() -> None:
    """A set that advertises another member is not followed there."""
    visits: list[int] = []

    async def trap(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)

    async with stream_server(trap) as elsewhere:
        member = f"127.0.0.1:{elsewhere}"
        said = {"setName": "rs", "hosts": [member], "me": member, "primary": member}
        hello = HELLO | said | {"secondary": True, "ismaster": False}
        answers = {"listDatabases": databases("shop"), "ismaster": hello, "hello": hello}
        async with stream_server(scripted(answers)) as port:
            opinion = await opinion_of(port)
    assert opinion.verdict == "open"
    assert visits == []


@pytest.mark.parametrize(
    ("answer", "saw"),
    [
        (databases(), "empty_list"),
        ({"ok": 1.0}, "garbled"),
        ({"ok": 1.0, "databases": [{"size": 1}]}, "garbled"),
        ({"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": "no"}, "auth_required"),
        (
            {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": "no such command"},
            "command_failed",
        ),
        ({"ok": 0.0, "code": 13436, "codeName": "NotPrimaryOrSecondary", "errmsg": "wait"}, "not_ready"),
    ],
)
async def test_reads_each_answer_for_what_it_is(answer: dict[str, Any], saw: str) -> None:
    """Only a list with names is open."""
    async with stream_server(scripted({"listDatabases": answer})) as port:
        assert (await opinion_of(port)).verdict == saw


async def test_has_no_opinion_of_servers_that_it_is_too_new_for() -> None:
    """A server of 4.0 is refused by the driver itself: that is no disagreement."""
    old = HELLO | {"maxWireVersion": 7}
    async with stream_server(scripted({"ismaster": old, "hello": old})) as port:
        opinion = await opinion_of(port)
    assert opinion.verdict == "unsupported"
    assert confirm(Verdict.OPEN, ["shop"], opinion).agrees is None


async def test_gives_the_api_version_where_it_is_required() -> None:
    """A server with `requireApiVersion` is asked again, with version 1."""

    async def strict(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request, document = await read_message(reader)
            answer: dict[str, Any] = HELLO
            if "listDatabases" in document:
                wanted = {"ok": 0.0, "code": 498870, "errmsg": "The apiVersion parameter is required"}
                answer = databases("shop") if document.get("apiVersion") == "1" else wanted
            writer.write(reply(request, answer, by_query="$db" not in document))
            await writer.drain()

    async with stream_server(strict) as port:
        assert (await opinion_of(port)).databases == ["shop"]


async def test_calls_noise_garbled_or_silent_but_never_open() -> None:
    """Something that is not MongoDB."""

    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with stream_server(noise) as port:
        opinion = await opinion_of(port, seconds=0.5)
    assert opinion.verdict in {"garbled", "no_answer"}


async def test_a_dripping_server_costs_one_deadline() -> None:
    """Bytes that keep coming do not keep the driver: the timer ends the process."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(struct.pack("<iiii", 40_000_000, 1, 1, 1))
        while not writer.is_closing():
            writer.write(b"\0")
            await asyncio.sleep(0.1)

    async with stream_server(drip) as port:
        opinion = await opinion_of(port, seconds=0.4)
    assert opinion.verdict in {"too_much", "no_answer"}


async def test_an_answer_that_would_fill_the_memory_ends_the_worker_only() -> None:
    """40 MB of tiny documents would decode to gigabytes: the address space of the worker ends first."""
    row = bson.encode({"n": ""})
    rows = b"".join(b"\x03" + b"%d" % at + b"\0" + row for at in range(10)) * 200_000
    array = struct.pack("<i", 5 + len(rows)) + rows + b"\0"
    inner = b"\x04databases\0" + array + b"\x10ok\0\x01\0\0\0"
    document = struct.pack("<i", 5 + len(inner)) + inner + b"\0"

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request, asked = await read_message(reader)
            if "listDatabases" in asked:
                body = struct.pack("<ib", 0, 0) + document
                writer.write(struct.pack("<iiii", 16 + len(body), 1, request, 2013) + body)
            else:
                writer.write(reply(request, HELLO, by_query="$db" not in asked))
            await writer.drain()

    async with (
        stream_server(flood) as port,
        stream_server(scripted({"listDatabases": databases("a")})) as good,
    ):
        scope = lab_scope(port, good)
        async with SecondOpinion(permits(scope), workers=1, timeout=5.0) as opinions:
            hostile = await opinions.ask(scope.target("127.0.0.1", port), tls=False)
            after = await opinions.ask(scope.target("127.0.0.1", good), tls=False)
    assert len(document) < ADDRESS_SPACE
    assert hostile.verdict in {"too_much", "garbled"}
    assert after.verdict == "open"


async def test_asks_the_scope_at_the_last_door() -> None:
    """A target that the scope no longer permits is not contacted."""
    visits: list[int] = []

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)

    async with stream_server(count) as port:
        target = lab_scope(port).target("127.0.0.1", port)
        async with SecondOpinion(permits(lab_scope(27017)), workers=1) as opinions:
            opinion = await opinions.ask(target, tls=False)
    assert opinion.verdict == "not_asked"
    assert "outside the scope" in opinion.error
    assert visits == []
    assert confirm(Verdict.OPEN, [], opinion).agrees is None


async def test_a_target_that_is_held_back_waits_and_keeps_no_other_waiting() -> None:
    """A pause or a blackout window holds for the second opinion, too."""
    held: set[int] = set()
    async with (
        stream_server(scripted({"listDatabases": databases("a")})) as port,
        stream_server(scripted({"listDatabases": databases("b")})) as other,
    ):
        scope = lab_scope(port, other)
        first, second = (scope.target("127.0.0.1", number) for number in (port, other))
        held.add(port)
        async with SecondOpinion(
            permits(scope), workers=1, may_ask=lambda target: target.port not in held
        ) as opinions:
            waiting = asyncio.create_task(opinions.ask(first, tls=False))
            assert (await opinions.ask(second, tls=False)).databases == ["b"]
            assert not waiting.done()
            held.clear()
            assert (await waiting).databases == ["a"]
