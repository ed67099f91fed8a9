"""Trying a sink: what is sent, and each way in which it may end."""

from __future__ import annotations

import msgspec
import pytest

from results.events.event import RunEvent
from results.formats.fields import fields_of
from results.sinks.sink import (
    Answer,
    StoppedError,
    TooLargeError,
    UnavailableError,
    UnfitEventError,
)
from results.sinks.trial import made_up_event, try_sink
from tests.support.receivers.scripted import Scripted
from tests.support.receivers.sent import SENDER

EVENT = made_up_event("2026-03-08T08:30:00.250Z", version="1.0", host="probe-1", organisation="Example")


@pytest.mark.parametrize(
    ("end", "result", "said"),
    [
        (Answer("Success"), "taken", "Success"),
        (Answer(), "taken", "taken"),
        (Answer("?", refused={0: "no such index"}), "failed", "refused: no such index"),
        (Answer("busy", again=frozenset({0})), "failed", "not now: busy"),
        (StoppedError("401; write another token"), "failed", "stopped: 401; write another token"),
        (UnavailableError("connection refused"), "failed", "not available: connection refused"),
        (TooLargeError("over 10 bytes"), "failed", "too large"),
        (TimeoutError(), "failed", "no answer within 0.05 seconds"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_came_back_is_said(end: Answer | Exception, result: str, said: str) -> None:
    sink = Scripted(end)
    trial = await try_sink(sink, EVENT, 0.05)
    assert (trial.result, trial.name, trial.kind, trial.place) == (result, "soc", "scripted", "nowhere")
    assert said in trial.said
    assert [item.event_id for item in sink.sent] == [EVENT.event_id]
    assert sink.closed


@pytest.mark.parametrize(("form", "result"), [(None, "untried"), (UnfitEventError("no place"), "failed")])
async def test_what_has_no_form_is_not_sent(form: Exception | None, result: str) -> None:
    sink = Scripted(Answer(), form=form)
    assert (await try_sink(sink, EVENT, 1.0)).result == result
    assert sink.sent == []
    assert sink.closed


def test_it_says_that_it_is_a_test_wherever_one_looks() -> None:
    assert isinstance(EVENT, RunEvent)
    document = msgspec.to_builtins(EVENT)
    assert (document["kind"], document["state"], document["run_id"]) == ("test", "test", "test")
    assert document["event_id"].startswith("test_")
    assert document["severity"] == "info"
    told = fields_of(EVENT, SENDER)
    assert told.title == "Test of a sink"
    assert "nothing was swept" in told.message
    assert not told.about_server


def test_two_tests_are_two_events() -> None:
    again = made_up_event(EVENT.at, version="1.0", host="probe-1", organisation="Example")
    assert again.event_id != EVENT.event_id
