"""RDAP, asked of a server on 127.0.0.1: what is asked, how politely, and what a bad server can do."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from yarl import URL

from targets.grammar import parse_span
from targets.rdap import Entity, Holding, NoRegistrationError, Rdap, RdapError, open_session, server_url
from tests.support.registry import OURS, Registry, network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

NETWORK = network("11.0.0.0/22")
SPAN = parse_span("11.0.1.0/24")


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    registry = Registry(NETWORK)
    await registry.start()
    yield registry
    await registry.server.close()


@pytest.fixture
async def other() -> AsyncIterator[Registry]:
    registry = Registry(NETWORK)
    await registry.start()
    yield registry
    await registry.server.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


class Watched:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


def asker(session: aiohttp.ClientSession, clock: Watched | None = None, **more: Any) -> Rdap:
    clock = clock or Watched()
    return Rdap(session, sleep=clock.sleep, monotonic=clock.monotonic, **more)


async def holding(
    rdap: Rdap, registry: Registry, text: str = "11.0.1.0/24", etag: str = ""
) -> Holding | None:
    return await rdap.holding(URL(registry.url), parse_span(text), etag)


async def failure(rdap: Rdap, registry: Registry) -> str:
    with pytest.raises(RdapError) as caught:
        await holding(rdap, registry)
    return str(caught.value)


async def test_all_that_an_answer_says(registry: Registry, session: aiohttp.ClientSession) -> None:
    registry.answer(body=json.dumps(NETWORK), ETag='"7"')
    assert await holding(asker(session), registry) == Holding(
        span=parse_span("11.0.0.0/22"),
        handle="NET-11.0.0.0",
        name="EXAMPLE-NET",
        kind="ALLOCATED PA",
        entities=(
            Entity(handle=OURS, name="Example", roles=("registrant",)),
            Entity(handle="TECH-1", name="", roles=("technical",)),
        ),
        registered="2011-10-29T15:02:59Z",
        changed="2022-02-07T14:20:07Z",
        url=f"{registry.url}/ip/11.0.1.0/24",
        sha256=hashlib.sha256(json.dumps(NETWORK).encode()).hexdigest(),
        etag='"7"',
    )


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("11.0.1.7", "/rdap/ip/11.0.1.7"),
        ("11.0.1.0/24", "/rdap/ip/11.0.1.0/24"),
        ("11.0.1.7-11.0.1.9", "/rdap/ip/11.0.1.7"),
        ("2600::/120", "/rdap/ip/2600::/120"),
    ],
)
async def test_what_is_asked(
    registry: Registry, session: aiohttp.ClientSession, text: str, asked: str
) -> None:
    registry.networks.append(network("2600::/32"))
    found = await holding(asker(session), registry, text)
    assert found is not None
    assert registry.asked == [asked]


# -- politeness


async def test_one_question_a_second_to_each_server(
    registry: Registry, other: Registry, session: aiohttp.ClientSession
) -> None:
    clock = Watched()
    rdap = asker(session, clock)
    for each in (registry, registry, other, registry):
        await holding(rdap, each)
    assert clock.slept == [1.0, 1.0]
    clock.now += 5
    await holding(rdap, registry)
    assert clock.slept == [1.0, 1.0]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_to_wait_is_waited_for(
    registry: Registry, session: aiohttp.ClientSession, status: int
) -> None:
    async def once(request: web.Request) -> web.StreamResponse:
        registry.reply = registry.smallest
        return web.Response(status=status, headers={"Retry-After": "30"})

    registry.reply = once
    clock = Watched()
    assert await holding(asker(session, clock), registry) is not None
    assert clock.slept == [30.0]


async def test_a_server_is_waited_for_so_long(registry: Registry, session: aiohttp.ClientSession) -> None:
    clock = Watched()
    registry.answer(429, Retry_After="30")
    assert "asks to wait 30 s" in await failure(asker(session, clock), registry)
    assert (len(registry.asked), clock.slept) == (3, [30.0, 30.0])
    for long in ("61", "9" * 40, "soon", "-1", format_datetime(datetime.now(UTC) + timedelta(days=1))):
        clock.slept.clear()
        registry.answer(429, Retry_After=long)
        assert "asks to wait" in await failure(asker(session, clock), registry)
        assert clock.slept == []
    registry.answer(429)
    assert "answered with status 429" in await failure(asker(session), registry)


async def test_an_entity_tag_spares_the_answer(registry: Registry, session: aiohttp.ClientSession) -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        assert request.headers["If-None-Match"] == '"7"'
        return web.Response(status=304)

    registry.reply = reply
    assert await holding(asker(session), registry, etag='"7"') is None
    registry.answer(304)
    assert "answered with status 304" in await failure(asker(session), registry)


# -- redirects


async def test_redirects_stay_with_the_server(registry: Registry, session: aiohttp.ClientSession) -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/rdap/"):
            return web.Response(status=301, headers={"Location": "/other/ip/11.0.1.0/24"})
        return await registry.smallest(request)

    registry.reply = reply
    found = await holding(asker(session), registry)
    assert found is not None
    assert found.url.endswith("/other/ip/11.0.1.0/24")
    assert registry.asked == ["/rdap/ip/11.0.1.0/24", "/other/ip/11.0.1.0/24"]


async def test_redirects_elsewhere_are_not_followed(
    registry: Registry, other: Registry, session: aiohttp.ClientSession
) -> None:
    for location in (
        f"http://127.0.0.1:{other.server.port}/ip/11.0.1.0/24",
        f"http://localhost:{registry.server.port}/ip",
        f"https://127.0.0.1:{registry.server.port}/ip",
        "file:///etc/passwd",
        "//127.0.0.2/ip",
    ):
        registry.answer(302, Location=location)
        assert "which is not allowed" in await failure(asker(session), registry)
    for location, said in (("http://[::1/", "cannot be asked"), ("", "more than 3 redirects")):
        registry.answer(302, Location=location)
        assert said in await failure(asker(session), registry)
    assert other.asked == []
    registry.answer(302, Location=f"http://127.0.0.1:{other.server.port}/ip/11.0.1.0/24")
    found = await holding(asker(session, allowed_hosts=["127.0.0.1"]), registry)
    assert found is not None
    assert other.asked == ["/ip/11.0.1.0/24"]


async def test_redirects_end(registry: Registry, session: aiohttp.ClientSession) -> None:
    registry.answer(302, Location="/again")
    assert "comes after more than 3 redirects" in await failure(asker(session), registry)
    assert len(registry.asked) == 4


# -- answers that are none


async def test_no_registration_is_an_answer(registry: Registry, session: aiohttp.ClientSession) -> None:
    registry.networks.clear()
    with pytest.raises(NoRegistrationError, match="knows no registration"):
        await holding(asker(session), registry)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[" * 100_000,
        json.dumps(NETWORK)[:200],
        "<!doctype html><title>\x1b[31mWelcome</title>",
        b"\xff\xfe\x00",
        '{"objectClassName": "domain"}',
        json.dumps({**NETWORK, "objectClassName": "domain"}),
        json.dumps({**NETWORK, "endAddress": "10.0.0.0"}),
        json.dumps({**NETWORK, "endAddress": "fd00::1"}),
        json.dumps({**NETWORK, "startAddress": "11.0"}),
        json.dumps({**NETWORK, "startAddress": "011.0.0.0"}),
        json.dumps({**NETWORK, "entities": [{"roles": "registrant"}]}),
        json.dumps({**NETWORK, "entities": {}}),
    ],
)
async def test_answers_that_are_no_network(
    registry: Registry, session: aiohttp.ClientSession, body: bytes | str
) -> None:
    registry.answer(body=body)
    assert "answered with something else than a network" in await failure(asker(session), registry)


@pytest.mark.parametrize("held", ["11.0.4.0/22", "11.0.0.0/24", "fd00::/8", "2600::/32"])
async def test_a_network_that_does_not_hold_what_was_asked(
    registry: Registry, session: aiohttp.ClientSession, held: str
) -> None:
    registry.answer(body=json.dumps(network(held)))
    assert f"answered with {held}, which does not hold 11.0.1.0" in await failure(asker(session), registry)


@pytest.mark.parametrize(
    "odd",
    [
        {"entities": []},
        {"entities": [{"handle": None, "roles": None, "vcardArray": {"fn": 1}}]},
        {
            "entities": [
                {"roles": ["registrant"], "vcardArray": ["vcard", [["fn"], 7, ["fn", {}, "text", 7]]]}
            ]
        },
        {"entities": [{"handle": "X", "roles": ["abuse"], "entities": NETWORK["entities"]}]},
        {"events": [{"eventAction": "registration", "eventDate": "yesterday"}]},
        {"events": [{"eventAction": "registration", "eventDate": "2011-10-29"}]},
        {"events": [{"eventAction": "registration", "eventDate": "0001-01-01T00:00:00+23:00"}]},
    ],
)
async def test_odd_parts_cost_only_themselves(
    registry: Registry, session: aiohttp.ClientSession, odd: dict[str, Any]
) -> None:
    registry.answer(body=json.dumps({**NETWORK, **odd}))
    found = await holding(asker(session), registry)
    assert found is not None
    assert OURS not in found.registrants or found.registered == ""


async def test_a_registrant_inside_another_entity_is_not_the_network_s(
    registry: Registry, session: aiohttp.ClientSession
) -> None:
    outer = {"handle": "ORG-ISP1", "roles": ["registrant"], "entities": NETWORK["entities"]}
    registry.answer(body=json.dumps({**NETWORK, "entities": [outer]}))
    found = await holding(asker(session), registry)
    assert found is not None
    assert found.registrants == ("ORG-ISP1",)


async def test_packed_answers_are_not_unpacked(registry: Registry, session: aiohttp.ClientSession) -> None:
    registry.answer(body=gzip.compress(b" " * 100_000_000), Content_Encoding="gzip")
    assert "answered with packed bytes, which nobody asked for" in await failure(asker(session), registry)


async def test_an_answer_is_capped(registry: Registry, session: aiohttp.ClientSession) -> None:
    registry.answer(body=b" " * (1024 * 1024 + 1))
    assert "answered with more than 1,048,576 bytes" in await failure(asker(session), registry)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    registry.reply = endless
    assert "answered with more than 1,048,576 bytes" in await failure(asker(session), registry)


async def test_an_answer_has_a_deadline(registry: Registry, session: aiohttp.ClientSession) -> None:
    release = asyncio.Event()

    async def reply(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    registry.reply = reply
    assert "did not answer within 0.1 s" in await failure(asker(session, deadline=0.1), registry)
    release.set()


async def test_a_server_that_is_not_there(registry: Registry, session: aiohttp.ClientSession) -> None:
    url = URL(registry.url)
    await registry.server.close()
    with pytest.raises(RdapError, match="cannot be asked"):
        await asker(session).holding(url, SPAN)


@pytest.mark.parametrize("status", [400, 401, 500, 204])
async def test_other_statuses(registry: Registry, session: aiohttp.ClientSession, status: int) -> None:
    registry.answer(status)
    assert f"answered with status {status}" in await failure(asker(session), registry)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "rdap.example", "", "http://[", "https:///ip"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(RdapError, match="is no address of an RDAP server; write https://"):
        server_url(url)
