"""An event's line: whole where it can be, and never too long for a reader."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.events.event import ChangeEvent, RunEvent, Snapshot, parse
from results.events.line import MAX_EVENT, line_of
from results.ledger.tracked import Lost, Place
from results.record import Owner, Reason
from results.verdict import Severity, Verdict
from tests.support.told import run_event

FACE = "\U0001f600"  # twelve bytes of JSON in ASCII


def change(names: list[str], text: str = "", **more: Any) -> ChangeEvent:
    """A wipe at which everything that a server chooses is one of these."""
    return ChangeEvent(
        event_id="mc_" + "1" * 24,
        exposure_id="mx_" + "1" * 12,
        finding_id="mf_" + "1" * 24,
        kind="wiped",
        at="2026-03-01T04:00:00.000Z",
        run_id="run-1",
        observation_id="2" * 32,
        reasons=[Reason(code="databases-gone", detail=each) for each in names[:50]],
        names=names,
        lost=Lost(databases=names[:50], database_count=len(names)),
        severity=Severity.HIGH,
        severity_number=4,
        snapshot=Snapshot(
            state="changed",
            place=Place(ip="2001:db8::1", port=27017),
            owner=Owner(owner=text, contact=text, site=text, labels=dict.fromkeys(names, text)),
            hostnames=names,
            verdict=Verdict.OPEN,
            severity_reasons=[Reason(code="personal-data", detail=each) for each in names[:50]],
            product=text,
            version=text,
            topology=text,
            databases=names[:20],
            hints=names,
            ransom_names=names,
            first_seen_open="2026-03-01T04:00:00.000Z",
            last_seen_open="2026-03-01T04:00:00.000Z",
        ),
        **more,
    )


def test_what_is_short_enough_is_whole() -> None:
    event = change(["readers", "b\x7f\u202e"])
    line = line_of(event)
    assert parse(line) == event
    assert line.endswith(b"}\n")
    assert line[:-1].decode("ascii").isprintable()


@pytest.mark.parametrize("count", [30, 400])
@pytest.mark.parametrize("length", [1, 60, 4000])
def test_what_is_too_long_is_cut_and_says_so(count: int, length: int) -> None:
    event = change([f"{number}{FACE * length}" for number in range(count)], FACE * length)
    line = line_of(event)
    assert len(line) <= MAX_EVENT
    found = parse(line)
    assert isinstance(found, ChangeEvent)
    assert found.event_id == event.event_id
    assert found.names
    assert found.names[0][:8] == event.names[0][:8]
    if len(found.names) < count:
        assert "names" in found.cut
    assert (found.snapshot.place, found.lost and found.lost.database_count) == (event.snapshot.place, count)


def test_only_as_much_is_cut_as_is_needed() -> None:
    event = change([f"database-{number}" for number in range(60)] * 3)
    found = parse(line_of(event))
    assert isinstance(found, ChangeEvent)
    assert (found.names, found.cut) == (
        event.names[:50],
        ["hints", "hostnames", "labels", "names", "ransom_names"],
    )


def test_a_run_with_many_reasons() -> None:
    event = RunEvent(
        event_id="mr_" + "1" * 24,
        kind="ended",
        at="2026-03-01T04:00:00.000Z",
        run_id="run-1",
        state="degraded",
        severity=Severity.MEDIUM,
        severity_number=3,
        reasons=[f"masked by a middlebox: 10.{number >> 8}.{number & 255}.0/24" for number in range(3000)],
        scope="d" * 64,
    )
    found = parse(line_of(event))
    assert isinstance(found, RunEvent)
    assert (found.reasons, found.cut, found.scope) == (event.reasons[:50], ["reasons"], "d" * 64)


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": "r" * 100_000, "scope": "s" * 100_000},
        {"outcomes": {f"verdict-{number}": 1 for number in range(5000)}},
    ],
)
def test_what_somebody_wrote_into_a_manifest_makes_no_longer_line(changes: dict[str, Any]) -> None:
    """A longer one would not be found again by its id, and so be told anew each time."""
    event = run_event(**changes)
    line = line_of(event)
    assert len(line) <= MAX_EVENT
    found = parse(line)
    assert isinstance(found, RunEvent)
    assert (found.event_id, found.cut) == (event.event_id, sorted(changes))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(max_size=300), max_size=60), st.text(max_size=3000))
def test_any_names_and_texts(names: list[str], text: str) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in names]
    text = text.encode("utf-8", "replace").decode()
    event = change(names, text)
    line = line_of(event)
    assert len(line) <= MAX_EVENT
    assert line[:-1].decode("ascii").isprintable()
    found = parse(line)
    assert isinstance(found, ChangeEvent)
    if not found.cut:
        assert msgspec.to_builtins(found) == msgspec.to_builtins(event)
