"""Text for people: hostile names made visible, by the one function between them and a terminal; how wide a
text is there, cut and folded; sizes, counts, addresses and times in words."""

from __future__ import annotations

import re
import unicodedata

# Letters and symbols by category, but drawn as nothing or as a blank.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_MARKS = frozenset({"Mn", "Me"})
_MARKS_IN_A_ROW = 2
_PLAIN = re.compile(r"[ !-\[\]-~]*")


def visible(text: str, limit: int | None = None) -> str:
    r"""The text with everything escaped that is not seen as itself: `\xNN`, `\uNNNN` or `\UNNNNNNNN`.

    Escaped are controls (C0, C1, DEL), format characters (bidirectional overrides, zero width, tags), lone
    surrogates, private and unassigned code points, line and paragraph separators, blanks other than the
    space, variation selectors, letters that draw nothing, and combining marks with nothing to stand on or
    more than two deep. A backslash is doubled, so that two different names never look the same. `limit`
    bounds the characters of the result, an ellipsis included.
    """
    if limit is not None:
        text = text[: limit + 1]  # escaping never shortens: nothing behind this is shown
    escaped = text if _PLAIN.fullmatch(text) else "".join(_pieces(text))
    if limit is not None and len(escaped) > limit:
        return escaped[: limit - 1] + "…"
    return escaped


def _pieces(text: str) -> list[str]:
    pieces = []
    marks = _MARKS_IN_A_ROW
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        hidden = marks > _MARKS_IN_A_ROW or _is_hidden(character, category)
        if character == "\\":
            pieces.append("\\\\")
        elif hidden:
            pieces.append(_escape(ord(character)))
            marks = _MARKS_IN_A_ROW if marks else 0
        else:
            pieces.append(character)
    return pieces


def _is_hidden(character: str, category: str) -> bool:
    if character == " ":
        return False
    return (
        category in _HIDDEN_CATEGORIES
        or character in _INVISIBLE
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0000" <= character <= "\U000e0fff"
    )


def _escape(point: int) -> str:
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def cells_of(text: str) -> int:
    """How many cells of a terminal a text takes: two for a wide letter (Unicode's UAX #11), none for a mark
    on one."""
    if text.isascii():
        return len(text)
    wide = {letter: unicodedata.east_asian_width(letter) in "WF" for letter in set(text)}
    return sum(0 if unicodedata.category(letter) in _MARKS else 1 + wide[letter] for letter in text)


def cut(text: str, width: int) -> str:
    """The text, or its beginning with an ellipsis, in at most `width` cells."""
    if cells_of(text) <= width:
        return text
    text = text[: 2 * width]
    while cells_of(text) > width - 1:
        text = text[:-1]
    return text + "…"


def folded(text: str, width: int, indent: int = 0, further: int = 2) -> list[str]:
    """The text as lines of at most `width` cells, or of one word that is longer: the first with `indent`
    blanks before it, the others with `further` more."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and cells_of(lines[-1]) + 1 + cells_of(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(" " * (indent + (further if lines else 0)) + word)
    return lines


def human_bytes(size: int | None) -> str:
    """A size for people, in powers of 1000: `60.0 GB`; `?` when no figure is known."""
    if size is None:
        return "?"
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if value < 999.95 or unit == "PB":
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit takes every value")


def human_count(count: int | None) -> str:
    """A count with thousands separated: `693,000`; `?` when no figure is known."""
    return "?" if count is None else f"{count:,}"


def plural(count: int, noun: str, several: str = "") -> str:
    """A count with its noun: `1 target`, `2,000 targets`."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def address(ip: str, port: int) -> str:
    """`192.0.2.1:27017`, `[2001:db8::1]:27017`."""
    return visible(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}", 70)


def minute(time: str) -> str:
    """A time of RFC 3339 in UTC to the minute: `2026-02-20 14:02 UTC`; `an unknown time` for ""."""
    return f"{visible(time[:10])} {visible(time[11:16])} UTC" if time else "an unknown time"


def at_least(seconds: int) -> str:
    """Whole units that have passed, rounded down so that it is never too much: `31 days`, `47 hours`."""
    size, noun = _unit(seconds)
    return plural(max(seconds, 0) // size, noun)


def at_most(seconds: int) -> str:
    """Units that have not quite passed, rounded up so that it is never too little: `38 days`."""
    size, noun = _unit(seconds)
    return plural(-(-max(seconds, 0) // size), noun)


def _unit(seconds: int) -> tuple[int, str]:
    """The largest of which there are enough to say something: days from two on."""
    units = ((2 * 86400, 86400, "day"), (3600, 3600, "hour"), (60, 60, "minute"))
    return next(((size, noun) for least, size, noun in units if seconds >= least), (1, "second"))
