"""Elasticsearch and OpenSearch: `_bulk`, each event made with its own id, and what became of each one.

Facts: Elastic, "Bulk API" and "Use a data stream" (only `create` is taken there). A repeated id is answered
with 409, and was delivered before; within one backing index: a repeat across a rollover stands twice.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from results.formats.json_text import as_json, time_of
from results.ledger.tracked import TrackedExposure
from results.record import Observation
from results.sinks.http import (
    Endpoint,
    HttpAnswer,
    HttpClient,
    fit_for_header,
    raise_unless_answered,
    retry_after,
)
from results.sinks.sink import Answer, Limits, StoppedError, TooLargeError, UnavailableError, UnfitEventError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.events.event import Event
    from results.formats.fields import Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

# Only what is judged, so that the answer about many events is a short one.
_WANTED: Final = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,error,status"


class ElasticOptions(Struct, frozen=True, kw_only=True):
    """An index or data stream, and who writes to it: `api_key` as Elastic shows it (encoded, or `id:key`), or
    a user and password."""

    endpoint: Endpoint
    api_key: str = ""
    user: str = ""
    password: str = ""
    index: str = "logs-mongosweep.events-default"

    def __post_init__(self) -> None:
        if self.api_key:
            fit_for_header("the API key", self.api_key)
        # Elasticsearch's own rules for names, as far as they keep the URL one.
        if not self.index or self.index[0] in "-_+." or set(self.index) - _INDEX:
            raise ValueError(
                "the index is no name of one; write lower case letters, digits, '.', '_' and '-', such as "
                "logs-mongosweep.events-default"
            )

    def __repr__(self) -> str:
        return f"ElasticOptions({self.endpoint!r}, index={self.index!r})"


_INDEX: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


class ElasticSink:
    """One index."""

    kind = "elastic"
    limits = Limits(events=500, bytes=1024 * 1024, event_bytes=512 * 1024, in_flight=4)

    def __init__(self, name: str, options: ElasticOptions, format: Format, sender: Sender) -> None:  # noqa: A002
        self.name = name
        self.place = f"{options.endpoint.origin}/{options.index}"
        self._format = format
        self._sender = sender
        self._json = "json" in format.media_type
        self._native = format.name == "native"
        authorisation = _authorisation(options)
        secrets = [options.api_key, options.password, authorisation.partition(" ")[2]]
        self._client = HttpClient(options.endpoint, secrets)
        base = options.endpoint.url.partition("?")[0].rstrip("/").removesuffix("/_bulk")
        self._url = f"{base}/{options.index}/_bulk?{_WANTED}"
        self._headers = {"Content-Type": "application/x-ndjson"}
        if authorisation:
            self._headers["Authorization"] = authorisation

    def render(self, event: Event, line: bytes) -> bytes | None:
        """The action and the document, a line each. A data stream wants `@timestamp` in every one."""
        if isinstance(event, TrackedExposure):
            return None
        at = time_of(event.observed_at if isinstance(event, Observation) else event.at)
        if not at:
            raise UnfitEventError("its time is none, such as 2026-03-01T08:30:00.250Z")
        document = line if self._native else self._format.document(event, self._sender)
        if document is None:
            return None
        if b"\n" in document and self._json:
            document = msgspec.json.format(document, indent=-1)
        if not self._json:
            document = msgspec.json.encode({"@timestamp": at, "message": document.decode()})
        elif not _has_timestamp(document):
            document = b'{"@timestamp":"%b",%b' % (at.encode(), document.lstrip()[1:])
        return b"%b\n%b\n" % (as_json({"create": {"_id": event.event_id}}), document)

    async def send(self, items: Sequence[Item]) -> Answer:
        """One request; items are answered in its order."""
        body = b"".join(item.body for item in items)
        answer = await self._client.post(self._url, body, self._headers)
        raise_unless_answered(self._client, answer, _reason_of(answer))
        if answer.status == 413:
            raise TooLargeError(f"{self.place} answered 413: the sending is too large for it")
        if not 200 <= answer.status < 300:
            said = f"{self.place} answered {answer.status}: {self._client.told(_reason_of(answer))}"
            if len(items) > 1:
                raise TooLargeError(said)
            return Answer(said, refused={0: said})
        if answer.cut and len(items) > 1:
            raise TooLargeError(f"the answer of {self.place} is too long; fewer events have a shorter one")
        return self._judged(answer, _told(answer), len(items))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _judged(self, answer: HttpAnswer, told: list[_Item], sent: int) -> Answer:
        if len(told) != sent:
            raise UnavailableError(f"{self.place} answered {answer.status}, but not about each event")
        refused: dict[int, str] = {}
        again: set[int] = set()
        for position, item in enumerate(told):
            status, error = item.status, item.error
            if 200 <= status < 300 or status == 409:
                continue
            words = f"{self.place} answered {status}: {self._client.told(_words(error))}"
            blocked = (
                isinstance(error, _Error) and error.type == "cluster_block_exception"
            )  # its disk is full
            if status == 429 or status >= 500 or blocked:
                again.add(position)
            elif status in (401, 403, 404):
                raise StoppedError(
                    f"{words}; give the key the privilege create_doc on this index, or make it"
                )
            else:
                refused[position] = words
        taken = sent - len(refused) - len(again)
        wait = retry_after(answer.headers) if again else None
        return Answer(f"{taken} of {sent} taken", refused=refused, again=frozenset(again), wait=wait)


def _authorisation(options: ElasticOptions) -> str:
    if key := options.api_key:
        return f"ApiKey {base64.b64encode(key.encode()).decode() if ':' in key else key}"
    if options.user:
        pair = f"{options.user}:{options.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    return ""


def _has_timestamp(document: bytes) -> bool:
    """Whether the document's own first level has one; names below it count for nothing."""
    if b'"@timestamp"' not in document:
        return False
    return "@timestamp" in msgspec.json.decode(document, type=dict[str, msgspec.Raw])


class _Error(Struct):
    type: str | None = None
    reason: str | None = None


class _Item(Struct):
    status: int
    error: _Error | str | None = None


class _Bulk(Struct):
    items: list[dict[str, _Item]]


class _Whole(Struct):
    error: _Error | str | None = None


_NOT_SUCH: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _told(answer: HttpAnswer) -> list[_Item]:
    """What is said of each item; empty where it is no answer of `_bulk`."""
    try:
        told = msgspec.json.decode(answer.body, type=_Bulk)
    except _NOT_SUCH:
        return []
    return [item for each in told.items for item in each.values()]


def _reason_of(answer: HttpAnswer) -> str:
    """Why the whole was not taken, as it says; "" where it does not."""
    try:
        return _words(msgspec.json.decode(answer.body, type=_Whole).error)
    except _NOT_SUCH:
        return ""


def _words(error: _Error | str | None) -> str:
    if isinstance(error, _Error):
        return ": ".join(each for each in (error.type, error.reason) if each)
    return error or ""
