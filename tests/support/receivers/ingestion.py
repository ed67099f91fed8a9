"""Our own strict fake of Microsoft's Logs Ingestion API and token endpoint, made from the documentation.

    python -m tests.support.receivers.ingestion --port 8443 --into taken.jsonl

Endpoints of faults: `events` and `token`. A token is good for `lasts` seconds.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from aiohttp import web

from results.formats.sentinel import COLUMNS
from tests.support.receivers.serving import Receiver, run

if TYPE_CHECKING:
    from pathlib import Path

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "9e4b6f1c-0000-4000-8000-1c2d3e4f5a6b"
SECRET = "fYe8Q~s3cret-of-a-client+/&="
RULE = "dcr-00000000000000000000000000000001"
STREAM = "Custom-Mongosweep_CL"
MOST_BYTES = 1024 * 1024

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_CHECKS = {
    "string": lambda value: isinstance(value, str),
    "datetime": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
    "int": lambda value: type(value) is int and abs(value) < 1 << 31,
    "long": lambda value: type(value) is int and abs(value) < 1 << 63,
    "dynamic": lambda value: isinstance(value, dict | list),
}


class IngestionReceiver(Receiver):
    """One rule with one stream, and the authority that issues tokens for it."""

    endpoint = ""

    def __init__(self, into: Path | None = None) -> None:
        super().__init__(into)
        self.lasts = 3599
        self.role = True
        self.most_bytes = MOST_BYTES
        self.issued: dict[str, float] = {}

    def which(self, request: web.Request) -> str:
        """`token` or `events`."""
        return "token" if "oauth2" in request.path else "events"

    def revoke(self) -> None:
        """No token that was issued is good any more."""
        self.issued.clear()

    async def answer(self, at: str, request: web.Request, body: bytes) -> web.Response:
        """As documented."""
        if request.method != "POST":
            return web.Response(status=405)
        return self._token(request, body) if at == "token" else self._rows(request, body)

    def _token(self, request: web.Request, body: bytes) -> web.Response:
        form = {name: value[0] for name, value in parse_qs(body.decode()).items()}
        if request.path != f"/{TENANT}/oauth2/v2.0/token":
            return _refused(400, "invalid_request", "AADSTS90002: Tenant not found.")
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "AADSTS70003: The grant type is not supported.")
        if form.get("scope") != "https://monitor.azure.com/.default":
            return _refused(400, "invalid_scope", "AADSTS70011: The scope is not valid.")
        if form.get("client_id") != CLIENT:
            return _refused(400, "unauthorized_client", "AADSTS700016: Application was not found.")
        if form.get("client_secret") != SECRET:
            said = f"AADSTS7000215: Invalid client secret provided: {form.get('client_secret')}"
            return _refused(401, "invalid_client", said)
        token = f"eyJ0eXAi.{len(self.issued) + len(self.seen)}.c2lnbmF0dXJl"
        self.issued[token] = time.monotonic() + self.lasts
        return web.json_response(
            {"token_type": "Bearer", "expires_in": self.lasts, "ext_expires_in": 3599, "access_token": token}
        )

    def _rows(self, request: web.Request, body: bytes) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.issued.get(token, 0) < time.monotonic():
            return _failed(401, "InvalidToken", f"The token {token} is not valid")
        if not self.role:
            return _failed(403, "OperationFailed", "The authentication token provided does not have access")
        if request.path != f"/dataCollectionRules/{RULE}/streams/{STREAM}":
            return _failed(404, "NotFound", "Data collection rule not found")
        if request.query_string != "api-version=2023-01-01":
            return _failed(400, "UnsupportedApiVersion", "The api-version is not supported")
        if request.headers.get("Content-Type") != "application/json":
            return _failed(415, "UnsupportedMediaType", "Content-Type is not supported")
        if len(body) > self.most_bytes:
            return _failed(413, "ContentLengthLimitExceeded", "Maximum allowed content length: 1048576 bytes")
        try:
            rows = json.loads(body)
        except ValueError:
            return _failed(400, "InvalidPayload", "The payload is not JSON")
        if not isinstance(rows, list) or not rows or not all(_fits(row) for row in rows):
            return _failed(400, "InvalidRecord", "A record does not fit the stream declaration")
        self.keep([json.dumps(row).encode() for row in rows])
        return web.Response(status=204)


def _fits(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and "TimeGenerated" in row
        and all(name in COLUMNS and _CHECKS[COLUMNS[name]](value) for name, value in row.items())
    )


def _refused(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)


def _failed(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def main() -> None:
    """Be one, in a process of its own."""
    run(lambda given: IngestionReceiver(given.into), argparse.ArgumentParser(description=__doc__))


if __name__ == "__main__":
    main()
