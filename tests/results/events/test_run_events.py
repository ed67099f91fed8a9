"""What the log says of runs, from run directories as a sweep leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from results.events.event import RunEvent, parse
from results.events.log import EVENTS_FILE, read_lines
from results.events.publish import bring_up
from results.files import NotARunError
from results.manifest import MANIFEST_FILE, Manifest, Start, Who, encode
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path


def run(output: Path, name: str = "run-1", day: int = 1) -> RunOnDisk:
    return RunOnDisk(output, name, f"2026-03-0{day}T04:00:00.000Z", organisation="Example").begin()


def rewrite(run: RunOnDisk, **changes: object) -> None:
    path = run.path / MANIFEST_FILE
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(encode(msgspec.structs.replace(manifest, **changes)))


def told(output: Path) -> list[RunEvent]:
    found = []
    for line in read_lines(output)[0]:
        event = parse(line)
        assert isinstance(event, RunEvent)
        found.append(event)
    return found


def kinds(output: Path) -> list[tuple[str, str, str]]:
    return [(event.run_id, event.kind, event.state) for event in told(output)]


def test_a_run_is_told_when_it_starts_and_when_it_ends(tmp_path: Path) -> None:
    one = run(tmp_path)
    assert bring_up(tmp_path).appended == 1
    assert kinds(tmp_path) == [("run-1", "started", "running")]
    one.end()
    rewrite(one, outcomes={"refused": 200, "auth_required": 56})
    assert bring_up(tmp_path).appended == 1
    event = told(tmp_path)[-1]
    assert (event.kind, event.state, event.open, event.severity) == ("ended", "complete", 0, "info")
    assert (event.at, event.started_at) == ("2026-03-01T05:00:00.000Z", "2026-03-01T04:00:00.000Z")
    assert event.coverage is not None
    assert (event.coverage.planned, event.coverage.not_reached) == (256, 0)
    assert (event.organisation, event.host, event.tool_version) == ("Example", "probe-1", "1.0")
    assert bring_up(tmp_path).appended == 0


@pytest.mark.parametrize(
    ("state", "severity", "counted"),
    [("degraded", "medium", True), ("interrupted", "medium", True), ("failed", "high", False)],
)
def test_an_end_that_is_none(tmp_path: Path, state: str, severity: str, counted: bool) -> None:
    one = run(tmp_path).end(state)  # type: ignore[arg-type]
    rewrite(one, reasons=["because"], outcomes={"open": 2, "open_no_data": 1})
    bring_up(tmp_path)
    event = told(tmp_path)[-1]
    assert (event.state, event.severity, event.reasons) == (state, severity, ["because"])
    assert event.open == (3 if counted else None)


def test_a_run_whose_process_is_gone_is_told_as_aborted(tmp_path: Path) -> None:
    one = run(tmp_path)
    bring_up(tmp_path)
    one.let_go()
    bring_up(tmp_path)
    event = told(tmp_path)[-1]
    assert (event.kind, event.state, event.severity) == ("ended", "aborted", "high")
    assert (event.open, event.at) == (None, "2026-03-01T04:00:00.000Z")


def test_a_resumed_run_ends_again(tmp_path: Path) -> None:
    one = run(tmp_path).end("interrupted")
    bring_up(tmp_path)
    first = Start(at="2026-03-01T04:00:00.000Z", who=Who(uid=1, user="a", host="probe-1"), tool_version="1.0")
    again = Start(at="2026-03-01T07:00:00.000Z", who=Who(uid=1, user="a", host="probe-2"), tool_version="1.1")
    rewrite(one, state="interrupted", starts=[first, again])
    bring_up(tmp_path)
    rewrite(one, state="complete", starts=[first, again, again], ended_at="2026-03-01T09:00:00.000Z")
    bring_up(tmp_path)
    assert [kind for _, kind, _ in kinds(tmp_path)] == [
        "started",
        "ended",
        "resumed",
        "ended",
        "resumed",
        "ended",
    ]
    events = told(tmp_path)
    assert (events[2].host, events[2].tool_version, events[2].at) == (
        "probe-2",
        "1.1",
        "2026-03-01T07:00:00.000Z",
    )
    assert len({event.event_id for event in events}) == 6
    (tmp_path / EVENTS_FILE).unlink()
    bring_up(tmp_path)
    again_told = {event.event_id for event in told(tmp_path)}
    assert again_told < {event.event_id for event in events}  # two ends were overwritten by the last
    assert len(again_told) == 4


def test_runs_are_told_oldest_first_and_a_copy_is_no_run(tmp_path: Path) -> None:
    for day in (3, 1, 2):
        run(tmp_path, f"run-{day}", day).end()
    copy = RunOnDisk(tmp_path, "run-2", "2026-03-02T04:00:00.000Z", directory="a-copy").begin(hold=False)
    assert copy.path.is_dir()
    bring_up(tmp_path)
    assert [run_id for run_id, kind, _ in kinds(tmp_path) if kind == "ended"] == ["run-1", "run-2", "run-3"]
    assert {state for _, _, state in kinds(tmp_path)} == {"running", "complete"}


def test_a_run_that_cannot_be_read_holds_no_other_up(tmp_path: Path) -> None:
    run(tmp_path, "run-1", 1).end()
    broken = run(tmp_path, "run-2", 2).end()
    (broken.path / MANIFEST_FILE).write_bytes(b"{")
    bring_up(tmp_path)
    assert {run_id for run_id, _, _ in kinds(tmp_path)} == {"run-1"}


def test_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARunError, match="no such directory"):
        bring_up(tmp_path / "missing")


def test_a_part_of_a_sweep_says_which_part(tmp_path: Path) -> None:
    run(tmp_path).end()
    part = run(tmp_path, "run-2", day=2)
    part.end()
    rewrite(part, shard="2/4")
    bring_up(tmp_path)
    assert {(event.run_id, event.shard) for event in told(tmp_path)} == {("run-1", ""), ("run-2", "2/4")}


@pytest.mark.parametrize(
    "changes",
    [
        {"outcomes": {}},
        {"outcomes": {"refused": 255}},
        {"outcomes": {"refused": 257, "open": -1}},
        {"outcomes": {"refused": 256}, "coverage": None},
    ],
)
def test_nothing_is_open_is_not_said_for_want_of_counts(tmp_path: Path, changes: dict[str, object]) -> None:
    one = run(tmp_path)
    one.end()
    rewrite(one, **changes)
    bring_up(tmp_path)
    assert (told(tmp_path)[-1].state, told(tmp_path)[-1].open) == ("complete", None)
