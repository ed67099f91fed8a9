"""The error of everything that reads what may be probed: where, why, and what to write instead."""

from __future__ import annotations


class ScopeError(Exception):
    """A refused allow-list, list of targets or entry. Its text is one line for the user.

    `path` is the file as the user named it, `line` counts from 1 (None: the file as a whole), `remedy`
    begins with a verb.
    """

    def __init__(self, path: str, line: int | None, reason: str, remedy: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        self.remedy = remedy
        super().__init__(path, line, reason, remedy)

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return one_line(f"{place}: {self.reason}; {self.remedy}")


def one_line(text: str) -> str:
    """Text for a terminal, as one line: it may quote the name of a file, of a part of a mail, or a list."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A remedy for an unknown word: the nearest known one, or the known ones, a dozen at most."""
    from difflib import get_close_matches  # only when there is something to explain

    by_small = {each.lower(): each for each in known}
    close = get_close_matches(word.lower(), by_small, n=1)
    if close:
        return f"did you mean {by_small[close[0]]}?"
    more = f" or {len(known) - 12:,} more" if len(known) > 12 else ""
    return f"write one of {', '.join(known[:12])}{more}"
