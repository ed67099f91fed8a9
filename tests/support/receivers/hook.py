"""Our own strict fake of a receiver of Standard Webhooks: verifies id, time and signature with its own code.

    python -m tests.support.receivers.hook --port 8080 --into taken.jsonl

A second event of the same id is dropped, as the specification asks its receivers to do.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING

from aiohttp import web

from tests.support.receivers.serving import Receiver, run

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
TOLERANCE = 300  # seconds


class HookReceiver(Receiver):
    """One address. `now` is its clock."""

    endpoint = "/hook"

    def __init__(self, into: Path | None = None, secret: str = SECRET) -> None:
        super().__init__(into)
        self.secret = secret
        self.now = time.time
        self.ids: list[str] = []

    async def answer(self, at: str, request: web.Request, body: bytes) -> web.Response:
        """204 for what is signed, 401 for what is not, 400 for what is no event."""
        if request.path != self.endpoint:
            return web.Response(status=404)
        if request.method != "POST":
            return web.Response(status=405)
        if (wrong := self._unverified(request, body)) is not None:
            return web.Response(status=401, text=wrong)
        try:
            told = json.loads(body)
            if set(told) != {"type", "timestamp", "data"} or not told["type"].startswith("mongosweep."):
                raise KeyError
        except (ValueError, KeyError, AttributeError):
            return web.Response(status=400)
        identity = request.headers["webhook-id"]
        if identity not in self.ids:
            self.keep([body])
        self.ids.append(identity)
        return web.Response(status=204)

    def _unverified(self, request: web.Request, body: bytes) -> str | None:
        try:
            identity, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
            signatures = request.headers["webhook-signature"].split(" ")
        except KeyError as missing:
            return f"there is no header {missing}"
        if not stamp.isdigit() or abs(self.now() - int(stamp)) > TOLERANCE:
            return "the time is not now"
        key = base64.b64decode(self.secret.split("_", 1)[1])
        mac = hmac.new(key, b".".join((identity.encode(), stamp.encode(), body)), hashlib.sha256)
        expected = f"v1,{base64.b64encode(mac.digest()).decode()}"
        if not any(hmac.compare_digest(expected, each) for each in signatures):
            return "the signature is not ours"
        return None


def main() -> None:
    """Be one, in a process of its own."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--secret", default=SECRET)
    run(lambda given: HookReceiver(given.into, given.secret), options)


if __name__ == "__main__":
    main()
