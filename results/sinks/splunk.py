"""Splunk's HTTP Event Collector: envelopes in one body, by gzip, acknowledged by the indexers where the token
asks for that, and what each of its codes means for us.

Facts: Splunk, "Format events for HTTP Event Collector", "Troubleshoot HTTP Event Collector" (the codes) and
"About HTTP Event Collector Indexer Acknowledgment".
"""

from __future__ import annotations

import asyncio
import gzip
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from results.events.event import ChangeEvent, RunEvent
from results.formats.json_text import as_json, milliseconds
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
    from collections.abc import Awaitable, Callable, Sequence

    from results.events.event import Event
    from results.formats.fields import Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

_API: Final = "/services/collector"
_PACKING: Final = 1  # of 1 to 9: JSON becomes a tenth already, and the rest is paid for in time
_FIRST_LOOK: Final = 0.05  # seconds


class SplunkOptions(Struct, frozen=True, kw_only=True):
    """A token of the collector and what its events are marked with. `sourcetype` "" follows the format:
    `mongosweep:event` for native lines, `mongosweep:ecs`, `mongosweep:ocsf` and so on.

    `acknowledge`: an event has arrived when the indexers say so; asked every `acknowledge_every` seconds at
    the latest, given up after `acknowledge_within` (Splunk's and others' practice: 10 s and 5 minutes).
    """

    endpoint: Endpoint
    token: str
    index: str = ""
    source: str = "mongosweep"
    sourcetype: str = ""
    acknowledge: bool = True
    acknowledge_every: float = 10.0
    acknowledge_within: float = 300.0
    gzip: bool = True

    def __post_init__(self) -> None:
        fit_for_header("the token", self.token)

    def __repr__(self) -> str:
        return f"SplunkOptions({self.endpoint!r})"


class SplunkSink:
    """One token of a collector."""

    kind = "splunk"
    limits = Limits(events=500, bytes=512 * 1024, event_bytes=512 * 1024, in_flight=8)

    def __init__(self, name: str, options: SplunkOptions, format: Format, sender: Sender) -> None:  # noqa: A002
        self.name = name
        self.place = options.endpoint.origin
        self._options = options
        self._format = format
        self._sender = sender
        # Only the server that was given an event can acknowledge it.
        self._client = HttpClient(options.endpoint, [options.token], cookies=options.acknowledge)
        path = options.endpoint.url.partition("?")[0].rstrip("/")
        base = path.partition(_API)[0] + _API
        self._event_url, self._ack_url = base + "/event", base + "/ack"
        self._channel = str(uuid.uuid4())
        self._acknowledgements = _Acknowledgements(
            self._acknowledged, self.place, options.acknowledge_every, options.acknowledge_within
        )
        self._acknowledges = options.acknowledge
        self._indexes = True
        self._native = format.name == "native"
        self._json = "json" in format.media_type
        marked = {
            "source": options.source,
            "sourcetype": options.sourcetype or f"mongosweep:{'event' if self._native else format.name}",
            **({"index": options.index} if options.index else {}),
        }
        self._marked = as_json(marked)[1:-1]
        self._host = as_json({"host": sender.host})[1:-1]

    def render(self, event: Event, line: bytes) -> bytes | None:
        """The envelope: a native line stands in it byte for byte."""
        if isinstance(event, TrackedExposure):
            return None
        since = milliseconds(event.observed_at if isinstance(event, Observation) else event.at)
        if since is None:
            raise UnfitEventError("its time is none, such as 2026-03-01T08:30:00.250Z")
        document = line if self._native else self._format.document(event, self._sender)
        if document is None:
            return None
        if not self._json:
            document = msgspec.json.encode(document.decode())
        host = self._host
        if isinstance(event, RunEvent) and event.host:
            host = as_json({"host": event.host})[1:-1]
        fields = b',"fields":%b' % as_json(_indexed(event)) if self._indexes else b""
        head = b'{"time":%d.%03d,%b,%b' % (*divmod(since, 1000), host, self._marked)
        return b'%b,"event":%b%b}' % (head, document, fields)

    async def send(self, items: Sequence[Item]) -> Answer:
        """One request, and where the token asks for it, the wait for the indexers."""
        bodies = [item.body for item in items]
        channel, packed = self._channel, self._options.gzip
        answer = await self._post(self._event_url, b"\n".join(bodies), channel, pack=packed)
        told = _Told.of(answer)
        if told.code == 11:  # the channel, which is ours to choose
            channel = self._channel = str(uuid.uuid4())
        if told.code == 14:
            self._acknowledges = False
        if told.code == 15:
            self._indexes = False
            bodies = [_without_fields(body) for body in bodies]
        if told.code in (10, 11, 14, 15) and answer.status == 400:
            answer = await self._post(self._event_url, b"\n".join(bodies), channel, pack=packed)
            told = _Told.of(answer)
        if (judged := self._judge(answer, told, len(items))) is not None:
            return judged
        if self._acknowledges and told.odd_ack:
            raise UnavailableError(f"{self.place} gave an ackId that is no number")
        if self._acknowledges and told.ack is not None:
            await self._acknowledgements.wait(channel, told.ack)
        return Answer(self._client.told(told.text))

    async def close(self) -> None:
        """Close the connections; whoever waits for an acknowledgement waits no more."""
        await self._acknowledgements.close()
        await self._client.close()

    async def _post(self, url: str, body: bytes, channel: str, *, pack: bool = False) -> HttpAnswer:
        headers = {
            "Authorization": f"Splunk {self._options.token}",
            "Content-Type": "application/json",
            "X-Splunk-Request-Channel": channel,
        }
        if pack:
            body = gzip.compress(body, _PACKING, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return await self._client.post(url, body, headers)

    def _judge(self, answer: HttpAnswer, told: _Told, sent: int) -> Answer | None:
        """None where it was taken. What is neither known nor the fault of us all is halved until one event
        stands alone with it."""
        said = f"{self.place} answered {answer.status}, code {told.code}: {self._client.told(told.text)}"
        if 200 <= answer.status < 300:
            if told.code in _TAKEN:
                return None
            raise UnavailableError(f"{self.place} answered {answer.status}, but not as a collector does")
        if (stop := _STOPS.get(told.code)) is not None:
            raise StoppedError(f"{said}; {stop}")
        if told.code in _LATER:
            raise UnavailableError(said, retry_after(answer.headers), busy=told.code != 8)
        raise_unless_answered(self._client, answer, told.text)
        if answer.status == 413:
            raise TooLargeError(f"{self.place} answered 413: the sending is too large for it")
        if told.code in _INVALID and told.invalid is not None and 0 <= told.invalid < sent:
            rest = frozenset(range(sent)) - {told.invalid}
            return Answer(said, refused={told.invalid: said}, again=rest)
        if sent > 1:
            raise TooLargeError(said)
        return Answer(said, refused={0: said})

    async def _acknowledged(self, channel: str, numbers: Sequence[int]) -> frozenset[int] | None:
        """Which of these the indexers have; None where the token does not tell that any more."""
        body = msgspec.json.encode({"acks": list(numbers)})
        answer = await self._post(f"{self._ack_url}?channel={channel}", body, channel)
        told = _Told.of(answer)
        if told.code == 14:
            self._acknowledges = False
            return None
        if (stop := _STOPS.get(told.code)) is not None and answer.status != 200:
            raise StoppedError(f"{self.place} answered {answer.status}, code {told.code}; {stop}")
        raise_unless_answered(self._client, answer, told.text)
        if answer.status != 200:
            raise UnavailableError(
                f"{self.place} answered {answer.status} to the question for acknowledgement"
            )
        return frozenset(number for number in numbers if told.acks.get(str(number)) is True)


_TAKEN: Final = frozenset({0, 24, 25})  # the last two: taken, and its queues are nearly full
_LATER: Final = frozenset({8, 9, 18, 19, 20, 23, 26, 27})
_INVALID: Final = frozenset({5, 6, 12, 13, 15})
_STOPS: Final[dict[int | None, str]] = {
    1: "the token is disabled: have it enabled",
    2: "no token arrived: something on the way takes it out",
    3: "the token is not read as one: write it as Splunk shows it",
    4: "the token is not known there: write the one that Splunk shows",
    7: "the token may not write to this index: write another, or have it allowed",
    10: "no channel arrived: something on the way takes X-Splunk-Request-Channel out",
    11: "the channel is not accepted: something on the way changes X-Splunk-Request-Channel",
    14: "acknowledgement is asked for and disabled at once: look at the token's settings",
    16: "take the token out of the url",
    21: "the token is not known there: write the one that Splunk shows",
    22: "the token is disabled: have it enabled",
}


def _indexed(event: RunEvent | ChangeEvent | Observation) -> dict[str, str]:
    """What is found without reading the event: text, and none of it a server's."""
    told: dict[str, str]
    if isinstance(event, RunEvent):
        told = {"kind": event.kind, "state": event.state}
    elif isinstance(event, ChangeEvent):
        owner = event.snapshot.owner.owner
        told = {"kind": event.kind, "exposure_id": event.exposure_id, "owner": owner}
    else:
        told = {"kind": "observation", "finding_id": event.finding_id, "owner": event.owner.owner}
    told |= {"event_id": event.event_id, "run_id": event.run_id, "severity": event.severity.value}
    return {name: value for name, value in told.items() if value}


class _Envelope(Struct):
    """An envelope that is written once more, without its fields."""

    time: msgspec.Raw
    host: msgspec.Raw
    source: msgspec.Raw
    sourcetype: msgspec.Raw
    event: msgspec.Raw
    index: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _without_fields(body: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body, type=_Envelope))


class _Told(Struct, frozen=True):
    """The body of an answer, as far as it is one of the collector's."""

    code: int | None = None
    text: str = ""
    invalid: int | None = None
    ack: int | None = None
    odd_ack: bool = False
    acks: dict[str, Any] = {}

    @classmethod
    def of(cls, answer: HttpAnswer) -> _Told:
        try:
            told = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return cls()
        if not isinstance(told, dict):
            return cls()

        def number(name: str) -> int | None:
            value = told.get(name)
            return value if isinstance(value, int) and not isinstance(value, bool) else None

        text, acks, ack = told.get("text"), told.get("acks"), told.get("ackId")
        if isinstance(ack, str) and ack.isascii() and ack.isdigit():  # as a gateway may write it
            told["ackId"] = int(ack[:18])
        return cls(
            code=number("code"),
            text=text if isinstance(text, str) else "",
            invalid=number("invalid-event-number"),
            ack=number("ackId"),
            odd_ack=ack is not None and number("ackId") is None,
            acks=acks if isinstance(acks, dict) else {},
        )


class _Acknowledgements:
    """Asks for all that is not acknowledged yet in one question: soon after something came or went, then ever
    more rarely. `ask` gives the numbers of a channel that the indexers have, or None where nobody tells."""

    def __init__(
        self,
        ask: Callable[[str, Sequence[int]], Awaitable[frozenset[int] | None]],
        place: str,
        every: float,
        within: float,
    ) -> None:
        self._ask = ask
        self._place, self._every, self._within = place, every, within
        self._waiting: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = False

    async def wait(self, channel: str, number: int) -> None:
        """Until the indexers have it. Raises `UnavailableError` when they do not say so in time."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[channel, number] = future
        self._changed = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._until_nobody_waits())
        try:
            async with asyncio.timeout(self._within):
                await future
        except TimeoutError:
            raise UnavailableError(f"{self._place} did not acknowledge in {self._within:g} seconds") from None
        finally:
            self._waiting.pop((channel, number), None)

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _until_nobody_waits(self) -> None:
        pause = first = min(_FIRST_LOOK, self._every)
        while self._waiting:
            pause = first if self._changed else min(2 * pause, self._every)
            self._changed = False
            await asyncio.sleep(pause)
            try:
                for channel in {channel for channel, _ in self._waiting}:
                    await self._look(channel)
            except UnavailableError:
                continue  # those who wait know how long they do
            except StoppedError as stopped:
                for future in self._waiting.values():
                    if not future.done():
                        future.set_exception(stopped)
                return

    async def _look(self, channel: str) -> None:
        asked = [number for at, number in self._waiting if at == channel]
        done = await self._ask(channel, asked)
        for number in asked if done is None else done:
            future = self._waiting.get((channel, number))
            if future is not None and not future.done():
                future.set_result(None)
                self._changed = True
