"""What a command showed on a terminal, as a picture in SVG that asks nobody for anything."""

from __future__ import annotations

import io
import re
from html import escape, unescape
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_THEME = TerminalTheme(
    (22, 24, 28),
    (226, 229, 233),
    [
        *((43, 48, 56), (255, 107, 107), (126, 211, 133), (240, 200, 90)),
        *((110, 168, 254), (214, 150, 240), (94, 208, 214), (226, 229, 233)),
    ],
)
NAMESPACE = "http://www.w3.org/2000/svg"
"""The one address in a picture: a name that nobody asks."""
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="NAMESPACE" role="img">
<title>TITLE</title>
<desc>COMMAND</desc>
<metadata>MARK</metadata>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; white-space: pre }}
.{unique_id}-title {{ font-size: 16px; font-family: sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
"""As rich has it, without the font that its own asks an outside server for."""


def cut(lines: Sequence[str], head: int, tail: int) -> list[str]:
    """The first and the last lines, and between them one that says how many are left out. Where a section
    ends close before, it is cut there."""
    if len(lines) <= head + tail + 1:
        return list(lines)
    end = next((at for at in range(head, head // 2, -1) if not lines[at].strip()), head)
    missing = len(lines) - end - tail
    return [*lines[:end], "", f"\x1b[2m  [{missing} more lines]\x1b[0m", "", *lines[-tail:]]


def as_svg(title: str, command: str, lines: Sequence[str], columns: int, mark: str) -> str:
    """The picture of a terminal so many columns wide: the command as it was typed, and lines with the
    sequences of their colours. `mark` stands in it, unseen."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    for line in (f"\x1b[1m$ {command}\x1b[0m", *lines):
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop", crop=True)
    told = {"TITLE": title, "COMMAND": command, "MARK": mark, "NAMESPACE": NAMESPACE}
    form = re.sub(
        "TITLE|COMMAND|MARK|NAMESPACE", lambda found: escape(told[found[0]]).replace("{", "{{"), _FORMAT
    )
    made = console.export_svg(title=title, theme=_THEME, code_format=form, unique_id="t")
    return "\n".join(line.strip() for line in made.splitlines() if line.strip()) + "\n"


def words(svg: str) -> str:
    """What stands in such a picture, runs of blanks as one, and its styles."""
    texts = re.findall(r">([^<>]+)<", svg)
    return re.sub(r"\s+", " ", unescape(" ".join(texts)))


def told_by(path: Path) -> dict[str, str]:
    """The `title`, `desc` and `metadata` of such a picture; nothing of a file that is not there."""
    if not path.exists():
        return {}
    found = re.findall(r"<(title|desc|metadata)>([^<]*)</", path.read_text(encoding="utf-8"))
    return {name: unescape(text) for name, text in found}
