"""ECS, OCSF, SARIF and ZGrab2's JSON: every event, ordinary or hostile, is what its schema takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings

from results.events.event import parse
from results.formats import ecs, ocsf, sarif, zgrab2
from results.formats.format import Format, UnfitError
from results.lines import RecordError, json_line, to_lines
from results.record import DatabaseLine
from tests.results.injections import INJECTIONS
from tests.support import check_ecs, check_ocsf, check_sarif, check_zgrab2
from tests.support.every_event import ANY_EVENT, every_event
from tests.support.told import SENDER, change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from results.events.event import Event

FORMATS = [ecs.FORMAT, ocsf.FORMAT, sarif.FORMAT, zgrab2.FORMAT]


RULES = json.loads(sarif.FORMAT.head(SENDER) + sarif.FORMAT.tail)["runs"][0]["tool"]["driver"]["rules"]


CHECKS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "ecs": check_ecs.problems,
    "ocsf": check_ocsf.problems,
    "sarif": lambda result: check_sarif.result_problems(result, RULES),
    "zgrab2": check_zgrab2.problems,
}


def read(format_: Format, event: Event) -> dict[str, Any] | None:
    """The document, which is one line of printable ASCII, as any JSON reader takes it."""
    line = format_.document(event, SENDER)
    if line is None:
        return None
    assert all(0x20 <= byte < 0x7F for byte in line), line
    document: dict[str, Any] = json.loads(line)
    return document


def check(format_: Format, events: Iterable[Event]) -> int:
    """Hold each event's document against the schema; how many there were."""
    count = 0
    for event in events:
        document = read(format_, event)
        if document is not None:
            assert CHECKS[format_.name](document) == [], event
            count += 1
    return count


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
def test_every_kind_of_event_is_what_the_schema_says(format_: Format) -> None:
    events = list(every_event())
    count = check(format_, events)
    assert (count == len(events)) == (format_.name in ("ecs", "ocsf"))  # the others have no place for runs
    assert count > 50


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
def test_what_is_not_known_is_left_out(format_: Format) -> None:
    """An empty text or list in a column reads as a fact."""

    def empties(value: Any, at: str = "") -> list[str]:
        if isinstance(value, dict):
            return [name for key, held in value.items() for name in empties(held, f"{at}.{key}")]
        if isinstance(value, list):
            return ([] if value else [at]) + [name for each in value for name in empties(each, at)]
        return [at] if value is None or value == "" else []

    found = {name for event in every_event() for name in empties(read(format_, event)) if name}
    assert not found


@given(event=ANY_EVENT)
@settings(max_examples=100, deadline=None)
def test_no_event_of_chance_breaks_a_document(event: Event) -> None:
    for format_ in FORMATS:
        check(format_, [event])


@pytest.mark.exhaustive
@given(event=ANY_EVENT)
@settings(max_examples=350, deadline=None)
def test_none_of_many_events_of_chance_breaks_a_document(event: Event) -> None:
    for format_ in FORMATS:
        check(format_, [event])


def texts(value: Any) -> list[str]:
    """All text in it."""
    if isinstance(value, dict):
        return [text for held in value.values() for text in texts(held)]
    if isinstance(value, list):
        return [text for held in value for text in texts(held)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize("name", INJECTIONS, ids=lambda name: ascii(name[:20]))
def test_a_hostile_name_comes_back_equal(format_: Format, name: str) -> None:
    document = read(format_, change(databases=["crm", name], names=[name]))
    wanted = "\\ud800" if name == "\ud800" else name  # no reader need take half a pair, so it is spelled out
    assert wanted in texts(document)


def keys(value: Any) -> set[str]:
    """All keys in it."""
    if isinstance(value, dict):
        return set(value) | {key for held in value.values() for key in keys(held)}
    if isinstance(value, list):
        return {key for held in value for key in keys(held)}
    return set()


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize("name", ["__proto__", "a.b.c", "x" * 300, "mongosweep"])
def test_no_name_that_a_server_gave_becomes_a_key(format_: Format, name: str) -> None:
    """A key for each database would fill an index with fields."""
    held = {
        "databases": [name],
        "names": [name],
        "hints": [name],
        "ransom_names": [name],
        "hostnames": [name],
    }
    told = {"product": name, "version": name, "topology": "primary"}
    plain = read(
        format_, change(databases=["a"], names=["a"], hints=["a"], ransom_names=["a"], topology="primary")
    )
    assert keys(read(format_, change(**held, **told))) == keys(plain)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
def test_an_event_that_names_no_address_is_unfit(format_: Format) -> None:
    for ip in ("", "db1.example.com", "10.0.0.256", "fe80::1%eth0", "10.0.0.1\n10.0.0.2"):
        place = change().snapshot.place.__class__(ip=ip, port=27017)
        with pytest.raises(UnfitError, match="is no IP address"):
            format_.document(change(place=place), SENDER)


@pytest.mark.parametrize("format_", [ecs.FORMAT, ocsf.FORMAT, zgrab2.FORMAT], ids=lambda each: each.name)
def test_an_event_without_a_time_is_unfit(format_: Format) -> None:
    for at in ("", "yesterday", "2026-02-30T00:00:00.000Z", "2026-03-01T08:30:00", "1-01-01T00:00:00.000Z"):
        with pytest.raises(UnfitError, match="its time"):
            format_.document(change(at=at), SENDER)


@given(event=ANY_EVENT)
@example(event=change())
@settings(max_examples=50, deadline=None)
def test_a_document_is_the_same_from_the_event_and_from_its_line(event: Event) -> None:
    """What a sink reads back from the log is what the sweep saw."""
    line = json_line_of(event)
    if line is None:
        return
    again = parse(line)
    assert not isinstance(again, DatabaseLine)
    for format_ in FORMATS:
        assert format_.document(again, SENDER) == format_.document(event, SENDER)


def json_line_of(event: Event) -> bytes | None:
    """The line, where it can be one that is read back."""
    try:
        line = json_line(event)
        parse(line)
    except (ValueError, RecordError):
        return None
    return line


def test_a_long_observation_of_the_journal_is_a_document_too() -> None:
    """The first line of an open server holds the gravest databases alone."""
    from tests.results.examples import database, open_server

    seen = open_server("127.0.0.9", *(database(f"db{n}") for n in range(300)))
    first = parse(to_lines(seen)[0])
    assert not isinstance(first, DatabaseLine)
    for format_ in FORMATS:
        assert check(format_, [first]) == 1
