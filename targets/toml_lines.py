"""On which line of a TOML text a key stands, so that an error can name the place (tomllib does not say).

It follows only what decides where a statement begins: headers, strings, brackets and comments. The text has
already been read by tomllib, so it is known to be well formed.
"""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

# What tomllib appends to its messages.
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_KEY_PART = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.?)")
# One step through a value: a long string's mark, a short string, a bracket, a comment, or anything else.
_TOKEN = re.compile(
    r"\"\"\"|'''|\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\[{]|[\]}]|#.*|[^\"'\[\]{}#]+",
)


def syntax_error(message: str) -> tuple[str, int | None]:
    """tomllib's message without the place that it names, and the line of that place (None: the end)."""
    found = _PLACE.search(message)
    if found is None:
        return message, None
    return message[: found.start()], int(found[1]) if found[1] else None


class TomlLines:
    """The lines of the statements of one TOML text, asked by path: `("sweep", "rate")`, `("allow", 1)`."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        prefix: Path = ()
        depth, quote = 0, ""
        for number, line in enumerate(text.split("\n"), start=1):
            if depth == 0 and not quote:
                stripped = line.strip()
                if stripped.startswith("["):
                    prefix = self._header(stripped, number)
                    continue
                rest = self._statement(prefix, line, number)
            else:
                rest = line
            depth, quote = _follow(rest, depth, quote)

    def line(self, path: Path) -> int:
        """The line (from 1) of `path`, or of the nearest table above it; 1 when nothing of it is there."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1

    def exact(self, path: Path) -> int | None:
        """The line of `path` itself; None where no statement is of it."""
        return self._lines.get(path)

    def _header(self, line: str, number: int) -> Path:
        many = line.startswith("[[")
        keys = _dotted(line[2:] if many else line[1:])[0]
        path: Path = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            last = position == len(keys) - 1
            if many and last:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:  # a table inside the newest element of an array
                path = (*path, self._counts[path])
        self._lines.setdefault(path, number)
        if keys:
            self._lines.setdefault((keys[0],), number)
        return path

    def _statement(self, prefix: Path, line: str, number: int) -> str:
        """Record the key of `key = value` and return the value's text."""
        keys, rest = _dotted(line)
        if not keys or not rest.startswith("="):
            return rest
        path = prefix
        for key in keys:
            path = (*path, key)
            self._lines.setdefault(path, number)
        return rest[1:]


def _dotted(text: str) -> tuple[list[str], str]:
    """The parts of a dotted key at the start of `text`, and what follows it."""
    keys: list[str] = []
    while match := _KEY_PART.match(text):
        keys.append(match[1] or match[2] or match[3] or "")
        text = text[match.end() :]
        if not match[4]:
            break
    return keys, text


def _follow(text: str, depth: int, quote: str) -> tuple[int, str]:
    """The bracket depth and the open long string (its mark, or "") at the end of `text`."""
    while text:
        if quote:
            _, found, text = text.partition(quote)
            quote = "" if found else quote
            continue
        match = _TOKEN.match(text)
        if match is None:
            break
        token, text = match[0], text[match.end() :]
        if token in ('"""', "'''"):
            quote = token
        elif token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
    return depth, quote
