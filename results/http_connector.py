"""The connections over which events and letters are sent by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey


class HttpConnector(aiohttp.TCPConnector):
    """One that leaves nothing open when its loop ends.

    aiohttp 3.14 ends TLS on a connection that is not kept with a close_notify, waits for the server's in
    the background and forgets about it, so a loop that ends meanwhile leaves the socket behind. Who asked has
    the answer by then: such a connection is dropped. Those that are kept are dropped by aiohttp itself.

    It stands in `targets` and in `results`, word for word, because neither may import anything of the other.
    """

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        transport = protocol.transport
        super()._release(key, protocol, should_close=should_close)
        if transport is not None and transport.is_closing():
            transport.abort()
