"""A NetBox on 127.0.0.1, built from its published OpenAPI: its lists, its two ways of paging, both kinds of
tokens, and, where a test asks for it, anything else in place of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator

PUBLISHED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "schemas" / "netbox.json").read_text(encoding="utf-8")
)
OLD_TOKEN = "0123456789abcdef0123456789abcdef01234567"
NEW_TOKEN = "nbt_abcdefghijkl.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"


def _nullable(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema, where `nullable` is a type. Its patterns are those of what is
    written, and so are its alternatives that exclude each other: a `dns_name` that is read may be empty."""
    if isinstance(schema, list):
        return [_nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {
        "anyOf" if key == "oneOf" else key: _nullable(value)
        for key, value in schema.items()
        if key not in ("nullable", "pattern")
    }
    return {"anyOf": [inner, {"type": "null"}]} if schema.get("nullable") is True else inner


def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    schemas = _nullable(PUBLISHED["schemas"])
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    )


_LISTS = {path: _validator(known["schema"]) for path, known in PUBLISHED["lists"].items()}
_NESTED = {"tenant": "tenancy/tenants", "role": "ipam/roles", "vrf": "ipam/vrfs", "rir": "ipam/rirs"}


class StandIn:
    """What it holds and how it behaves; a test changes either while it runs. `asked` are the requests."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {path: [] for path in PUBLISHED["lists"]}
        self.tokens = {OLD_TOKEN, NEW_TOKEN}
        self.version = "4.6"
        self.by_start = True  # since 4.6
        self.max_page = 1000
        self.at_once = 0  # requests, at most
        self.asked: list[str] = []
        self.instead: Callable[[web.Request, int], Awaitable[web.StreamResponse | None]] | None = None
        self.edit: Callable[[str, dict[str, Any]], object] | None = None  # of a page, before it is sent
        self.url = ""
        self._now = 0

    def add(self, path: str, **values: Any) -> dict[str, Any]:
        """An object of a list, with everything that every object has."""
        number = len(self.objects[path]) + 1
        given = {
            "id": number,
            "url": f"http://netbox.example/api/{path}/{number}/",
            "display_url": f"http://netbox.example/{path}/{number}/",
            "display": f"{path} {number}",
            "created": "2026-03-01T20:01:23.458302Z",
            "last_updated": "2026-03-01T20:02:46.173540Z",
        }
        for key, value in values.items():
            given[key] = nested(_NESTED[key], value) if key in _NESTED and isinstance(value, str) else value
        self.objects[path].append(given)
        return given

    def prefix(self, prefix: str, status: str = "active", **values: Any) -> dict[str, Any]:
        """A prefix."""
        network = ip_network(prefix)
        base: dict[str, Any] = {
            "vrf": None,
            "tenant": None,
            "role": None,
            "scope_type": None,
            "scope_id": None,
            "scope": None,
        }
        common: dict[str, Any] = base | {
            "vlan": None,
            "tags": [],
            "custom_fields": {},
            "children": 0,
            "_depth": 0,
            "owner": None,
        }
        return self.add(
            "ipam/prefixes",
            prefix=prefix,
            family=family(network.version),
            status=choice(status),
            **common | values,
        )

    def address(self, address: str, status: str = "active", **values: Any) -> dict[str, Any]:
        """An address, with the mask of its network as NetBox has it."""
        base: dict[str, Any] = {
            "vrf": None,
            "tenant": None,
            "tags": [],
            "custom_fields": {},
            "owner": None,
            "dns_name": "",
        }
        none: dict[str, Any] = {
            "nat_inside": None,
            "nat_outside": [],
            "assigned_object": None,
            "assigned_object_type": None,
        }
        return self.add(
            "ipam/ip-addresses",
            address=address,
            family=family(ip_interface(address).version),
            status=choice(status),
            **base | none | values,
        )

    def range(self, start: str, end: str, **values: Any) -> dict[str, Any]:
        """A range of addresses."""
        first, last = ip_interface(start), ip_interface(end)
        base: dict[str, Any] = {
            "vrf": None,
            "tenant": None,
            "role": None,
            "tags": [],
            "custom_fields": {},
            "owner": None,
        }
        size = int(last.ip) - int(first.ip) + 1
        return self.add(
            "ipam/ip-ranges",
            start_address=start,
            end_address=end,
            family=family(first.version),
            size=size,
            status=choice("active"),
            **base | values,
        )

    def aggregate(self, prefix: str, **values: Any) -> dict[str, Any]:
        """An aggregate."""
        base: dict[str, Any] = {
            "rir": "RFC 1918",
            "tenant": None,
            "tags": [],
            "custom_fields": {},
            "owner": None,
        }
        return self.add(
            "ipam/aggregates", prefix=prefix, family=family(ip_network(prefix).version), **base | values
        )

    def contact(self, name: str, email: str = "") -> dict[str, Any]:
        """Somebody who can be assigned."""
        return self.add("tenancy/contacts", name=name, email=email)

    def assign(
        self, contact: dict[str, Any], role: str, object_type: str, object_id: int, priority: str = "primary"
    ) -> dict[str, Any]:
        """A contact in a role, for an object."""
        brief = {key: contact[key] for key in ("id", "url", "display", "name")}
        return self.add(
            "tenancy/contact-assignments",
            object_type=object_type,
            object_id=object_id,
            object={},
            contact=brief,
            role=nested("tenancy/contact-roles", role),
            priority=choice(priority),
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        try:
            if self.instead is not None:
                reply = await self.instead(request, len(self.asked))
                if reply is not None:
                    return reply
            await asyncio.sleep(0.001)  # so that others can be asked beside it
            return self._list(request)
        finally:
            self._now -= 1

    def _list(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            return refusal(403, "Authentication credentials were not provided.")
        version = 2 if token.startswith("nbt_") else 1
        if token not in self.tokens or scheme != ("Bearer" if version == 2 else "Token"):
            return refusal(403, f"Invalid v{version} token")
        path = request.path.removeprefix("/api/").strip("/")
        if not request.path.startswith("/api/") or path not in self.objects:
            return refusal(404, "Not found.")
        page = self._page(request, path)
        if self.edit is not None:
            self.edit(path, page)
        return web.json_response(page, headers={"API-Version": self.version})

    def _page(self, request: web.Request, path: str) -> dict[str, Any]:
        asked = request.query
        unknown = asked.keys() - set(PUBLISHED["lists"][path]["parameters"])
        assert not unknown, f"{path} knows no {unknown}"
        objects = sorted(self.objects[path], key=lambda each: each["id"])
        limit = min(int(asked.get("limit", 50)) or self.max_page, self.max_page)
        by_start = self.by_start and "start" in asked
        if by_start:
            assert not {"offset", "ordering"} & asked.keys()
            objects = [each for each in objects if each["id"] >= int(asked["start"])]
        offset = 0 if by_start else int(asked.get("offset", 0))
        found = objects[offset : offset + limit]
        following: dict[str, Any] | None = None
        if by_start and len(found) == limit:
            following = {"start": found[-1]["id"] + 1}
        elif not by_start and offset + limit < len(objects):
            following = {"offset": offset + limit}
        link = None
        if following is not None:  # as seen from behind a proxy, which is not where we are asked
            kept = {key: asked[key] for key in asked if key not in ("start", "offset")}
            link = str(
                request.url.with_host("netbox-internal").with_query(kept | following | {"limit": limit})
            )
        page = {"count": len(objects), "next": link, "previous": None, "results": found}
        _LISTS[path].validate(page)
        names = asked["fields"].split(",") if "fields" in asked else None
        page["results"] = [
            each if names is None else {key: each[key] for key in each if key in names} for each in found
        ]
        return page | {"count": None} if by_start else page


def differences(path: str, page: dict[str, Any]) -> list[str]:
    """Where a page of a list differs from what is published of it."""
    return [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in _LISTS[path].iter_errors(page)
    ]


def nested(path: str, name: str, number: int = 1) -> dict[str, Any]:
    """An object as others show it."""
    return {
        "id": number,
        "url": f"http://netbox.example/api/{path}/{number}/",
        "display_url": f"http://netbox.example/{path}/{number}/",
        "display": name,
        "name": name,
        "slug": name.lower().replace(" ", "-"),
    }


def choice(value: str) -> dict[str, str]:
    """A choice as the API shows it."""
    return {"value": value, "label": value.upper() if value in ("dhcp", "slaac") else value.capitalize()}


def family(version: int) -> dict[str, Any]:
    """The family of an address as the API shows it."""
    return {"value": version, "label": f"IPv{version}"}


def refusal(status: int, detail: str, **headers: str) -> web.Response:
    """A refusal as Django REST framework writes it."""
    return web.json_response({"detail": detail}, status=status, headers=headers)


@contextlib.contextmanager
def standing_in(tls: ssl.SSLContext | None = None) -> Iterator[StandIn]:
    """A NetBox that answers in a thread of its own, so that what asks it may block."""
    netbox = StandIn()
    loop = asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        application = web.Application()
        application.router.add_get("/{tail:.*}", netbox._handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        netbox.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
        return runner

    thread = threading.Thread(target=loop.run_forever, name="netbox")
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield netbox
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
