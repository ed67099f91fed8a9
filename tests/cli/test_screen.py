"""What a sweep shows: on a terminal, in a pipe, or not at all; and that no name can steer a terminal."""

from __future__ import annotations

import io
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from results.record import Endpoint, Exposure, Observation, Owner
from results.verdict import Severity, Verdict
from scanner.cli.screen import (
    MOST_FOUND_LINES,
    PlainScreen,
    QuietScreen,
    TerminalScreen,
    can_redraw,
    found_cells,
    progress_line,
    screen_for,
    start_line,
    summary_lines,
)
from scanner.setup.settings import Settings, SweepOptions
from scanner.sweep.plan import make_plan
from scanner.sweep.progress import ProgressSnapshot, RunSummary
from targets.entries import Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import Screen


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


class Gone(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        """No longer possible."""
        raise BrokenPipeError


PLAN: Plan = make_plan(Settings(), Scope([Entry.of("10.20.0.0/24")]), SweepOptions(), time.time())
SNAPSHOT = ProgressSnapshot(done=128, planned=256, elapsed=31.0, rate=99.6, open_found=1, remaining=65.0)
SUMMARY = RunSummary(
    run_id="R1",
    run_dir=str(Path("runs") / "R1"),
    state="interrupted",
    reasons=("Ctrl-C\x1b[2J",),
    planned=256,
    outcomes={"refused": 100, "open": 1},
    excluded=2,
    not_reached=153,
    elapsed=69.0,
    exit_code=3,
    chain_head="ab" * 32,
)


def observation(owner: str = "we\x1b[31mb", ip: str = "10.20.0.7") -> Observation:
    """A finding whose owner tries to steer the terminal."""
    return Observation(
        event_id="e",
        finding_id="f",
        run_id="R1",
        observed_at="2026-11-24T12:00:00.000Z",
        target=Endpoint(ip=ip, port=27017),
        owner=Owner(owner=owner),
        verdict=Verdict.OPEN,
        severity=Severity.CRITICAL,
        severity_number=5,
        exposure=Exposure(
            access="not_told", database_count=1, total_size_bytes=60_000_000_000, documents=693_000
        ),
    )


def show_all(screen: Screen) -> None:
    """Every call that a sweep makes."""
    screen.started(PLAN)
    screen.progress(SNAPSHOT)
    screen.found(observation())
    screen.progress(SNAPSHOT)
    screen.notice("one line\x1b[2J")
    screen.finished(SUMMARY)


def test_in_a_pipe_everything_is_a_plain_line() -> None:
    stream = io.StringIO()
    with screen_for(stream, quiet=False) as screen:
        assert isinstance(screen, PlainScreen)
        show_all(screen)
    text = stream.getvalue()
    assert "256 targets on port 27017, at most 1000 a second, engine connect" in text
    assert "128/256 (50.0 %)  100/s  1 open  1 min 5 s left" in text
    assert "found critical 10.20.0.7:27017 open 1 database, 60.0 GB, 693,000 documents" in text
    assert "interrupted: 103 of 256 targets in 1 min 9 s: refused 100, open 1" in text
    assert "excluded while it ran 2, not reached 153" in text
    assert "the same command line and: --resume R1" in text
    assert "ab" * 32 in text
    assert "\x1b" not in text
    assert text.count("128/256") == 1, "progress is told every half minute, not each time"


def test_on_a_terminal_there_is_a_bar_above_which_lines_appear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with screen_for(stream, quiet=False) as screen:
        assert isinstance(screen, TerminalScreen)
        show_all(screen)
    text = stream.getvalue()
    assert "128/256" in text
    assert "10.20.0.7:27017" in text
    assert "interrupted: 103 of 256 targets" in text
    assert "\x1b[2J" not in text
    assert "\x1b[31m" not in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor is shown again"


def test_a_sweep_that_fails_leaves_the_terminal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with pytest.raises(ZeroDivisionError), screen_for(stream, quiet=False) as screen:  # noqa: PT012 - it fails half way
        screen.started(PLAN)
        raise ZeroDivisionError
    assert stream.getvalue().rstrip().endswith("\x1b[2K") or "\x1b[?25h" in stream.getvalue()


def test_quiet_or_without_a_stream_nothing_is_shown() -> None:
    stream = io.StringIO()
    for target, quiet in ((stream, True), (None, False)):
        with screen_for(target, quiet=quiet) as screen:
            assert isinstance(screen, QuietScreen)
            show_all(screen)
    first = stream.getvalue().splitlines()[0]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ interrupted: 103 of 256 targets .*", first)
    assert "10.20.0.7" not in stream.getvalue()
    quiet_stream = io.StringIO()
    with screen_for(quiet_stream, quiet=True) as screen:
        screen.finished(replace(SUMMARY, state="complete"))
    assert quiet_stream.getvalue() == ""


def test_a_stream_that_went_away_is_let_go() -> None:
    with screen_for(Gone(), quiet=False) as screen:
        show_all(screen)


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not can_redraw(Terminal())
    closed = io.StringIO()
    closed.close()
    assert not can_redraw(closed)


def test_findings_in_a_pipe_are_bounded() -> None:
    stream = io.StringIO()
    with screen_for(stream, quiet=False) as screen:
        for _ in range(MOST_FOUND_LINES + 50):
            screen.found(observation())
    assert len(stream.getvalue().splitlines()) == MOST_FOUND_LINES + 1


def test_the_progress_line_says_why_it_is_slow_or_paused() -> None:
    slow = ProgressSnapshot(
        done=0, planned=0, elapsed=1, rate=0, open_found=0, slowed_by="loss", paused_by="stop file"
    )
    assert progress_line(slow) == "0/0 (100.0 %)  0/s  0 open  slower: loss  PAUSED: stop file"


def test_what_the_driver_said_is_told_where_it_was_asked() -> None:
    assert "driver agrees 1,200, cannot speak 3, disagrees 0" in summary_lines(
        replace(SUMMARY, agreed=(1200, 3, 0))
    )
    assert not any("driver" in line for line in summary_lines(SUMMARY))


def test_the_first_line_says_which_cap_decides() -> None:
    """And not the rate alone, where another is what it waits for."""
    told = start_line(PLAN)
    assert "at most 1000 a second" in told
    assert told.endswith("(per_prefix_rate = 20 decides)")


def test_a_pause_is_told_when_it_begins_and_ends() -> None:
    """Where nobody watches, too: a blackout window may last for hours."""
    stream = io.StringIO()
    with screen_for(stream, quiet=False) as screen:
        told = ((1.0, ""), (1.3, "trading hours"), (1.6, ""), (1.9, "trading hours"), (20.0, "trading hours"))
        for seconds, why in (*told, (20.3, ""), (22.1, "")):
            screen.progress(replace(SNAPSHOT, elapsed=seconds, paused_by=why))
    began, over = (line.partition("Z ")[2] for line in stream.getvalue().splitlines())
    assert began.endswith("PAUSED: trading hours")
    assert over == "goes on, after a pause of 19 s: trading hours"


def test_lines_have_the_time_where_nobody_sees_them_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.gmtime", lambda: (2026, 11, 30, 1, 2, 3, 0, 334, 0))
    monkeypatch.setenv("TERM", "dumb")
    for stream, before in ((io.StringIO(), "2026-11-30T01:02:03Z "), (Terminal(), "")):
        with screen_for(stream, quiet=False) as screen:
            screen.notice("the scope\x1b[2J")
        assert stream.getvalue() == f"{before}the scope\\x1b[2J\n"


def test_the_run_directory_is_left_for_below_a_table() -> None:
    for table in (False, True):
        stream = io.StringIO()
        with screen_for(stream, quiet=False, table=table) as screen:
            screen.finished(SUMMARY)
        assert ("run directory: " in stream.getvalue()) is not table


def test_what_a_complete_sweep_adds_is_no_cause_of_it() -> None:
    lines = summary_lines(replace(SUMMARY, state="complete", not_reached=0, reasons=("it went slower",)))
    assert lines[0].startswith("complete: 256 targets in")
    assert "  note: it went slower" in lines


def test_ipv6_addresses_stand_in_brackets() -> None:
    assert found_cells(observation(ip="fd00::1"))[1] == "[fd00::1]:27017"


def test_a_complete_summary_has_no_resume() -> None:
    lines = summary_lines(
        RunSummary(
            run_id="R",
            run_dir="runs/R",
            state="complete",
            reasons=(),
            planned=1,
            outcomes={},
            excluded=0,
            not_reached=0,
            elapsed=0.1,
            exit_code=0,
        )
    )
    assert lines == ["complete: 1 target in 1 s: no outcome", "run directory: runs/R"]
