"""An RDAP server on 127.0.0.1 that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from targets.grammar import Span, format_address, parse_span

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]

OURS = "ORG-EXC1"


def network(cidr: str, registrant: str = OURS, **more: Any) -> dict[str, Any]:
    """An answer of class "ip network", as registries give it."""
    span = parse_span(cidr)
    first, last = (format_address(span.version, edge) for edge in (span.first, span.last))
    return {
        "rdapConformance": ["rdap_level_0", "cidr0"],
        "objectClassName": "ip network",
        "handle": f"NET-{first}",
        "startAddress": first,
        "endAddress": last,
        "ipVersion": f"v{span.version}",
        "name": "EXAMPLE-NET",
        "type": "ALLOCATED PA",
        "entities": [
            {
                "objectClassName": "entity",
                "handle": registrant,
                "roles": ["registrant"],
                "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Example"]]],
                "entities": [{"handle": "ABUSE-EX", "roles": ["abuse"]}],
            },
            {"handle": "TECH-1", "roles": ["technical"]},
        ],
        "events": [
            {"eventAction": "last changed", "eventDate": "2022-02-07T09:20:07-05:00"},
            {"eventAction": "registration", "eventDate": "2011-10-29T11:02:59-04:00"},
        ],
        **more,
    }


class Registry:
    """Answers with the smallest of its networks that holds what is asked, or by `reply`."""

    def __init__(self, *networks: dict[str, Any]) -> None:
        self.networks = list(networks)
        self.asked: list[str] = []
        self.reply: Reply = self.smallest
        application = web.Application()
        application.router.add_get("/{tail:.*}", self._handle)
        self.server = TestServer(application, host="127.0.0.1")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        return await self.reply(request)

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen."""
        await self.server.start_server(ssl=tls)

    async def smallest(self, request: web.Request) -> web.StreamResponse:
        """The answer of a registry that is well."""
        assert "application/rdap+json" in request.headers["Accept"]
        span = parse_span(request.path.partition("/ip/")[2])
        around = [each for each in self.networks if _holds(_span(each), span)]
        if not around:
            return web.json_response({"errorCode": 404}, status=404)
        found = min(around, key=lambda each: _span(each).size)
        return web.json_response(found, content_type="application/rdap+json")

    def answer(self, status: int = 200, body: bytes | str = "", **headers: str) -> None:
        """Answer every question alike."""
        raw = body.encode() if isinstance(body, str) else body

        async def reply(request: web.Request) -> web.StreamResponse:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(status=status, body=raw, headers=names)

        self.reply = reply

    @property
    def url(self) -> str:
        """Its address."""
        scheme = "https" if self.server.scheme == "https" else "http"
        return f"{scheme}://127.0.0.1:{self.server.port}/rdap"


def _span(answer: dict[str, Any]) -> Span:
    return Span(
        4 if "." in answer["startAddress"] else 6,
        parse_span(answer["startAddress"]).first,
        parse_span(answer["endAddress"]).first,
    )


def _holds(outer: Span, inner: Span) -> bool:
    return outer.version == inner.version and outer.first <= inner.first and inner.last <= outer.last
