"""Lines on a terminal: what its encoding cannot say, cells side by side, which colour a severity has."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from results.text import cells_of, folded
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

COLOURS = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}


class Printer:
    """Lines to one file. Names come escaped by `visible`; what the stream cannot encode is escaped here.

    Colour follows the terminal and NO_COLOR unless `colour` says otherwise. `width` is in columns, the
    terminal's by default.
    """

    def __init__(self, file: IO[str], *, width: int | None = None, colour: bool | None = None) -> None:
        from rich.console import Console  # imported here: a run that is piped never needs it

        self._console = Console(
            file=file,
            width=width,
            no_color=None if colour is None else not colour,
            force_terminal=True if colour else None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self.width = self._console.width  # columns of the terminal, as they were at the beginning
        self._coloured = self._console.is_terminal
        self._fit = _fitting(getattr(file, "encoding", None))

    def line(self, text: str, style: str = "") -> None:
        """One line, folded where the terminal ends."""
        text = self._fit(text)
        if not (style and self._coloured) and text.isascii() and len(text) <= self.width:
            self._console.file.write(text + "\n")  # as the console would, in a twentieth of the time
            return
        from rich.text import Text

        self._console.print(Text(text, style=style, overflow="fold"))

    def paragraph(self, text: str, indent: int = 2, style: str = "") -> None:
        """Text below what it belongs to, indented, and its further lines a little more."""
        for line in folded(text, self.width, indent):
            self.line(line, style)


def _fitting(encoding: str | None) -> Callable[[str], str]:
    """What this stream cannot encode is escaped, so that no name can end the output with an error."""
    encoding = encoding or "utf-8"
    return lambda text: text.encode(encoding, "backslashreplace").decode(encoding)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text with blanks, to be `width` cells wide."""
    blanks = " " * (width - cells_of(text))
    return blanks + text if right else text + blanks


def in_columns(
    names: Sequence[str], texts: Sequence[str], widths: Mapping[str, int], right: Collection[str]
) -> str:
    """Cells side by side, each as wide as its column; those named in `right` are numbers."""
    pairs = zip(names, texts, strict=True)
    return "  ".join(padded(text, widths[name], right=name in right) for name, text in pairs).rstrip()
