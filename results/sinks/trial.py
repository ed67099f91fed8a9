"""Trying a sink: one event that says it is a test, sent once, and what came back."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Literal, NamedTuple

from results.events.event import RunEvent
from results.formats.format import UnfitError
from results.lines import json_line
from results.sinks.sink import Item, StoppedError, TooLargeError, UnavailableError, UnfitEventError, sent
from results.verdict import Severity

if TYPE_CHECKING:
    from results.sinks.sink import Sink

TEST_RUN = "test"


class Trial(NamedTuple):
    """What became of one test event. `untried`: the sink has no place for it, so nothing was sent."""

    name: str
    kind: str
    place: str
    result: Literal["taken", "failed", "untried"]
    said: str


def made_up_event(at: str, *, version: str, host: str, organisation: str = "") -> RunEvent:
    """A `mongosweep.run/1` of the kind, state and run `test`, under an id of its own, that no rule about runs
    or exposures takes for one. `at` is RFC 3339 in UTC with milliseconds."""
    return RunEvent(
        event_id=f"test_{secrets.token_hex(12)}",
        kind="test",
        at=at,
        run_id=TEST_RUN,
        state="test",
        severity=Severity.INFO,
        severity_number=Severity.INFO.number,
        reasons=["test: nothing was swept"],
        organisation=organisation,
        purpose="test",
        host=host,
        tool_version=version,
    )


async def try_sink(sink: Sink, event: RunEvent, patience: float) -> Trial:
    """Send one event, once, and wait `patience` seconds for the answer. What delivery keeps of the sink stays
    as it is. Nothing is raised for what happens on the way."""

    def ended(result: Literal["taken", "failed", "untried"], said: str) -> Trial:
        return Trial(sink.name, sink.kind, sink.place, result, said)

    try:
        body = sink.render(event, json_line(event).rstrip(b"\n"))
        if body is None:
            return ended("untried", "its format has no place for an event of a run, so that nothing was sent")
        async with asyncio.timeout(patience):
            answer = await sent(sink, [Item(event.event_id, event.at, body)])
    except (UnfitError, UnfitEventError) as error:
        return ended("failed", f"it has no form for the event: {error}")
    except StoppedError as error:
        return ended("failed", f"stopped: {error}")
    except UnavailableError as error:
        return ended("failed", f"not available: {error}")
    except TooLargeError as error:
        return ended("failed", f"the event is too large for it: {error}")
    except TimeoutError:
        return ended("failed", f"no answer within {patience:g} seconds")
    finally:
        await sink.close()
    if answer.refused:
        return ended("failed", f"refused: {next(iter(answer.refused.values()))}")
    if answer.again:
        return ended("failed", f"not now: {answer.said or 'it asks to be sent the event again'}")
    return ended("taken", answer.said or "taken")
