"""What is asked and sent over HTTP leaves no socket behind, however slowly a server lets go."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import results.http_connector
import targets.http_connector
from results.notify.letter import compose
from results.notify.rules import Notice
from results.notify.webhook import Hook, WebhookWay
from results.sinks.http import Endpoint, HttpClient
from targets.https import fetch, https_url
from tests.support.exposures import NOW, exposure
from tests.support.https_server import https_server
from tests.support.receivers.tls import Certificates

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler

ROOT = Path(__file__).resolve().parent.parent
SECRET = "whsec_" + "A" * 32


def fetched(url: str, _: Path) -> None:
    assert fetch(https_url(f"{url}/file"), 1000) == b"{}"


def posted_to_a_webhook(url: str, ca_file: Path) -> None:
    notice = Notice(
        kind="warned",
        owner="web platform",
        to=("web@example.com",),
        language="en",
        exposures=(exposure(),),
        message_id="web-platform.owner.0@example.com",
    )

    async def send() -> None:
        way = WebhookWay(Hook(url=url, secret=SECRET, ca_file=str(ca_file)), asyncio.sleep)
        try:
            assert (await way.send(compose(notice, NOW), lambda: None)).text == "200 OK"
        finally:
            await way.close()

    asyncio.run(send())


def sent_to_a_sink(url: str, ca_file: Path) -> None:
    async def send() -> None:
        client = HttpClient(Endpoint(url=url, ca_file=str(ca_file), proxy_from_environment=False), [])
        try:
            assert (await client.post(url, b"{}", {})).status == 200
        finally:
            await client.close()

    asyncio.run(send())


@pytest.mark.parametrize("asked", [fetched, posted_to_a_webhook, sent_to_a_sink])
def test_a_server_that_does_not_let_go_leaves_no_socket_behind(
    asked: Callable[[str, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a connection that it said is over; a socket that is left is an error once it is collected."""
    certificates = Certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    over = threading.Event()

    def hold(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers.get("Content-Length", 0)))
        request.send_response(200)
        request.send_header("Content-Length", "2")
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(b"{}")
        over.wait()

    with https_server(hold, certificates.right()) as url:
        try:
            asked(url, certificates.ca_file)
            gc.collect()
        finally:
            over.set()


def test_the_two_connectors_are_one() -> None:
    """Twice, because neither package imports anything of the other."""
    assert inspect.getsource(results.http_connector.HttpConnector) == inspect.getsource(
        targets.http_connector.HttpConnector
    )


def test_nothing_asks_by_another_connector() -> None:
    """A session without one makes aiohttp's own."""
    others = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ("targets", "results", "scanner", "mongosweep")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "aiohttp.ClientSession"
        if "connector=HttpConnector(" not in ast.unparse(node)
    ]
    assert not others
