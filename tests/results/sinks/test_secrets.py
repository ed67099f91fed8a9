"""What a sink proves itself with stands in nothing that it produces, whatever the other side makes of it."""

from __future__ import annotations

import base64
import logging
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from results.sinks.elastic import ElasticOptions, ElasticSink
from results.sinks.http import Endpoint
from results.sinks.sentinel import SentinelOptions, SentinelSink
from results.sinks.sink import StoppedError, TooLargeError, UnavailableError
from results.sinks.splunk import SplunkOptions, SplunkSink
from results.sinks.webhook import WebhookOptions, WebhookSink
from tests.support.receivers import bulk, hec, hook, ingestion
from tests.support.receivers.sent import NATIVE, SENDER, change_event, items_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.sinks.sink import Sink
    from tests.support.receivers.serving import Receiver

FAULTS = [
    *(f"echo {status}" for status in (200, 307, 400, 401, 403, 404, 410, 413, 422, 429, 500, 503)),
    *("reset", "close", "half", "garbage", "large", "redirect"),
]


def _splunk(origin: str) -> tuple[Sink, object, list[str]]:
    options = SplunkOptions(endpoint=_endpoint(origin), token=hec.TOKEN, acknowledge_within=0.1)
    return SplunkSink("s", options, NATIVE, SENDER), options, [hec.TOKEN]


def _elastic(origin: str) -> tuple[Sink, object, list[str]]:
    options = ElasticOptions(endpoint=_endpoint(origin), api_key=bulk.API_KEY)
    return ElasticSink("s", options, NATIVE, SENDER), options, [bulk.API_KEY]


def _elastic_login(origin: str) -> tuple[Sink, object, list[str]]:
    user, password = bulk.LOGIN
    options = ElasticOptions(endpoint=_endpoint(origin), user=user, password=password)
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return ElasticSink("s", options, NATIVE, SENDER), options, [password, pair]


def _webhook(origin: str) -> tuple[Sink, object, list[str]]:
    options = WebhookOptions(endpoint=_endpoint(f"{origin}/hook"), secret=hook.SECRET)
    return WebhookSink("s", options, NATIVE, SENDER), options, [hook.SECRET]


def _sentinel(origin: str) -> tuple[Sink, object, list[str]]:
    options = SentinelOptions(
        endpoint=_endpoint(origin),
        tenant=ingestion.TENANT,
        client_id=ingestion.CLIENT,
        client_secret=ingestion.SECRET,
        rule_id=ingestion.RULE,
        authority=origin,
    )
    secrets = [ingestion.SECRET, quote_plus(ingestion.SECRET), "eyJ0eXAi"]
    return SentinelSink("s", options, NATIVE, SENDER), options, secrets


def _endpoint(url: str) -> Endpoint:
    return Endpoint(url=f"{url}?key=k3y-of-the-url", insecure=True, timeout=2.0)


@pytest.mark.parametrize(
    ("make", "receive", "endpoints"),
    [
        (_splunk, hec.HecReceiver, ("events", "ack")),
        (_elastic, bulk.BulkReceiver, ("events",)),
        (_elastic_login, bulk.BulkReceiver, ("events",)),
        (_webhook, hook.HookReceiver, ("events",)),
        (_sentinel, ingestion.IngestionReceiver, ("events", "token")),
    ],
)
async def test_no_secret_in_anything(
    make: Callable[[str], tuple[Sink, object, list[str]]],
    receive: Callable[[], Receiver],
    endpoints: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver = receive()
    produced: list[Any] = []
    async with receiver.serving():
        sink, options, secrets = make(receiver.origin)
        for at in endpoints:
            for fault in FAULTS:
                receiver.heal()
                if at == "ack":
                    receiver.acknowledge = True  # type: ignore[attr-defined]
                if at == "token":
                    await sink.close()
                    sink, options, secrets = make(receiver.origin)
                receiver.fail(fault, fault, at=at)
                try:
                    produced.append(await sink.send(items_of(sink, [change_event()])))
                except (StoppedError, TooLargeError, UnavailableError) as error:
                    produced += [*traceback.format_exception(error), repr(error), repr(error.__context__)]
        produced += [repr(sink), sink.place, repr(options), repr(vars(sink).get("_client"))]
        await sink.close()
    produced += [caplog.text, *capfd.readouterr()]
    text = "\n".join(str(each) for each in produced)
    assert len(produced) > len(FAULTS)
    for secret in [*secrets, "k3y-of-the-url"]:
        assert secret not in text
