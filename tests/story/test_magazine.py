"""The magazine, from the first sight of its open server to the proof that it is closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from results.events.event import ChangeEvent, RunEvent
from results.events.publish import bring_up
from results.ledger.intake import rebuild
from results.ledger.store import Ledger
from results.ledger.view import read
from scanner.cli.demo_story import NETWORK, play
from scanner.lab.story import MAGAZINE, NEW_PLACE, NOTE, RANSOMS, chapters
from scanner.setup.settings import Settings
from tests.support.ports import free_port
from tests.support.published import told

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.tracked import Change, TrackedExposure

START = datetime(2026, 1, 5, 4, tzinfo=UTC)
CHAPTERS = chapters(START)
WHEN = {chapter.title: chapter.at for chapter in CHAPTERS}
DEADLINES = Settings().deadlines.in_force()


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def within_the_sweep_of(title: str, moment: str) -> bool:
    """A sweep of the story takes seconds."""
    return text(WHEN[title]) <= moment <= text(WHEN[title] + timedelta(minutes=5))


@dataclass
class Played:
    """What the ledger said after each chapter, and all that it says at the end."""

    output: Path
    states: dict[str, str] = field(default_factory=dict)
    warned: dict[str, str] = field(default_factory=dict)
    exposures: list[TrackedExposure] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def exposure(self) -> TrackedExposure:
        (exposure,) = self.exposures
        return exposure


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    story = Played(tmp_path_factory.mktemp("story"))
    for chapter, _ in play(START, story.output, free_port()):
        view = read(story.output, text(chapter.at + timedelta(hours=3)), DEADLINES)
        story.states[chapter.title] = ",".join(exposure.state for exposure in view.exposures)
        story.warned[chapter.title] = ",".join(exposure.warned_at for exposure in view.exposures)
    view = read(story.output, text(CHAPTERS[-1].at + timedelta(days=1)), DEADLINES)
    story.exposures = list(view.exposures)
    story.changes = list(view.ledger.changes())
    return story


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("magazine")]  # one worker lives through it


def test_one_exposure_from_first_to_last(played: Played) -> None:
    assert len(played.exposures) == 1
    exposure = played.exposure
    assert [place.ip for place in exposure.places] == [f"{NETWORK}{MAGAZINE}", f"{NETWORK}{NEW_PLACE}"]
    assert exposure.owner.owner == "the magazine"


def test_never_called_closed_too_early(played: Played) -> None:
    closed = [title for title, state in played.states.items() if state == "closed"]
    assert closed == ["closed", "closed for good"]


def test_the_state_after_each_chapter(played: Played) -> None:
    states = played.states
    assert states["nothing there yet"] == ""
    assert states["open"] == "new"
    assert states["its owner was told; nothing happens"] == "open"
    assert states["called inactive"] == "open"
    assert states["opened again"] == "reopened"
    assert states["moved"] == "changed"
    for number in range(1, RANSOMS + 1):
        assert states[f"wiped, note {number}"] == "changed"
        assert states[f"restored {number}"] == "changed"


def test_dates_and_bounds(played: Played) -> None:
    first, second = played.exposure.spells
    assert within_the_sweep_of("nothing there yet", first.opened_after)
    assert within_the_sweep_of("open", first.first_seen_open)
    assert within_the_sweep_of("it grew", first.last_seen_open)
    assert within_the_sweep_of("closed", first.closed_before)
    assert within_the_sweep_of("closed", second.opened_after)
    assert within_the_sweep_of("opened again", second.first_seen_open)
    assert within_the_sweep_of("moved", second.last_seen_open)
    assert within_the_sweep_of("closed for good", second.closed_before)
    assert (first.closed_how, second.opened_after_how) == ("asks-for-a-login", "answered-not-open")
    assert played.warned["it grew"] == text(WHEN["open"] + timedelta(hours=2))
    assert played.warned["opened again"] == ""


def test_every_ransom_is_counted_dated_and_bounded(played: Played) -> None:
    exposure = played.exposure
    counts = (exposure.wiped_count, exposure.ransomed_count, exposure.restored_count)
    assert counts == (RANSOMS, RANSOMS, RANSOMS)
    assert within_the_sweep_of("wiped, note 1", exposure.first_hit)
    assert within_the_sweep_of(f"wiped, note {RANSOMS}", exposure.last_hit)
    notes = [change for change in played.changes if change.kind == "ransomed"]
    for number, change in enumerate(notes, start=1):
        left = WHEN[f"wiped, note {number}"] - timedelta(hours=9)
        assert change.dated == text(left)
        assert change.names == [NOTE]
        before = "still nothing" if number == 1 else f"restored {number - 1}"
        assert within_the_sweep_of(before, change.after)
        assert within_the_sweep_of(f"wiped, note {number}", change.at)


def test_what_was_lost(played: Played) -> None:
    wiped = [change for change in played.changes if change.kind == "wiped"]
    assert wiped[0].lost is not None
    assert wiped[0].lost.databases == ["magazine", "payments"]
    assert wiped[0].lost.documents == 2_101_188
    assert sum(change.lost.documents or 0 for change in wiped if change.lost) == (
        played.exposure.lost.documents if played.exposure.lost else None
    )


def test_inactive_while_it_grows(played: Played) -> None:
    last = played.exposure.last_written
    assert last is not None
    assert within_the_sweep_of("called inactive", last.after)
    assert within_the_sweep_of("it grew", last.until)
    assert last.grown is not None
    assert last.grown.documents == 780_000 - 693_000 - 4_000 * (RANSOMS - 1)
    assert played.exposure.liveness is not None
    assert played.exposure.liveness.written is False


def test_the_same_again_when_it_is_made_anew(played: Played) -> None:
    (played.output / "ledger.sqlite").unlink()
    rebuild(played.output)
    with Ledger.open(played.output) as ledger:
        assert list(ledger.changes()) == played.changes
        assert [each.exposure_id for each in ledger.exposures()] == [played.exposure.exposure_id]


def test_it_is_told_to_a_siem_in_order_and_as_it_stood(played: Played) -> None:
    bring_up(played.output, remind_every=3 * 86_400)
    events = told(played.output)
    assert events[0].kind == "started"
    assert events[-1].kind == "ended"
    changes = [event for event in events if isinstance(event, ChangeEvent)]
    derived = [event.event_id for event in changes if event.kind != "reminder"]
    assert derived == [change.event_id for change in played.changes]
    stood = {(event.kind, event.at): event.snapshot for event in changes}
    for (kind, at), snapshot in stood.items():
        closed = kind == "closed"
        assert (snapshot.state == "closed", bool(snapshot.closed_before)) == (closed, closed)
        assert snapshot.first_seen_open <= snapshot.last_seen_open <= at
        assert snapshot.owner.owner == "the magazine"
    moved = [snapshot.place.ip for (kind, _), snapshot in stood.items() if kind == "moved"]
    assert moved == [f"{NETWORK}{NEW_PLACE}"]
    for kind in ("wiped", "restored"):
        held = [snapshot.databases for (each, _), snapshot in stood.items() if each == kind]
        assert ["magazine" in names for names in held] == [kind == "restored"] * RANSOMS
    ends = {event.run_id: event for event in events if isinstance(event, RunEvent) and event.kind == "ended"}
    assert [end.exposures_open for end in ends.values()][-1] == 0
    assert bring_up(played.output, remind_every=3 * 86_400).appended == 0
