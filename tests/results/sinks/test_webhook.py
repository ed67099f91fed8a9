"""Events to a receiver of Standard Webhooks that verifies each one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.sinks.http import Endpoint
from results.sinks.sink import StoppedError, TooLargeError, UnavailableError, UnfitEventError
from results.sinks.webhook import WebhookOptions, WebhookSink
from tests.results.examples import observation
from tests.support.receivers.hook import SECRET, HookReceiver
from tests.support.receivers.sent import AT, NATIVE, PLAIN, SENDER, change_event, items_of, run_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from results.formats.format import Format


class Hook:
    """A receiver and a sink that sends to it."""

    def __init__(self, receiver: HookReceiver) -> None:
        self.receiver = receiver
        self.sinks: list[WebhookSink] = []

    def sink(self, format: Format = NATIVE, secret: str = SECRET, **more: Any) -> WebhookSink:  # noqa: A002
        """A sink with these options."""
        endpoint = Endpoint(url=f"{self.receiver.url}?key=t0ken", insecure=True, timeout=5.0)
        made = WebhookSink("soc", WebhookOptions(endpoint=endpoint, secret=secret), format, SENDER, **more)
        self.sinks.append(made)
        return made


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A receiver, and sinks to it."""
    receiver = HookReceiver()
    async with receiver.serving():
        made = Hook(receiver)
        yield made
        for sink in made.sinks:
            await sink.close()


async def test_an_event_arrives_signed_with_its_type(hook: Hook) -> None:
    sink = hook.sink()
    for event in (change_event(1), run_event()):
        answer = await sink.send(items_of(sink, [event]))
        assert (answer.said, answer.refused) == (f"{hook.receiver.origin} answered 204", {})
    changed, ended = hook.receiver.taken
    assert (changed["type"], ended["type"]) == ("mongosweep.change.opened", "mongosweep.run.ended")
    assert changed["timestamp"] == AT
    assert changed["data"] == msgspec.to_builtins(change_event(1))
    assert hook.receiver.ids == [change_event(1).event_id, run_event().event_id]


async def test_text_is_a_string_and_observations_have_a_type(hook: Hook) -> None:
    body = hook.sink().render(observation(), b'{"a":1}')
    assert body == b'{"type":"mongosweep.observation","timestamp":"2026-03-01T08:30:00.250Z","data":{"a":1}}'
    sink = hook.sink(PLAIN)
    await sink.send(items_of(sink, [change_event()]))
    assert hook.receiver.taken[0]["data"] == 'says "so" |é'
    assert sink.render(run_event(), b"{}") is None


@pytest.mark.parametrize(
    "fault", ["503", "429 Retry-After: 7", "408", "425", "reset", "taken close", "taken reset"]
)
async def test_the_id_is_the_same_at_every_attempt_and_the_time_is_not(hook: Hook, fault: str) -> None:
    moments = iter([1_000_000_000.9, 1_000_000_007.2])
    hook.receiver.now = lambda: 1_000_000_000
    hook.receiver.fail(fault)
    sink = hook.sink(clock=lambda: next(moments))
    (item,) = items_of(sink, [change_event(1)])
    with pytest.raises(UnavailableError) as caught:
        await sink.send([item])
    assert caught.value.wait == (7.0 if "Retry-After" in fault else None)
    await sink.send([item])
    sent = [(each.headers["webhook-id"], each.headers["webhook-timestamp"]) for each in hook.receiver.seen]
    assert sent[-1] == (item.event_id, "1000000007")
    assert len(hook.receiver.taken) == 1


@pytest.mark.parametrize(
    ("fault", "error", "why"),
    [
        ("410", StoppedError, "it wants no more events"),
        ("401", StoppedError, "not accepted"),
        ("404", StoppedError, "nothing takes events at this url"),
        ("redirect", StoppedError, "leads elsewhere"),
        ("413", TooLargeError, "too large"),
    ],
)
async def test_what_an_answer_means(hook: Hook, fault: str, error: type[Exception], why: str) -> None:
    hook.receiver.fail(fault)
    sink = hook.sink()
    with pytest.raises(error, match=why) as caught:
        await sink.send(items_of(sink, [change_event()]))
    assert "t0ken" not in str(caught.value) + sink.place
    assert hook.receiver.elsewhere == 0


@pytest.mark.parametrize("status", [400, 402, 406, 409, 415, 422])
async def test_another_refusal_is_about_the_event(hook: Hook, status: int) -> None:
    hook.receiver.fail("ok", str(status))
    sink = hook.sink()
    answer = await sink.send(items_of(sink, [change_event(1), change_event(2), change_event(3)]))
    assert answer.refused == {1: f"{hook.receiver.origin} answered {status}"}
    assert len(hook.receiver.taken) == 2


async def test_a_wrong_secret_stops_and_is_not_told(hook: Hook) -> None:
    sink = hook.sink(secret="whsec_d3JvbmcgYW5kIGxvbmcgZW5vdWdo")
    with pytest.raises(StoppedError, match="answered 401") as caught:
        await sink.send(items_of(sink, [change_event()]))
    assert "d3Jv" not in str(caught.value) + repr(sink._options)


async def test_a_receiver_whose_clock_is_another_refuses(hook: Hook) -> None:
    hook.receiver.now = lambda: time.time() - 400
    sink = hook.sink()
    with pytest.raises(StoppedError):
        await sink.send(items_of(sink, [change_event()]))


async def test_without_a_secret_nothing_is_signed(hook: Hook) -> None:
    sink = hook.sink(secret="")
    with pytest.raises(StoppedError):
        await sink.send(items_of(sink, [change_event()]))
    assert "webhook-signature" not in hook.receiver.seen[0].headers


@pytest.mark.parametrize("secret", ["whsec_", "whsec_ä", "whsec_a b"])
def test_secrets_that_are_none(secret: str) -> None:
    with pytest.raises(ValueError, match="the secret is not base64 behind whsec_") as caught:
        WebhookOptions(endpoint=Endpoint(url="https://hook.example.com"), secret=secret)
    assert secret not in str(caught.value).replace("behind whsec_", "")


@pytest.mark.parametrize("identity", ["", "a\r\nX: y", "é", "a b", "x" * 201])
def test_no_value_of_another_stands_in_a_header(identity: str) -> None:
    sink = WebhookSink(
        "soc", WebhookOptions(endpoint=Endpoint(url="https://hook.example.com")), NATIVE, SENDER
    )
    with pytest.raises(UnfitEventError):
        sink.render(change_event(event_id=identity), b"{}")
