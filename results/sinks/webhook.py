"""Events to any address: one POST each, signed as Standard Webhooks says.

`webhook-id` is the event's id, so that a receiver drops a second copy; `webhook-timestamp` is the attempt's.
The body is `{"type", "timestamp", "data"}`, of the types `mongosweep.change.opened`, `mongosweep.run.ended` …
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from results.events.event import ChangeEvent, RunEvent
from results.formats.json_text import as_json
from results.ledger.tracked import TrackedExposure
from results.sinks.http import Endpoint, HttpClient, raise_unless_answered
from results.sinks.sink import Answer, Limits, StoppedError, TooLargeError, UnfitEventError
from results.webhook_signature import key_of, signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from results.events.event import Event
    from results.formats.fields import Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

_ID: Final = re.compile(r"[!-~]{1,200}")


class WebhookOptions(Struct, frozen=True, kw_only=True):
    """An address, and the secret that it shares with us; "" signs nothing."""

    endpoint: Endpoint
    secret: str = ""

    def __post_init__(self) -> None:
        key_of(self.secret)

    def __repr__(self) -> str:
        return f"WebhookOptions({self.endpoint!r})"


class WebhookSink:
    """One address."""

    kind = "webhook"
    limits = Limits(events=1, bytes=256 * 1024, event_bytes=256 * 1024, in_flight=8)

    def __init__(
        self,
        name: str,
        options: WebhookOptions,
        format: Format,  # noqa: A002
        sender: Sender,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.place = options.endpoint.origin
        self._options = options
        self._format = format
        self._sender = sender
        self._clock = clock
        self._client = HttpClient(options.endpoint, [options.secret])

    def render(self, event: Event, line: bytes) -> bytes | None:
        """The body; a native line stands in it byte for byte."""
        if isinstance(event, TrackedExposure):
            return None
        if not _ID.fullmatch(event.event_id):
            raise UnfitEventError("its id cannot stand in a header")
        native = self._format.name == "native"
        document = line if native else self._format.document(event, self._sender)
        if document is None:
            return None
        if "json" not in self._format.media_type:
            document = msgspec.json.encode(document.decode())
        if isinstance(event, RunEvent):
            kind, at = f"run.{event.kind}", event.at
        elif isinstance(event, ChangeEvent):
            kind, at = f"change.{event.kind}", event.at
        else:
            kind, at = "observation", event.observed_at
        head = as_json({"type": f"mongosweep.{kind}", "timestamp": at})[:-1]
        return b'%b,"data":%b}' % (head, document)

    async def send(self, items: Sequence[Item]) -> Answer:
        """One request an event, in their order."""
        said = ""
        refused = {}
        for position, item in enumerate(items):
            said, why = await self._send(item)
            if why:
                refused[position] = why
        return Answer(said, refused=refused)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _send(self, item: Item) -> tuple[str, str]:
        """What was answered, and why it will never be taken."""
        headers = {
            "Content-Type": "application/json",
            **signed_headers(item.event_id, int(self._clock()), item.body, self._options.secret),
        }
        answer = await self._client.post(self._options.endpoint.url, item.body, headers)
        said = f"{self.place} answered {answer.status}"
        if 200 <= answer.status < 300:
            return said, ""
        if answer.status == 410:
            raise StoppedError(f"{said}: it wants no more events; take this sink out, or put its url right")
        raise_unless_answered(self._client, answer)
        if answer.status == 413:
            raise TooLargeError(f"{said}: the event is too large for it")
        return said, said
