"""Takes a stream of JSON apart into its records, however it is laid out: one a line, an array in one line or
pretty, arrays in arrays, several files behind each other, masscan's arrays that are none."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn

from targets.errors import ScopeError
from targets.sources.lines import BUFFER, MAX_LINE, MAX_LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")
_FINISHED = re.compile(r"\{\s*finished\s*:\s*1\s*\}")  # old masscan ends with this, which is no JSON
_NEAR = 16  # characters: an error so near the end of what was read may only be for want of the rest
_REMEDY = "write one object a line, as `jq -c .` does"


def read_json(stream: BinaryIO, name: str, warn: Callable[[str], None]) -> Iterator[tuple[int, Any]]:
    """`(line, record)` of each object and text. What breaks off at the end gives what it has, with a warning.

    Holds one record and one buffer at a time. Raises ScopeError at what is neither.
    """
    text = _Text(stream, name)
    records = 0
    while text.skip():
        found = text.find()
        while found.cut_off and text.left <= MAX_LINE and text.grow():
            found = text.find()
        if found.cut_off and text.left > MAX_LINE:
            text.refuse(text.at, f"a record is longer than {MAX_LINE:,} characters")
        if found.cut_off:
            warn(f"{name}:{text.line}: the last record is torn; what comes before it is used")
            return
        if found.fault:
            text.refuse(found.end, found.fault)
        records += 1
        if records > MAX_LINES:
            text.refuse(text.at, f"more than {MAX_LINES:,} records")
        if found.value is not None:
            yield text.line, found.value
        text.take(found.end)
    if text.depth > 0:
        warn(f"{name}:{text.line}: the array has no end, so records may be missing; what is there is used")


class _Found(NamedTuple):
    """A value and where it ends, or what is wrong and where."""

    value: Any
    end: int
    fault: str = ""
    cut_off: bool = False  # the fault may only be that the text ends there


class _Text:
    """The text of a stream from `at` on, as far as it has been read."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.at = 0
        self.line = 1  # of `at`
        self.depth = 0  # arrays that are open
        self._text = ""
        self._name = name
        self._stream = stream
        self._ended = False
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder().raw_decode

    @property
    def left(self) -> int:
        """How many characters have been read and not taken."""
        return len(self._text) - self.at

    def grow(self) -> bool:
        """Read more; False at the end."""
        if self._ended:
            return False
        raw = self._stream.read(BUFFER)
        self._ended = not raw
        self._text, self.at = self._text[self.at :], 0
        try:
            self._text += self._decode(raw, self._ended)
        except UnicodeDecodeError as error:
            line = self.line + self._text.count("\n") + error.object.count(b"\n", 0, error.start)
            byte = error.object[error.start]
            raise ScopeError(
                self._name, line, f"byte 0x{byte:02x} is not UTF-8", "save it as UTF-8"
            ) from None
        return True

    def skip(self) -> bool:
        """Pass over brackets, commas and blanks; False when nothing follows."""
        while True:
            match = _BETWEEN.match(self._text, self.at)
            assert match is not None  # it matches the empty text, too
            passed = match[0]
            self.depth = max(self.depth + passed.count("[") - passed.count("]"), 0)
            self.take(match.end())
            if self.left:
                return True
            if not self.grow():
                return False

    def take(self, end: int) -> None:
        """Go on at `end`."""
        self.line += self._text.count("\n", self.at, end)
        self.at = end

    def find(self) -> _Found:
        """What begins at `at`: an object, or a text as a list of addresses has it."""
        if self._text[self.at] not in '{"':
            return _Found(None, self.at, "is not an object")
        try:
            value, end = self._scan(self._text, self.at)
            return _Found(value, end)
        except json.JSONDecodeError as error:
            finished = _FINISHED.match(self._text, self.at)
            if finished:
                return _Found(None, finished.end())
            cut_off = error.pos >= len(self._text.rstrip()) - _NEAR or error.msg.startswith("Unterminated")
            return _Found(None, error.pos, "not valid JSON", cut_off)
        except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
            return _Found(None, self.at, "a record is no scanner's: too deep, or with a number too long")

    def refuse(self, place: int, reason: str) -> NoReturn:
        """Raise the refusal that names the line of a place."""
        line = self.line + self._text.count("\n", self.at, place)
        raise ScopeError(self._name, line, reason, _REMEDY)
