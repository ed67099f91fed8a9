"""Every hostile text in every field of an event, over every sink that speaks HTTP: it arrives equal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from results.events.event import ChangeEvent, RunEvent
from results.formats.format import UnfitError
from results.formats.registry import format_named
from results.ledger.tracked import TrackedExposure
from results.lines import json_line
from results.record import Observation, Owner
from results.sinks.elastic import ElasticOptions, ElasticSink
from results.sinks.http import Endpoint
from results.sinks.sentinel import SentinelOptions, SentinelSink
from results.sinks.sink import Item, UnfitEventError
from results.sinks.splunk import SplunkOptions, SplunkSink
from results.sinks.webhook import WebhookOptions, WebhookSink
from tests.results.injections import INJECTIONS
from tests.support.receivers import bulk, hec, hook, ingestion
from tests.support.receivers.sent import SENDER
from tests.support.told import AT, change, hostile, run_event, seen_open

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from results.sinks.sink import Sink
    from tests.support.receivers.serving import Receiver

Sent = RunEvent | ChangeEvent | Observation
LONE = "\ud800"


def texts() -> list[str]:
    """The corpus of injections, as long as a name in an event can be."""
    return [*(str(text)[:256] for text in INJECTIONS), "\u202e", "\x00", "\x7f\x9b31m"]


def events() -> Iterator[Sent]:
    """Events that are hostile wherever they can be, and some that any format takes: with an address,
    at a time, with ids."""
    for number, text in enumerate(texts()):
        yield from (event for event in hostile(text) if not isinstance(event, TrackedExposure))
        owner = Owner(owner=text, contact=text, labels={text: text})
        names = {"databases": [text], "hostnames": [text], "names": [text], "ransom_names": [text]}
        yield change(event_id=f"mc_{number}", owner=owner, product=text, vantage=text, **names)
        yield run_event(event_id=f"mr_{number}", run_id=text, host=text, reasons=[text], organisation=text)
        yield seen_open(event_id=f"mo_{number}", owner=owner, vantage=text)


def _splunk(origin: str, name: str) -> Sink:
    endpoint = Endpoint(url=origin, insecure=True)
    return SplunkSink("s", SplunkOptions(endpoint=endpoint, token=hec.TOKEN), format_named(name), SENDER)


def _elastic(origin: str, name: str) -> Sink:
    endpoint = Endpoint(url=origin, insecure=True)
    return ElasticSink(
        "s", ElasticOptions(endpoint=endpoint, api_key=bulk.API_KEY), format_named(name), SENDER
    )


def _webhook(origin: str, name: str) -> Sink:
    endpoint = Endpoint(url=f"{origin}/hook", insecure=True)
    return WebhookSink("s", WebhookOptions(endpoint=endpoint, secret=hook.SECRET), format_named(name), SENDER)


def _sentinel(origin: str, name: str) -> Sink:
    options = SentinelOptions(
        endpoint=Endpoint(url=origin, insecure=True),
        tenant=ingestion.TENANT,
        client_id=ingestion.CLIENT,
        client_secret=ingestion.SECRET,
        rule_id=ingestion.RULE,
        authority=origin,
    )
    return SentinelSink("s", options, format_named(name), SENDER)


SINKS: list[tuple[Callable[[str, str], Sink], Callable[[], Receiver], Callable[[Any], Any], str]] = [
    (_splunk, hec.HecReceiver, lambda told: told["event"], "native"),
    (_splunk, hec.HecReceiver, lambda told: told["event"], "ecs"),
    (_splunk, hec.HecReceiver, lambda told: told["event"], "cef"),
    (_elastic, bulk.BulkReceiver, lambda told: told, "ecs"),
    (_elastic, bulk.BulkReceiver, lambda told: told, "native"),
    (_webhook, hook.HookReceiver, lambda told: told["data"], "native"),
    (_webhook, hook.HookReceiver, lambda told: told["data"], "ocsf"),
    (_sentinel, ingestion.IngestionReceiver, lambda told: told, "sentinel"),
]


@pytest.mark.parametrize(("make", "receive", "inner", "name"), SINKS)
async def test_hostile_text_comes_back_equal(
    make: Callable[[str, str], Sink], receive: Callable[[], Receiver], inner: Callable[[Any], Any], name: str
) -> None:
    receiver, made = receive(), format_named(name)
    async with receiver.serving():
        sink = make(receiver.origin, name)
        items: list[Item] = []
        expected: list[bytes] = []
        for event in events():
            try:
                line = json_line(event)[:-1]
            except UnicodeEncodeError:  # no line can hold half a surrogate; see below
                continue
            try:
                body = sink.render(event, line)
            except (UnfitEventError, UnfitError):
                continue
            if body is None or event.event_id in {item.event_id for item in items}:
                continue
            document = line if name == "native" else made.document(event, SENDER)
            assert document is not None
            items.append(Item(event.event_id, AT, body))
            expected.append(document)
        assert len(items) >= 2 * len([text for text in texts() if LONE not in text])
        for at in range(0, len(items), sink.limits.events):
            answer = await sink.send(items[at : at + sink.limits.events])
            assert (answer.refused, answer.again) == ({}, frozenset())
        await sink.close()
    assert receiver.count == len(items)
    for told, document in zip(receiver.taken, expected, strict=True):
        if name == "cef":
            assert inner(told) == document.decode()
            continue
        came = inner(told)
        if "@timestamp" not in (sent := json.loads(document)):
            came.pop("@timestamp", None)
        assert came == sent


@pytest.mark.parametrize("make", [_splunk, _elastic, _webhook, _sentinel])
def test_half_a_surrogate_breaks_nothing(make: Callable[[str, str], Sink]) -> None:
    """Of a file that somebody edited; the line then is what its reader made of it."""
    sink = make("http://127.0.0.1:9", "sentinel" if make is _sentinel else "ecs")
    for event in (change(hostnames=[LONE]), seen_open(vantage=LONE)):
        body = sink.render(event, b"{}")
        assert body is not None
        body.decode()
    body = sink.render(run_event(host=LONE, run_id=LONE), b"{}")
    assert body is not None
    body.decode()
