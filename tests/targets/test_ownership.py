"""RDAP evidence, asked of a server on 127.0.0.1: what proves, what does not, and what a bad server can do."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from targets.grammar import parse_span
from targets.ownership import Holding, Rdap, RdapError, prove

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


NETWORK: dict[str, Any] = {
    "rdapConformance": ["rdap_level_0", "cidr0"],
    "objectClassName": "ip network",
    "handle": "NET-11-0-0-0-1",
    "startAddress": "11.0.0.0",
    "endAddress": "11.0.3.255",
    "ipVersion": "v4",
    "name": "EXAMPLE-NET",
    "entities": [
        {
            "handle": "ORG-EXC1",
            "roles": ["registrant"],
            "entities": [{"handle": "ABUSE-EX", "roles": ["abuse"]}],
        },
        {"handle": "TECH-1", "roles": ["technical"]},
    ],
}


class Registry:
    """An RDAP server with one answer, which remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.reply: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.network
        self.server: TestServer = TestServer(self._application(), host="127.0.0.1")

    def _application(self) -> web.Application:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append(request.path)
            return await self.reply(request)

        application = web.Application()
        application.router.add_get("/{tail:.*}", handle)
        return application

    async def network(self, request: web.Request) -> web.StreamResponse:
        assert "application/rdap+json" in request.headers["Accept"]
        return web.Response(text=json.dumps(NETWORK), content_type="application/rdap+json")

    def answer(self, status: int = 200, text: str = "", **headers: str) -> None:
        async def reply(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, headers=headers)

        self.reply = reply

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/rdap"


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    registry = Registry()
    await registry.server.start_server()
    yield registry
    await registry.server.close()


@pytest.fixture
async def other() -> AsyncIterator[Registry]:
    registry = Registry()
    await registry.server.start_server()
    yield registry
    await registry.server.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def failure(rdap: Rdap) -> str:
    with pytest.raises(RdapError) as caught:
        await rdap.holding(parse_span("11.0.1.0/24"))
    return str(caught.value)


async def test_a_registration_proves_what_is_inside_it(
    registry: Registry, session: aiohttp.ClientSession
) -> None:
    span = parse_span("11.0.1.0/24")
    holding = await Rdap(session, registry.url).holding(span)
    assert registry.asked == ["/rdap/ip/11.0.1.0/24"]
    assert (holding.handle, holding.name, holding.registrants) == (
        "NET-11-0-0-0-1",
        "EXAMPLE-NET",
        ("ORG-EXC1",),
    )
    proof = prove(span, holding, {"ORG-EXC1"})
    assert proof.proven
    assert proof.detail == "11.0.1.0/24 is inside 11.0.0.0/22 (NET-11-0-0-0-1), registered to ORG-EXC1"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("11.0.1.7", "/rdap/ip/11.0.1.7"),
        ("11.0.1.7-11.0.1.9", "/rdap/ip/11.0.1.7"),
        ("2606:4700::/120", "/rdap/ip/2606:4700::/120"),
    ],
)
async def test_what_is_asked(
    registry: Registry, session: aiohttp.ClientSession, text: str, asked: str
) -> None:
    await Rdap(session, registry.url).holding(parse_span(text))
    assert registry.asked == [asked]


HOLDING = Holding(span=parse_span("11.0.0.0/22"), handle="NET-1", name="N", registrants=("ORG-1",), url="u")


@pytest.mark.parametrize(
    ("text", "handles", "detail"),
    [
        ("11.0.0.0/21", {"ORG-1"}, "11.0.0.0/21 reaches beyond 11.0.0.0/22 (NET-1)"),
        ("fd00::1", {"ORG-1"}, "fd00::1 reaches beyond 11.0.0.0/22 (NET-1)"),
        ("11.0.0.0/24", {"ORG-2", "N"}, "11.0.0.0/22 (NET-1) is registered to ORG-1, not to us"),
        ("11.0.0.0/24", set(), "11.0.0.0/22 (NET-1) is registered to ORG-1, not to us"),
    ],
)
def test_what_proves_nothing(text: str, handles: set[str], detail: str) -> None:
    proof = prove(parse_span(text), HOLDING, handles)
    assert (proof.proven, proof.detail) == (False, detail)


async def test_redirects_stay_with_the_server(registry: Registry, session: aiohttp.ClientSession) -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/rdap/"):
            return web.Response(status=301, headers={"Location": "/other/ip/11.0.1.0/24"})
        return await registry.network(request)

    registry.reply = reply
    assert (await Rdap(session, registry.url).holding(parse_span("11.0.1.0/24"))).handle == "NET-11-0-0-0-1"
    assert registry.asked == ["/rdap/ip/11.0.1.0/24", "/other/ip/11.0.1.0/24"]


async def test_redirects_elsewhere_are_not_followed(
    registry: Registry, other: Registry, session: aiohttp.ClientSession
) -> None:
    rdap = Rdap(session, registry.url)
    for location in (
        f"http://127.0.0.1:{other.server.port}/ip/11.0.1.0/24",
        f"http://localhost:{registry.server.port}/ip",
        "https://127.0.0.1/ip",
        "file:///etc/passwd",
    ):
        registry.answer(302, Location=location)
        assert "which is not allowed" in await failure(rdap)
    assert other.asked == []
    registry.answer(302, Location=f"http://127.0.0.1:{other.server.port}/ip/x")
    allowed = Rdap(session, registry.url, allowed_hosts=["127.0.0.1"])
    assert (await allowed.holding(parse_span("11.0.1.0/24"))).name == "EXAMPLE-NET"
    assert other.asked == ["/ip/x"]


async def test_redirects_end(registry: Registry, session: aiohttp.ClientSession) -> None:
    registry.answer(302, Location="/again")
    assert "comes after more than 3 redirects" in await failure(Rdap(session, registry.url))
    assert len(registry.asked) == 4


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (404, {}, "knows no registration"),
        (429, {"Retry-After": "120"}, "asks to wait 120 s"),
        (500, {}, "answered with status 500"),
    ],
)
async def test_other_statuses(
    registry: Registry, session: aiohttp.ClientSession, status: int, headers: dict[str, str], message: str
) -> None:
    registry.answer(status, **headers)
    assert message in await failure(Rdap(session, registry.url))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[" * 100_000,
        '{"objectClassName": "domain"}',
        json.dumps({**NETWORK, "objectClassName": "domain"}),
        json.dumps({**NETWORK, "endAddress": "10.0.0.0"}),
        json.dumps({**NETWORK, "endAddress": "fd00::1"}),
        json.dumps({**NETWORK, "startAddress": "11.0"}),
        json.dumps({**NETWORK, "entities": [{"roles": "registrant"}]}),
    ],
)
async def test_answers_that_are_no_network(
    registry: Registry, session: aiohttp.ClientSession, text: str
) -> None:
    registry.answer(text=text)
    assert "answered with something else than a network" in await failure(Rdap(session, registry.url))


async def test_an_answer_is_capped(registry: Registry, session: aiohttp.ClientSession) -> None:
    registry.answer(text="x" * 5000)
    assert "answered with more than 4,096 bytes" in await failure(Rdap(session, registry.url, max_bytes=4096))


async def test_an_answer_has_a_deadline(registry: Registry, session: aiohttp.ClientSession) -> None:
    release = asyncio.Event()

    async def reply(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    registry.reply = reply
    assert "did not answer within 0.1 s" in await failure(Rdap(session, registry.url, deadline=0.1))
    release.set()


async def test_a_server_that_is_not_there(registry: Registry, session: aiohttp.ClientSession) -> None:
    url = registry.url
    await registry.server.close()
    assert "cannot be asked" in await failure(Rdap(session, url))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "rdap.example", ""])
async def test_a_base_url_that_is_none(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(RdapError, match="is no address of an RDAP server"):
        Rdap(session, url)
