"""Recordings played back over a socket: the bytes of the real server arrive, and its endings too."""

from __future__ import annotations

import asyncio

import pytest

from tests.lab.client import Client, msg, query
from tests.support.servers import replay_server

LIST = {"listDatabases": 1, "nameOnly": True}


@pytest.mark.both_loops
async def test_a_recorded_server_answers_with_our_ids() -> None:
    async with replay_server("open_data", "4.0.3") as (server, replay), Client.to(server) as client:
        hello = await client.ask(query({"isMaster": 1, "helloOk": True}, request_id=77))
        listed = await client.ask(msg(LIST, request_id=78))
    assert (hello.response_to, hello.document["maxWireVersion"]) == (77, 7)
    assert (listed.response_to, listed.document["databases"][5]["name"]) == (78, "lecteurs")
    assert replay.unknown == []


@pytest.mark.both_loops
async def test_a_full_recorded_server_closes_at_once() -> None:
    async with replay_server("max_conns", "4.0.3", "sixth") as (server, _), Client.to(server) as client:
        async with asyncio.timeout(5):
            assert await client.reader.read(1) == b""
