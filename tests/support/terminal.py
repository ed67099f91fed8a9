"""A pseudo-terminal with a command line of a shell on it, and what a person would see there.

seen = terminal.watch("mongosweep sweep | cat", cwd=home)
seen.lines      # what stands on the terminal when the line has ended, what scrolled away included
seen.raw        # every byte that was written to it
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n])", re.DOTALL)


@dataclass(frozen=True)
class Seen:
    """What came to the terminal, and how the shell ended."""

    raw: str
    lines: list[str]
    status: int


def watch(
    line: str,
    *,
    cwd: Path,
    env: dict[str, str],
    columns: int = 120,
    rows: int = 40,
    when: Callable[[str], bool] = lambda shown: False,
    press: str = "\x03",
    behind: bool = False,
    seconds: float = 60,
) -> Seen:
    """Run `line` by a shell whose three streams are a terminal; `press` is typed once `when` is true, and
    where it is `behind` not before there is something that the terminal has not shown yet."""
    terminal, device = os.openpty()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    name = os.ttyname(device)
    # The first terminal that the leader of a session opens becomes its own, from which a Ctrl-C comes.
    words = ["bash", "-c", f"exec <{name} >{name} 2>&1; {line}"]
    shell = subprocess.Popen(words, cwd=cwd, env=env, start_new_session=True)
    data, pressed, until = b"", False, time.monotonic() + seconds
    try:
        while shell.poll() is None or select.select([terminal], [], [], 0)[0]:
            assert time.monotonic() < until, f"still there after {seconds} s: {data[-2000:]!r}"
            if select.select([terminal], [], [], 0.05)[0]:
                data += os.read(terminal, 65536)
            if not pressed and when(data.decode(errors="replace")):
                if behind:
                    select.select([terminal], [], [], seconds)
                os.write(terminal, press.encode())
                pressed = True
    finally:
        shell.kill()
        status = shell.wait()
        os.close(device)
        os.close(terminal)
    raw = data.decode(errors="replace")
    return Seen(raw, shown(raw, columns, rows), status)


def shown(raw: str, columns: int = 120, rows: int = 40) -> list[str]:
    """The lines that a person sees: what a terminal of this size makes of it, colours left out."""
    return ["".join(cell.character for cell in line).rstrip() for line in _cells(raw, columns, rows)]


def painted(raw: str, columns: int = 120, rows: int = 40) -> list[str]:
    """The same lines with their colours: each begins and ends plain."""
    lines = []
    for line in _cells(raw, columns, rows):
        made = style = ""
        for cell in line:
            made += cell.character if cell.style == style else f"\x1b[0m{cell.style}{cell.character}"
            style = cell.style
        lines.append(made + "\x1b[0m" if style else made.rstrip())
    return lines


class _Cell(NamedTuple):
    character: str
    style: str = ""  # the sequences that are in force, as they came


def _cells(raw: str, columns: int, rows: int) -> list[list[_Cell]]:
    cells: list[list[_Cell]] = [[]]
    row = column = 0
    style = ""
    for match in _TOKEN.finditer(raw):
        argument, letter, control, character = match.groups()
        if letter is not None:
            count = int(argument) if argument.isdigit() else 1
            if letter == "A":
                row = max(row - count, len(cells) - rows, 0)
            elif letter == "K":
                cells[row] = [] if argument == "2" else cells[row][:column]
            elif letter == "m":
                style = "" if argument in ("", "0") else f"{style}{match[0]}"
        elif control == "\r":
            column = 0
        else:
            if control == "\n" or column == columns:
                row += 1
                column = column if control else 0
                if row == len(cells):
                    cells.append([])
            if character is not None:
                cells[row] += [_Cell(" ")] * (column + 1 - len(cells[row]))
                cells[row][column] = _Cell(character, style)
                column += 1
    return cells
