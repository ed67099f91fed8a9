"""The line that says how far forwarding is."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING

import pytest

from results.events.log import EVENTS_FILE
from results.sinks.state import SinkCursor, SinkFolder, SinkState
from scanner.cli import forward_view
from scanner.cli.forward_view import progress_line, shown_while

if TYPE_CHECKING:
    from pathlib import Path


def keep(output: Path, name: str, *, delivered: int, offset: int) -> None:
    folder = SinkFolder(output, name)
    folder.hold().release()
    folder.save(SinkState(sink=name, delivered=delivered, cursor=SinkCursor(offset=offset)))


def test_it_counts_from_the_first_look_on_and_says_what_waits(tmp_path: Path) -> None:
    (tmp_path / EVENTS_FILE).write_bytes(b"x" * 5000)
    before: dict[str, int] = {}
    keep(tmp_path, "soc", delivered=1000, offset=1000)
    assert (
        progress_line(tmp_path, ["soc", "new"], before)
        == "soc 0 sent, 4.0 kB waiting; new 0 sent, 5.0 kB waiting"
    )
    keep(tmp_path, "soc", delivered=2500, offset=5000)
    assert progress_line(tmp_path, ["soc"], before) == "soc 1,500 sent, nothing waiting"


class Terminal(io.StringIO):
    """A terminal, as far as it is asked."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "drawn"),
    [(Terminal, False, True), (Terminal, True, False), (io.StringIO, False, False)],
)
async def test_it_is_drawn_over_itself_on_a_terminal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], quiet: bool, drawn: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = stream()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(forward_view, "INTERVAL", 0.001)
    (tmp_path / EVENTS_FILE).write_bytes(b"x" * 5000)
    async with shown_while(tmp_path, ["soc"], quiet=quiet) as say:
        for _ in range(1000):
            if not drawn or terminal.getvalue().count("soc 0 sent") > 1:
                break
            await asyncio.sleep(0.005)
        say("soc: stopped")
    shown = terminal.getvalue()
    lines = shown.split("\n")
    assert [line.rpartition("\x1b[K")[2] for line in lines] == ["soc: stopped", ""]
    assert shown.endswith("\r\x1b[K") if drawn else shown == "soc: stopped\n"
