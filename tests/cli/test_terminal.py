"""A sweep on a real terminal, in a shell's own pipelines: what a person sees at the end."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.cli.programs import ROOT
from tests.support import terminal
from tests.support.lines import observed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.terminal import Seen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="how a terminal is given away is Linux's")
SERVERS = 12
MOVES = "\x1b["


@pytest.fixture
def home(tmp_path: Path, port: int) -> Iterator[Path]:
    """A folder with a configuration, and open servers in its scope that are found a few in a second."""
    (tmp_path / "mongosweep.toml").write_text(
        '[[allow]]\ncidr = "127.97.0.0/26"\nowner = "web platform"\nkind = "lab"\n'
        f"[sweep]\nports = [{port}]\nrate = 60\nper_prefix_rate = 1000\n"
    )
    places = {(f"127.97.0.{number * 5 + 1}", port): find("empty") for number in range(SERVERS)}
    with LabThread(places):
        yield tmp_path


def on_a_terminal(
    home: Path,
    pipeline: str,
    *,
    term: str = "xterm",
    interrupt: bool = False,
    behind: bool = False,
    columns: int = 120,
) -> Seen:
    """Run a line of a shell in which `{}` is `mongosweep sweep`; a Ctrl-C comes with the first findings."""
    program = shlex.join([sys.executable, "-P", "-m", "scanner", "sweep"])
    hidden = ("MONGOSWEEP_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    env |= {"PYTHONPATH": str(ROOT), "HOME": str(home), "TERM": term}
    return terminal.watch(
        pipeline.replace("{}", program),
        cwd=home,
        env=env,
        columns=columns,
        when=lambda shown: interrupt and shown.count("127.97.0.") > 3,
        behind=behind,
    )


OURS = re.compile(r"(?:found (?:critical|high|medium|low|info) |[\d,]+/[\d,]+ \()[^\n]*\n")


def records(seen: Seen) -> list[str]:
    """The addresses of the JSON lines that stand on the terminal. A reader of a pipe gets what has come, so
    that a line of ours may stand in the middle of one of its."""
    text = OURS.sub("", seen.raw.replace("\r", ""))
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return sorted(document["target"]["ip"] for document in observed(lines))


EACH = sorted(f"127.97.0.{number * 5 + 1}" for number in range(SERVERS))


@pytest.mark.parametrize(
    "pipeline",
    [
        "{} | cat",
        "{} --json",
        pytest.param("{} > >(cat)", marks=pytest.mark.exhaustive),
        pytest.param("{} | tee lines", marks=pytest.mark.exhaustive),
    ],
)
def test_nothing_is_drawn_over_lines_that_may_come_to_the_same_terminal(home: Path, pipeline: str) -> None:
    """The reader of the pipe writes beside us: every line of both stays, and none is moved."""
    seen = on_a_terminal(home, f"{pipeline}; sleep 0.3")
    assert MOVES not in seen.raw
    assert records(seen) == EACH
    assert any(line.startswith("complete: 64 targets") for line in seen.lines)
    assert any("found " in line and "127.97.0.11:" in line for line in seen.lines)


@pytest.mark.parametrize(
    "pipeline", ["{} > lines", pytest.param("{} > /dev/null", marks=pytest.mark.exhaustive)]
)
def test_a_file_takes_the_lines_and_leaves_the_terminal_to_the_live_view(home: Path, pipeline: str) -> None:
    seen = on_a_terminal(home, pipeline)
    assert MOVES in seen.raw
    assert seen.status == 1
    assert not any(line.startswith(("severity", "{")) for line in seen.lines), "the view is taken away"
    if "lines" in pipeline:
        told = (home / "lines").read_text().splitlines()
        assert sorted(document["target"]["ip"] for document in observed(told)) == EACH


@pytest.mark.parametrize("behind", [False, True])
def test_a_ctrl_c_leaves_nothing_of_the_live_view(home: Path, behind: bool) -> None:
    """Its echo is written where the cursor stands, at the end of the view. What the terminal has not shown by
    then is dropped by the kernel (ISIG without NOFLSH, termios(3)): a row of the view may be among it, and
    the line above is then taken away in its place."""
    seen = on_a_terminal(home, "{} > lines", interrupt=True, behind=behind)
    assert "^C" in seen.raw
    assert seen.status == 3
    assert MOVES in seen.raw
    at = next(place for place, line in enumerate(seen.lines) if line.startswith("interrupted: "))
    assert not any("127.97.0." in line for line in seen.lines)
    assert all(line.startswith("64 targets on port ") for line in seen.lines[:at]), seen.lines
    assert at <= 1, seen.lines
    said = "".join(seen.lines)
    assert "not reached" in said or "not asked again to the end" in said


def test_a_dumb_terminal_gets_the_plain_table(home: Path) -> None:
    seen = on_a_terminal(home, "{}", term="dumb")
    assert "\x1b" not in seen.raw
    assert not records(seen)
    assert sum(line.startswith(("high", "medium", "low", "critical")) for line in seen.lines) == SERVERS


def test_a_line_after_the_table_says_what_changed_since_the_last_look(home: Path) -> None:
    seen = on_a_terminal(home, "{}")
    assert "12 new; mongosweep exposures" in seen.lines


def test_errors_break_between_words_where_the_terminal_ends_though_stdout_is_a_pipe(home: Path) -> None:
    seen = on_a_terminal(home, "{} --scope no/such/allow-list/of/this/network.csv | cat", columns=60)
    said = seen.raw.split("\r\n")
    assert said[0].startswith("error: no/such/allow-list")
    assert len(said) > 2
    assert max(map(len, said)) <= 60


def test_where_the_run_is_stands_below_the_table(home: Path) -> None:
    """At 80 columns, too, on which no line is broken inside a word."""
    seen = on_a_terminal(home, "{}", columns=80)
    table = max(at for at, line in enumerate(seen.lines) if "127.97.0." in line)
    (at,) = (at for at, line in enumerate(seen.lines) if line.startswith("run directory: runs/2"))
    assert at > table
    assert max(len(line) for line in seen.lines) <= 80
    assert "  nobody answers (rate = 60 decides)" in seen.lines
