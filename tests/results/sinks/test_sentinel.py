"""Rows for Microsoft Sentinel: tokens, the rule's answers, and an array that stays within its bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from results.formats.registry import format_named
from results.sinks.http import Endpoint
from results.sinks.sentinel import SentinelOptions, SentinelSink
from results.sinks.sink import Item, StoppedError, TooLargeError, UnavailableError, UnfitEventError
from tests.support.exposures import exposure
from tests.support.receivers.ingestion import (
    CLIENT,
    MOST_BYTES,
    RULE,
    SECRET,
    STREAM,
    TENANT,
    IngestionReceiver,
)
from tests.support.receivers.sent import PLAIN, SENDER, change_event, items_of, run_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from results.sinks.sink import Answer


class Sentinel:
    """A receiver and a sink that sends to it. `now` is the sink's clock."""

    def __init__(self, receiver: IngestionReceiver) -> None:
        self.receiver = receiver
        self.sinks: list[SentinelSink] = []
        self.now = 0.0

    def options(self, **changes: Any) -> SentinelOptions:
        """Options that are right, but for these."""
        given: dict[str, Any] = {
            "endpoint": changes.get("endpoint")
            or Endpoint(url=self.receiver.origin, insecure=True, timeout=5.0),
            "tenant": TENANT,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "rule_id": RULE,
            "stream": STREAM,
            "authority": self.receiver.origin,
        }
        return SentinelOptions(**given | changes)

    def sink(self, **changes: Any) -> SentinelSink:
        """A sink with these options."""
        options = self.options(**changes)
        made = SentinelSink("soc", options, format_named("sentinel"), SENDER, lambda: self.now)
        self.sinks.append(made)
        return made

    def asked(self, at: str) -> int:
        """How often the token endpoint or the rule was asked."""
        paths = [request.path for request in self.receiver.seen]
        return sum(("oauth2" in path) == (at == "token") for path in paths)


@pytest.fixture
async def sentinel() -> AsyncIterator[Sentinel]:
    """A rule with one stream, and sinks to it."""
    receiver = IngestionReceiver()
    async with receiver.serving():
        made = Sentinel(receiver)
        yield made
        for sink in made.sinks:
            await sink.close()


async def test_rows_arrive_and_the_token_is_kept(sentinel: Sentinel) -> None:
    sink = sentinel.sink()
    for number in range(3):
        answer = await sink.send(items_of(sink, [change_event(number), run_event()]))
        assert (answer.said, answer.refused) == (f"{sink.place} answered 204", {})
    changed, ended = sentinel.receiver.taken[:2]
    assert changed["Kind"] == "opened"
    assert changed["Databases"] == ["shop", "a\r\nb\u202e"]
    assert (ended["Kind"], ended["State"], ended["ServersOpen"]) == ("ended", "complete", 0)
    assert sentinel.asked("token") == 1


async def test_sendings_at_once_share_one_token(sentinel: Sentinel) -> None:
    sink = sentinel.sink()
    await asyncio.gather(*(sink.send(items_of(sink, [change_event(number)])) for number in range(4)))
    assert sentinel.asked("token") == 1


async def test_a_token_is_renewed_before_its_end(sentinel: Sentinel) -> None:
    sink = sentinel.sink()
    items = items_of(sink, [change_event()])
    for now, tokens in ((0.0, 1), (3298.0, 1), (3300.0, 2)):
        sentinel.now = now
        await sink.send(items)
        assert sentinel.asked("token") == tokens


async def test_a_token_that_is_not_accepted_any_more_is_renewed_once(sentinel: Sentinel) -> None:
    sink = sentinel.sink()
    items = items_of(sink, [change_event()])
    await sink.send(items)
    sentinel.receiver.revoke()
    await sink.send(items)
    assert (sentinel.asked("token"), sentinel.asked("events")) == (2, 3)
    sentinel.receiver.fail("401", "401")
    with pytest.raises(StoppedError, match="answered 401"):
        await sink.send(items)
    assert sentinel.asked("token") == 3


async def test_a_role_that_is_missing_stops_and_says_which(sentinel: Sentinel) -> None:
    sentinel.receiver.role = False
    sink = sentinel.sink()
    with pytest.raises(StoppedError, match=r"answered 403: OperationFailed: .*Monitoring Metrics Publisher"):
        await sink.send(items_of(sink, [change_event()]))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"client_secret": "wr0ng"}, "gave no token: invalid_client AADSTS7000215; put tenant"),
        ({"client_id": "other"}, "gave no token: unauthorized_client AADSTS700016"),
        ({"tenant": "other"}, "gave no token: invalid_request AADSTS90002"),
        ({"rule_id": "dcr-other"}, "answered 404"),
        ({"stream": "Custom-Other_CL"}, "answered 404: NotFound: Data collection rule not found"),
    ],
)
async def test_what_is_not_known_there_stops(sentinel: Sentinel, changes: dict[str, str], why: str) -> None:
    sink = sentinel.sink(**changes)
    with pytest.raises(StoppedError, match=why) as caught:
        await sink.send(items_of(sink, [change_event()]))
    told = str(caught.value) + repr(sentinel.options(**changes)) + repr(sink) + sink.place
    assert "wr0ng" not in told
    assert SECRET not in told


@pytest.mark.parametrize("at", ["events", "token"])
@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        *[("429 Retry-After: 7", 7.0), ("503", None), ("500", None), ("reset", None), ("close", None)],
        ("garbage", None),  # 200, and a page of somebody else's
    ],
)
async def test_what_is_not_known_to_have_arrived_is_sent_again(
    sentinel: Sentinel, at: str, fault: str, wait: float | None
) -> None:
    sentinel.receiver.fail(fault, at=at)
    sink = sentinel.sink()
    items = items_of(sink, [change_event()])
    with pytest.raises(UnavailableError) as caught:
        await sink.send(items)
    assert caught.value.wait == wait
    assert (await sink.send(items)).refused == {}
    assert [row["EventId"] for row in sentinel.receiver.taken] == [items[0].event_id]


@pytest.mark.parametrize("fault", ["garbage", "half", "large"])
async def test_a_token_endpoint_that_gives_none(sentinel: Sentinel, fault: str) -> None:
    sentinel.receiver.fail(fault, at="token")
    sink = sentinel.sink()
    with pytest.raises(UnavailableError):
        await sink.send(items_of(sink, [change_event()]))


async def test_an_array_within_the_limits_is_taken(sentinel: Sentinel) -> None:
    sink = sentinel.sink()
    row = b'{"TimeGenerated":"2026-03-08T08:30:00.250Z","State":"%b"}'
    size = sink.limits.bytes // sink.limits.events
    many = [Item(str(number), "", row % (b"x" * (size - len(row) + 2))) for number in range(1000)]
    assert sink.limits.bytes - 1000 < sum(len(item.body) for item in many) <= sink.limits.bytes
    await sink.send(many)
    one = Item("1", "", row % (b"x" * (sink.limits.event_bytes - len(row) + 2)))
    assert len(one.body) == MOST_BYTES - 2
    await sink.send([one])
    sentinel.receiver.most_bytes -= 1
    with pytest.raises(TooLargeError):
        await sink.send([one])


async def test_a_row_that_does_not_fit_is_found(sentinel: Sentinel) -> None:
    sink = sentinel.sink()
    items = items_of(sink, [change_event(1), change_event(2)])
    items[1] = items[1]._replace(body=b'{"TimeGenerated":"yesterday"}')
    with pytest.raises(TooLargeError, match="InvalidRecord"):
        await sink.send(items)
    answer: Answer = await sink.send(items[1:])
    assert "400: InvalidRecord: A record does not fit" in answer.refused[0]


def test_what_is_no_row() -> None:
    options = Sentinel(IngestionReceiver()).options(
        endpoint=Endpoint(url="https://dce.example.com"), authority="https://login.example.com"
    )
    sink = SentinelSink("soc", options, PLAIN, SENDER)
    with pytest.raises(UnfitEventError, match="which words is not"):
        sink.render(change_event(), b"{}")
    assert sink.render(run_event(), b"{}") is None
    assert sink.render(exposure(), b"{}") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"client_secret": ""}, "the client's secret is empty"),
        ({"tenant": "a/b"}, "tenant is empty or no name of Azure's; write it as the portal shows it"),
        ({"rule_id": ""}, "rule_id is empty"),
        ({"stream": "a b"}, "stream is empty"),
    ],
)
def test_options_that_are_none(changes: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Sentinel(IngestionReceiver()).options(endpoint=Endpoint(url="https://dce.example.com"), **changes)


def test_an_authority_in_the_clear_is_refused() -> None:
    options = Sentinel(IngestionReceiver()).options(
        endpoint=Endpoint(url="https://dce.example.com"), authority="http://login.example.com"
    )
    with pytest.raises(ValueError, match=r"login\.example\.com is not encrypted"):
        SentinelSink("soc", options, PLAIN, SENDER)
