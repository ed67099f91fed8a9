"""A server of HTTP/1.0 over TLS on loopback, in a thread of its own, that answers as a test says."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # each answer is over when the server is

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of the test's."""


@contextlib.contextmanager
def https_server(answer: Callable[[BaseHTTPRequestHandler], None], context: ssl.SSLContext) -> Iterator[str]:
    """Its address, `https://127.0.0.1:PORT`. `answer` is called for each GET and POST."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
            """Says nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
