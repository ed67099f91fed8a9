"""The style sheets, scripts and the icon: read once, named by their content, kept by a browser for good."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from results import report
from scanner.service.web.visitor import open_to_all

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES = {
    "report.css": "text/css",
    "page.css": "text/css",
    "pictures.css": "text/css",
    "page.js": "text/javascript",
    "now.css": "text/css",
    "now.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "htmx.LICENSE": "text/plain",
    "icon.svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file. `digest` is the beginning of the SHA-256 of its content, and stands in its address; `packed`
    is its body as gzip."""

    body: bytes
    packed: bytes
    content_type: str
    digest: str


@cache
def assets() -> Mapping[str, Asset]:
    """Every file by its name. `report.css` is the one of the reports: page and report are one family."""
    ours, reports = files(__package__) / "static", files(report)
    found = {}
    for name, content_type in _TYPES.items():
        body = ((reports if name == "report.css" else ours) / name).read_bytes()
        digest = hashlib.sha256(body).hexdigest()[:16]
        found[name] = Asset(body, gzip.compress(body, mtime=0), content_type, digest)
    return found


def address_of(name: str) -> str:
    """Where a browser finds a file; another address whenever its content is another one."""
    return f"/static/{assets()[name].digest}/{name}"


@open_to_all
async def _asset(request: web.Request) -> web.StreamResponse:
    """One file. An address with another digest is of another version: it must not be kept under it."""
    asset = assets().get(request.match_info["name"])
    if asset is None or asset.digest != request.match_info["digest"]:
        raise web.HTTPNotFound
    headers = {"Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding"}
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    if packed:  # a page never is: it holds a secret beside what somebody else may have typed (BREACH)
        headers["Content-Encoding"] = "gzip"
    return web.Response(
        body=asset.packed if packed else asset.body,
        content_type=asset.content_type,
        charset="utf-8",
        headers=headers,
    )


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/static/{digest}/{name}", _asset)]
