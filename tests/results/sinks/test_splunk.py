"""Splunk's collector: envelopes, what each of its codes means, and the wait for the indexers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from results.sinks.http import Endpoint, HttpClient
from results.sinks.sink import StoppedError, TooLargeError, UnavailableError
from results.sinks.splunk import SplunkOptions, SplunkSink
from tests.support.receivers.hec import CODES, TOKEN, HecReceiver, split
from tests.support.receivers.sent import NATIVE, PLAIN, SENDER, change_event, items_of, run_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from results.events.event import ChangeEvent, RunEvent
    from results.formats.format import Format


class Splunk:
    """A receiver and a sink that sends to it."""

    def __init__(self, receiver: HecReceiver) -> None:
        self.receiver = receiver
        self.sinks: list[SplunkSink] = []

    def sink(self, format: Format = NATIVE, timeout: float = 5.0, **options: Any) -> SplunkSink:  # noqa: A002
        """A sink with these options."""
        endpoint = Endpoint(url=self.receiver.origin, insecure=True, timeout=timeout)
        given: dict[str, Any] = {
            "token": TOKEN,
            "acknowledge_every": 0.2,
            "acknowledge_within": 5.0,
        } | options
        self.sinks.append(SplunkSink("soc", SplunkOptions(endpoint=endpoint, **given), format, SENDER))
        return self.sinks[-1]


@pytest.fixture
async def splunk() -> AsyncIterator[Splunk]:
    """A collector that does not acknowledge, and sinks to it."""
    receiver = HecReceiver()
    async with receiver.serving():
        made = Splunk(receiver)
        yield made
        for sink in made.sinks:
            await sink.close()


async def test_events_arrive_in_their_envelopes(splunk: Splunk) -> None:
    sink = splunk.sink(index="security")
    events: list[ChangeEvent | RunEvent] = [change_event(1), run_event()]
    answer = await sink.send(items_of(sink, events))
    assert (answer.said, answer.refused, answer.again) == ("Success", {}, frozenset())
    changed, ended = splunk.receiver.taken
    assert changed["time"] == 1772958600.25
    assert (changed["host"], ended["host"]) == ("probe-1", "probe-7")
    assert changed["source"] == "mongosweep"
    assert (changed["sourcetype"], changed["index"]) == ("mongosweep:event", "security")
    assert changed["event"]["snapshot"]["databases"] == ["shop", "a\r\nb\u202e"]
    assert changed["fields"]["event_id"] == events[0].event_id
    assert splunk.receiver.seen[0].headers["Content-Encoding"] == "gzip"


async def test_an_event_of_text_is_a_string_and_what_has_no_place_is_not_sent(splunk: Splunk) -> None:
    sink = splunk.sink(PLAIN)
    assert sink.render(run_event(), b"{}") is None
    await sink.send(items_of(sink, [change_event()]))
    (told,) = splunk.receiver.taken
    assert (told["event"], told["sourcetype"]) == ('says "so" |é', "mongosweep:words")


async def test_a_native_line_stands_in_it_byte_for_byte(splunk: Splunk) -> None:
    line = rb'{"schema":"mongosweep.change/1","later":{"x":[1.50,"\u202e"]}}'
    body = splunk.sink().render(change_event(), line)
    assert body is not None
    assert b'"event":' + line + b"," in body


@pytest.mark.parametrize(
    "given",
    [
        "https://s.example.com:8088",
        "https://s.example.com:8088/",
        "https://s.example.com:8088/services/collector/event",
    ],
)
def test_the_urls_of_the_collector(given: str) -> None:
    sink = SplunkSink("soc", SplunkOptions(endpoint=Endpoint(url=given), token=TOKEN), NATIVE, SENDER)
    base = "https://s.example.com:8088/services/collector"
    assert (sink._event_url, sink._ack_url) == (f"{base}/event", f"{base}/ack")
    behind = Endpoint(url="https://s.example.com/hec/services/collector?x=y")
    sink = SplunkSink("soc", SplunkOptions(endpoint=behind, token=TOKEN), NATIVE, SENDER)
    assert sink._ack_url == "https://s.example.com/hec/services/collector/ack"


TAKEN = {0, 24, 25}
LATER = {8, 9, 17, 18, 19, 20, 23, 26, 27}
STOPS = {1, 2, 3, 4, 7, 10, 11, 14, 16, 21, 22}
HALVED = {5, 6, 12, 13, 15}


def test_each_documented_code_is_decided_here() -> None:
    assert set(CODES) == TAKEN | LATER | STOPS | HALVED


@pytest.mark.parametrize("code", sorted(CODES))
async def test_what_a_code_means(splunk: Splunk, code: int) -> None:
    """With two events, and again where one is tried again: the code is there to stay."""
    splunk.receiver.fail(f"code {code}", f"code {code}", f"code {code}")
    sink = splunk.sink()
    items = items_of(sink, [change_event(1), change_event(2)])
    if code in TAKEN:
        assert (await sink.send(items)).said == CODES[code][1]
        return
    expected = {**dict.fromkeys(LATER, UnavailableError), **dict.fromkeys(STOPS, StoppedError)}
    with pytest.raises(expected.get(code, TooLargeError)) as caught:
        await sink.send(items)
    assert TOKEN not in str(caught.value)
    splunk.receiver.heal()
    if code in HALVED:
        splunk.receiver.fail(f"code {code}", f"code {code}")
        (reason,) = (await sink.send(items[:1])).refused.values()
        assert CODES[code][1] in reason
    else:
        assert (await sink.send(items)).refused == {}  # whatever it was, it is over


@pytest.mark.parametrize("code", [5, 6, 12, 13, 15])
async def test_the_invalid_event_is_refused_and_the_others_go_again(splunk: Splunk, code: int) -> None:
    splunk.receiver.fail(f"code {code} @1", f"code {code} @1")
    sink = splunk.sink()
    answer = await sink.send(items_of(sink, [change_event(number) for number in range(3)]))
    assert list(answer.refused) == [1]
    assert f"code {code}" in answer.refused[1]
    assert answer.again == {0, 2}


@pytest.mark.parametrize("number", [3, 99])
async def test_an_invalid_event_that_was_not_sent_is_halved(splunk: Splunk, number: int) -> None:
    splunk.receiver.fail(f"code 6 @{number}")
    sink = splunk.sink()
    with pytest.raises(TooLargeError):
        await sink.send(items_of(sink, [change_event(number) for number in range(3)]))


async def test_a_real_invalid_event_is_found_by_the_receiver_itself(splunk: Splunk) -> None:
    sink = splunk.sink()
    items = items_of(sink, [change_event(number) for number in range(4)])
    items[2] = items[2]._replace(body=b'{"event":{"a":1},"unknown":1}')
    answer = await sink.send(items)
    assert (list(answer.refused), sorted(answer.again)) == ([2], [0, 1, 3])
    await sink.send([items[position] for position in sorted(answer.again)])
    ids = [each["event"]["event_id"] for each in splunk.receiver.taken]
    assert set(ids) == {items[position].event_id for position in (0, 1, 3)}


async def test_a_wrong_token_stops_and_is_not_told(splunk: Splunk) -> None:
    sink = splunk.sink(token="wr0ng-t0ken")
    with pytest.raises(
        StoppedError, match="403, code 4: Invalid token; the token is not known there"
    ) as caught:
        await sink.send(items_of(sink, [change_event()]))
    told = [str(caught.value), repr(sink), repr(sink._options), sink.place, repr(caught.value.__context__)]
    assert "wr0ng" not in "".join(told)
    assert splunk.receiver.taken == []


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "tökën"])
def test_a_token_that_fits_in_no_header(token: str) -> None:
    with pytest.raises(ValueError, match="the token is empty, or holds") as caught:
        SplunkOptions(endpoint=Endpoint(url="https://s.example.com"), token=token)
    assert token == "" or token not in str(caught.value)


async def test_a_wrong_index_stops(splunk: Splunk) -> None:
    sink = splunk.sink(index="elsewhere")
    with pytest.raises(StoppedError, match="may not write to this index"):
        await sink.send(items_of(sink, [change_event()]))


async def test_indexed_fields_are_left_out_where_they_are_not_taken(splunk: Splunk) -> None:
    splunk.receiver.takes_fields = False
    sink = splunk.sink(index="main")
    items = items_of(sink, [change_event(1), run_event()])
    assert (await sink.send(items)).refused == {}
    first = splunk.receiver.taken[0]
    assert first["index"] == "main"
    assert first["event"]["snapshot"]["databases"] == ["shop", "a\r\nb\u202e"]
    assert "fields" not in first
    await sink.send(items_of(sink, [change_event(2)]))
    assert len(splunk.receiver.seen) == 3  # it is not tried with fields again


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ("503", None),
        ("429 Retry-After: 7", 7.0),
        ("429 Date: Sun, 08 Mar 2026 12:00:00 GMT; Retry-After: Sun, 08 Mar 2026 12:00:09 GMT", 9.0),
        ("reset", None),
        ("half", None),
        ("taken close", None),
        ("garbage", None),
        ("large", None),
        ("500", None),
    ],
)
async def test_what_is_not_known_to_have_arrived_is_sent_again(
    splunk: Splunk, fault: str, wait: float | None
) -> None:
    splunk.receiver.fail(fault)
    sink = splunk.sink()
    items = items_of(sink, [change_event(1)])
    with pytest.raises(UnavailableError) as caught:
        await sink.send(items)
    assert caught.value.wait == wait
    await sink.send(items)
    assert {each["event"]["event_id"] for each in splunk.receiver.taken} == {items[0].event_id}


async def test_a_sending_that_is_too_large_is_said_to_be(splunk: Splunk) -> None:
    splunk.receiver.most_bytes = 1500
    sink = splunk.sink(gzip=False)
    items = items_of(sink, [change_event(number) for number in range(2)])
    with pytest.raises(TooLargeError):
        await sink.send(items)
    await sink.send(items[:1])
    assert "Content-Encoding" not in splunk.receiver.seen[-1].headers


async def test_elsewhere_no_collector_is(splunk: Splunk) -> None:
    sink = splunk.sink()
    sink._event_url = splunk.receiver.origin + "/other"
    with pytest.raises(
        StoppedError, match=r"answered 404: The requested URL was not found on this server\.: nothing"
    ):
        await sink.send(items_of(sink, [change_event()]))


async def test_an_event_has_arrived_when_the_indexers_say_so(splunk: Splunk) -> None:
    splunk.receiver.acknowledge, splunk.receiver.acknowledge_after = True, 0.3
    sink = splunk.sink()
    begun = time.monotonic()
    await asyncio.gather(*(sink.send(items_of(sink, [change_event(number)])) for number in range(5)))
    assert time.monotonic() - begun >= 0.3
    asked = [request for request in splunk.receiver.seen if request.path.endswith("/ack")]
    assert len(asked) < 10  # one question for all
    assert asked[0].query.startswith("channel=")
    assert "token" not in asked[0].query
    assert asked[0].headers["Cookie"] == "AWSALB=indexer-7"  # the same indexer is asked


@pytest.mark.parametrize("fault", ["503", "reset", "garbage"])
async def test_a_question_for_acknowledgement_may_fail(splunk: Splunk, fault: str) -> None:
    splunk.receiver.acknowledge = True
    splunk.receiver.fail(fault, fault, at="ack")
    sink = splunk.sink()
    assert (await sink.send(items_of(sink, [change_event()]))).said == "Success"


@pytest.mark.parametrize(("number", "arrives"), [("0", True), ("x", False), (0.0, False), ([0], False)])
async def test_a_number_of_another_type_is_no_acknowledgement(
    splunk: Splunk, number: object, *, arrives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    splunk.receiver.acknowledge = True
    monkeypatch.setattr(splunk.receiver, "written", lambda _: number)
    sink = splunk.sink(acknowledge_within=0.3)
    if arrives:
        assert (await sink.send(items_of(sink, [change_event()]))).said == "Success"
        assert any(request.path.endswith("/ack") for request in splunk.receiver.seen)
    else:
        with pytest.raises(UnavailableError, match="gave an ackId that is no number"):
            await sink.send(items_of(sink, [change_event()]))


async def test_an_acknowledgement_is_told_once_and_may_be_lost(splunk: Splunk) -> None:
    splunk.receiver.acknowledge = True
    splunk.receiver.fail("half", at="ack")
    sink = splunk.sink(acknowledge_within=0.4)
    with pytest.raises(UnavailableError):
        await sink.send(items_of(sink, [change_event()]))
    assert (await sink.send(items_of(sink, [change_event()]))).said == "Success"


async def test_without_an_acknowledgement_in_time_it_is_sent_again(splunk: Splunk) -> None:
    splunk.receiver.acknowledge, splunk.receiver.acknowledge_after = True, None
    sink = splunk.sink(acknowledge_within=0.3)
    with pytest.raises(UnavailableError, match=r"did not acknowledge in 0\.3 seconds"):
        await sink.send(items_of(sink, [change_event()]))


async def test_a_token_that_is_disabled_meanwhile_stops_all_who_wait(splunk: Splunk) -> None:
    splunk.receiver.acknowledge, splunk.receiver.acknowledge_after = True, None
    sink = splunk.sink()
    splunk.receiver.fail("ok", "code 1", at="ack")
    sent = [sink.send(items_of(sink, [change_event(number)])) for number in range(3)]
    done = await asyncio.gather(*sent, return_exceptions=True)
    assert [type(each) for each in done] == [StoppedError] * 3


async def test_acknowledgement_that_is_disabled_is_not_waited_for(splunk: Splunk) -> None:
    splunk.receiver.acknowledge, splunk.receiver.acknowledge_after = True, None
    splunk.receiver.fail("code 14", at="ack")
    sink = splunk.sink(acknowledge_within=60.0)
    await sink.send(items_of(sink, [change_event(1)]))
    await sink.send(items_of(sink, [change_event(2)]))
    assert [request.path for request in splunk.receiver.seen].count("/services/collector/ack") == 1


async def test_nobody_waits_who_does_not_want_to(splunk: Splunk) -> None:
    splunk.receiver.acknowledge, splunk.receiver.acknowledge_after = True, None
    sink = splunk.sink(acknowledge=False)
    await sink.send(items_of(sink, [change_event()]))


@pytest.mark.parametrize("code", [10, 11, 14])
async def test_a_channel_is_tried_once_more(splunk: Splunk, code: int) -> None:
    splunk.receiver.fail(f"code {code}")
    sink = splunk.sink()
    assert (await sink.send(items_of(sink, [change_event()]))).said == "Success"
    channels = [request.headers["X-Splunk-Request-Channel"] for request in splunk.receiver.seen]
    assert (channels[0] != channels[1]) == (code == 11)


async def test_closing_ends_whoever_waits(splunk: Splunk) -> None:
    splunk.receiver.acknowledge, splunk.receiver.acknowledge_after = True, None
    sink = splunk.sink(acknowledge_within=60.0)
    waiting = asyncio.create_task(sink.send(items_of(sink, [change_event()])))
    while not any(request.path.endswith("/ack") for request in splunk.receiver.seen):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    await sink.close()
    await sink.close()


def test_events_stand_apart_with_and_without_newlines() -> None:
    """The fake reads what the documentation shows: objects one after the other."""
    assert split(b'{"event":"a}{b"}{"event":2} \n{"event":3}') == [
        b'{"event":"a}{b"}',
        b'{"event":2}',
        b'{"event":3}',
    ]


async def test_the_fake_is_strict(splunk: Splunk) -> None:
    async def told(body: bytes, **headers: str) -> int:
        given = {"Authorization": f"Splunk {TOKEN}"} | headers
        client = HttpClient(Endpoint(url=splunk.receiver.url, insecure=True))
        answer = await client.post(splunk.receiver.url, body, given)
        await client.close()
        return int(json.loads(answer.body)["code"])

    assert await told(b'{"event":1}') == 0
    assert await told(b'{"event":1}', Authorization="") == 3
    assert await told(b'{"event":1}', Authorization=f"Bearer {TOKEN}") == 3
    assert await told(b"") == 5
    assert await told(b"[]") == 6
    assert await told(b'[{"event":1}]') == 6
    assert await told(b'{"event":1,"time":"now"}') == 6
    assert await told(b'{"host":"h"}') == 12
    assert await told(b'{"event":""}') == 13
    assert await told(b'{"event":1,"index":"secret"}') == 7
    assert await told(b'{"event":1,"fields":{"a":{"b":1}}}') == 15
    assert await told(b"x", **{"Content-Encoding": "gzip"}) == 6
    assert await told(b'{"event":1}', **{"X-Splunk-Request-Channel": "one"}) == 11
    splunk.receiver.acknowledge = True
    assert await told(b'{"event":1}') == 10
    splunk.receiver.disabled = True
    assert await told(b'{"event":1}') == 1
