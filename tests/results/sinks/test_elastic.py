"""Elasticsearch's `_bulk`: each event once by its id, and what becomes of each item."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.formats.format import Format
from results.sinks.elastic import ElasticOptions, ElasticSink
from results.sinks.http import Endpoint
from results.sinks.sink import StoppedError, TooLargeError, UnavailableError
from tests.support.receivers.bulk import API_KEY, INDEX, LOGIN, BulkReceiver
from tests.support.receivers.sent import AT, NATIVE, PLAIN, SENDER, change_event, items_of, run_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from results.sinks.sink import Item

STAMPED = Format(
    name="stamped",
    about="pretty, and with a time",
    media_type="application/json",
    document=lambda *_: b'{\n  "a": 1,\n  "@timestamp": "2026-01-01T00:00:00Z"\n}',
)


class Elastic:
    """A receiver and a sink that sends to it."""

    def __init__(self, receiver: BulkReceiver) -> None:
        self.receiver = receiver
        self.sinks: list[ElasticSink] = []

    def sink(self, format: Format = NATIVE, **options: Any) -> ElasticSink:  # noqa: A002
        """A sink with these options."""
        endpoint = Endpoint(url=self.receiver.origin, insecure=True, timeout=5.0)
        given: dict[str, Any] = options or {"api_key": API_KEY}
        self.sinks.append(ElasticSink("soc", ElasticOptions(endpoint=endpoint, **given), format, SENDER))
        return self.sinks[-1]

    def items(self, count: int = 3) -> list[Item]:
        """So many events on their way."""
        return items_of(self.sink(), [change_event(number) for number in range(count)])

    def ids(self) -> list[str]:
        """What was taken, in its order."""
        return [document["event_id"] for document in self.receiver.taken]


@pytest.fixture
async def elastic() -> AsyncIterator[Elastic]:
    """A data stream, and sinks to it."""
    receiver = BulkReceiver()
    async with receiver.serving():
        made = Elastic(receiver)
        yield made
        for sink in made.sinks:
            await sink.close()


async def test_events_are_made_with_their_ids_and_a_repeat_is_a_success(elastic: Elastic) -> None:
    items = elastic.items()
    answer = await elastic.sink().send(items)
    assert (answer.said, answer.refused, answer.again) == ("3 of 3 taken", {}, frozenset())
    assert elastic.ids() == [item.event_id for item in items]
    assert elastic.receiver.taken[0]["@timestamp"] == AT
    assert elastic.receiver.taken[0]["snapshot"]["databases"] == ["shop", "a\r\nb\u202e"]
    again = await elastic.sink().send([*items, *items_of(elastic.sink(), [run_event()])])
    assert (again.said, again.refused, again.again) == ("4 of 4 taken", {}, frozenset())
    assert len(elastic.receiver.taken) == 4


async def test_a_time_of_the_format_stays_and_text_is_a_message(elastic: Elastic) -> None:
    assert (
        await elastic.sink(STAMPED).send(items_of(elastic.sink(STAMPED), [change_event(1)]))
    ).refused == {}
    assert (await elastic.sink(PLAIN).send(items_of(elastic.sink(PLAIN), [change_event(2)]))).refused == {}
    assert elastic.receiver.taken == [
        {"a": 1, "@timestamp": "2026-01-01T00:00:00Z"},
        {"@timestamp": AT, "message": 'says "so" |é'},
    ]
    assert elastic.sink(PLAIN).render(run_event(), b"{}") is None


def test_a_name_below_the_first_level_is_no_time_of_the_document() -> None:
    deep = NATIVE._replace(name="deep", document=lambda *_: b'{"a":{"@timestamp":"x"}}')
    sink = ElasticSink("soc", ElasticOptions(endpoint=Endpoint(url="https://e.example.com")), deep, SENDER)
    body = sink.render(change_event(), b"{}")
    assert body is not None
    action, document = body.splitlines()
    assert msgspec.json.decode(action) == {"create": {"_id": change_event().event_id}}
    assert msgspec.json.decode(document) == {"@timestamp": AT, "a": {"@timestamp": "x"}}


@pytest.mark.parametrize("status", [429, 503])
async def test_only_what_was_not_taken_goes_again(elastic: Elastic, status: int) -> None:
    elastic.receiver.fail(f"item {status} @0,2")
    items = elastic.items(4)
    answer = await elastic.sink().send(items)
    assert (answer.said, answer.refused, sorted(answer.again)) == ("2 of 4 taken", {}, [0, 2])
    assert elastic.ids() == [items[1].event_id, items[3].event_id]


async def test_an_item_that_cannot_be_read_is_refused_with_its_reason(elastic: Elastic) -> None:
    elastic.receiver.fail("item 400 @1")
    answer = await elastic.sink().send(elastic.items())
    assert list(answer.refused) == [1]
    assert "400: document_parsing_exception: [1:7] failed to parse field [a]" in answer.refused[1]
    assert answer.again == frozenset()


@pytest.mark.parametrize("status", [403, 404])
async def test_an_index_that_may_not_be_written_to_stops(elastic: Elastic, status: int) -> None:
    elastic.receiver.fail(f"item {status} @0")
    with pytest.raises(StoppedError, match="give the key the privilege create_doc on this index"):
        await elastic.sink().send(elastic.items())


async def test_a_full_disk_is_no_lack_of_rights(elastic: Elastic) -> None:
    elastic.receiver.blocked = True
    assert sorted((await elastic.sink().send(elastic.items())).again) == [0, 1, 2]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("error 429", UnavailableError),
        ("503", UnavailableError),
        ("error 503", UnavailableError),
        ("reset", UnavailableError),
        ("half", UnavailableError),
        ("garbage", UnavailableError),
        ("large", TooLargeError),
        ("redirect", StoppedError),
        ("error 403", StoppedError),
        ("error 404", StoppedError),
        ("error 413", TooLargeError),
        ("error 400", TooLargeError),
    ],
)
async def test_what_is_said_of_the_whole(elastic: Elastic, fault: str, error: type[Exception]) -> None:
    elastic.receiver.fail(fault)
    items = elastic.items()
    with pytest.raises(error):
        await elastic.sink().send(items)
    await elastic.sink().send(items)
    assert elastic.ids() == [item.event_id for item in items]


async def test_what_only_one_event_can_be_at_fault_for_is_refused(elastic: Elastic) -> None:
    elastic.receiver.fail("error 400")
    answer = await elastic.sink().send(elastic.items(1))
    assert "document_parsing_exception" in answer.refused[0]
    elastic.receiver.fail("large")
    with pytest.raises(UnavailableError):
        await elastic.sink().send(elastic.items(1))


async def test_fewer_events_have_a_shorter_answer(elastic: Elastic) -> None:
    elastic.receiver.long_answers = True
    elastic.receiver.fail("item 400 @0,1,2,3", "item 400 @0,1")
    items = elastic.items(4)
    with pytest.raises(TooLargeError, match="fewer events"):
        await elastic.sink().send(items)
    assert len((await elastic.sink().send(items[:2])).refused) == 2


async def test_the_answer_about_many_events_fits(elastic: Elastic) -> None:
    elastic.receiver.fail("item 409 @" + ",".join(str(number) for number in range(0, 500, 2)))
    answer = await elastic.sink().send(elastic.items(500))
    assert answer.said == "500 of 500 taken"


@pytest.mark.parametrize(
    "login",
    [
        {"api_key": API_KEY},
        {"api_key": base64.b64decode(API_KEY).decode()},
        {"user": LOGIN[0], "password": LOGIN[1]},
    ],
)
async def test_who_writes_may_prove_it_in_each_way(elastic: Elastic, login: dict[str, Any]) -> None:
    sink = elastic.sink(**login)
    await sink.send(elastic.items())
    assert not [value for value in login.values() if value in repr(sink._client.endpoint) + sink.place]


@pytest.mark.parametrize("login", [{"api_key": "wr0ng"}, {"user": "a", "password": "wr0ng"}, {"user": ""}])
async def test_a_wrong_key_stops_and_is_not_told(elastic: Elastic, login: dict[str, Any]) -> None:
    sink = elastic.sink(**login)
    with pytest.raises(StoppedError, match="401: security_exception: unable to authenticate") as caught:
        await sink.send(elastic.items())
    assert "wr0ng" not in str(caught.value) + repr(ElasticOptions(endpoint=sink._client.endpoint, **login))


@pytest.mark.parametrize("index", ["", "Logs", "a/b", "a b", "_bulk", "-x", "..", "a?b", "é"])
def test_names_that_no_index_has(index: str) -> None:
    with pytest.raises(ValueError, match="the index is no name of one; write lower case"):
        ElasticOptions(endpoint=Endpoint(url="https://e.example.com"), index=index)


async def test_where_it_is_sent(elastic: Elastic) -> None:
    await elastic.sink().send(elastic.items())
    (request,) = elastic.receiver.seen
    assert request.path == f"/{INDEX}/_bulk"
    assert request.query.startswith("filter_path=errors,items.*.status")
    assert request.headers["Content-Type"] == "application/x-ndjson"
