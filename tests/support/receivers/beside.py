"""A receiver in a thread of its own, so that a test can run whole programs beside it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from tests.support.receivers.serving import Receiver


@contextlib.contextmanager
def beside(receiver: Receiver, context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[None]:
    """Serve while the context lasts."""
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with receiver.serving(context, port):
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="receiver")
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
