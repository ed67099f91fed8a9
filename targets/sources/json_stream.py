"""Takes a stream of JSON apart into its records, however it is laid out: one a line, an array in one line or
pretty, arrays in arrays, several files behind each other, masscan's arrays that are none, and documents that
hold a list, as APIs and command lines of clouds answer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, NoReturn

from targets.errors import ScopeError
from targets.sources.lines import BUFFER, MAX_LINE, MAX_LINES, Decoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.sources.reading import Trouble

MAX_DOCUMENT: Final = 16 * MAX_LINE  # characters of a document that is no list of records
_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")
_SCAN_ERRORS = (ValueError, StopIteration, RecursionError)
_FINISHED = re.compile(r"\{\s*finished\s*:\s*1\s*\}")  # old masscan ends with this, which is no JSON
_KEY = re.compile(r'[\s,]*"([^"\\]{1,64})"\s*:\s*')
_END = re.compile(r"\s*\}")
_AGAIN = re.compile(r"\n[ \t\r,\[]*+(?=\{)")  # where the next record may begin, behind one that is none
_BEGUN = re.compile(r"[ \t\r,\[]*+\Z")  # a line on which it may
_MOST_DEEP = 1000  # records of too many brackets, each of which costs 0.2 ms
_REWINDS = 16  # records without end behind which the lines are read once more
_NEAR = 16  # characters: an error so near the end of what was read may only be for want of the rest
_REMEDY = "write one object a line, as `jq -c .` does"


class Record(NamedTuple):
    """One record, where it begins, and the document in whose list it stands."""

    line: int
    value: Any
    envelope: str = ""  # the key of the list, such as AWS's "Addresses"; "" for a record that stands free
    document: Mapping[str, Any] = {}


def read_json(stream: BinaryIO, trouble: Trouble, envelopes: frozenset[str]) -> Iterator[Record]:
    """Each object and text of the stream. What is no JSON is told and left out, up to the line where the next
    object begins; what breaks off at the end gives what it has, with a warning.

    `envelopes` are keys whose lists are taken apart where they stand in a document: an object that begins a
    stream, or follows such a one. Holds one record and one buffer at a time. Raises ScopeError for a stream
    that cannot be read.
    """
    text = _Text(stream, trouble)
    records = 0
    longest = MAX_DOCUMENT
    envelope, document = "", dict[str, Any]()
    documents = True  # whether an object may be one
    while text.skip():
        if envelope and text.depth == 0:  # its list has ended: more keys of the document follow, or nothing
            envelope = text.enter(document, envelopes)
            continue
        if documents and not envelope and text.depth == 0 and text.begins_object():
            document = {}
            envelope = text.enter(document, envelopes, begin=True)
            if envelope:
                continue
            documents = False
        line = text.line
        try:  # most records lie whole in the buffer: one call each, instead of four
            value = text.take_record()
        except _SCAN_ERRORS:
            text.drop_taken()
            found = text.find(MAX_LINE if envelope else longest)
            longest = MAX_LINE
            if found.fault:
                if not text.pass_over(found):
                    break
                continue
            text.take(found.end)
            value = found.value
        longest = MAX_LINE
        records += 1
        if records > MAX_LINES:
            text.refuse(text.at, f"more than {MAX_LINES:,} records")
        if value is not None:
            yield tuple.__new__(Record, (line, value, envelope, document))
    if text.depth > 0 and not text.torn:
        trouble.warn(text.line, "the array has no end, so records may be missing; what is there is used")


class _Found(NamedTuple):
    """A value and where it ends, or what is wrong and where."""

    value: Any
    end: int
    fault: str = ""
    torn: bool = False  # the text ended inside of it


class _Text:
    """The text of a stream from `at` on, as far as it has been read."""

    def __init__(self, stream: BinaryIO, trouble: Trouble) -> None:
        self.at = 0
        self.line = 1  # of `at`
        self.depth = 0  # arrays that are open
        self.torn = False  # the stream ended inside of a record
        self._text = ""
        self._trouble = trouble
        self._stream = stream
        self._ended = False
        self._rewinds = 0
        self._deep = 0
        self._decoder = Decoder(trouble)
        self._scan = json.JSONDecoder().raw_decode

    @property
    def left(self) -> int:
        """How many characters have been read and not taken."""
        return len(self._text) - self.at

    def grow(self, longest: int = 0) -> bool:
        """Read as much again as there is, a buffer at least, and no more than `longest` can need; False at
        the end. Whoever scans from the beginning each time does so twice in all."""
        if self._ended:
            return False
        raw = self._stream.read(max(BUFFER, min(self.left, (longest or MAX_DOCUMENT) + 1 - self.left)))
        self._ended = not raw
        rest = self._text[self.at :]
        self._text, self.at = rest + self._decoder.text(raw, self.line + rest.count("\n")), 0
        return True

    def drop_taken(self) -> None:
        """Let go of what comes before `at`: where an error stands is counted from the text's beginning."""
        self._text, self.at = self._text[self.at :], 0

    def skip(self) -> bool:
        """Pass over brackets, commas and blanks; False when nothing follows."""
        while True:
            end = _BETWEEN.match(self._text, self.at).end()  # type: ignore[union-attr]  # it matches "", too
            passed = self._text[self.at : end]
            if passed != "\n" and passed != ",\n":
                self.depth = max(self.depth + passed.count("[") - passed.count("]"), 0)
            self.line += passed.count("\n")
            self.at = end
            if end < len(self._text):
                return True
            if not self.grow():
                return False

    def take_record(self) -> Any:
        """The object or text at `at`, if it is whole. Raises one of _SCAN_ERRORS."""
        text, at = self._text, self.at
        if text[at] not in '{"':
            raise ValueError
        value, end = self._scan(text, at)
        self.line += text.count("\n", at, end)
        self.at = end
        return value

    def take(self, end: int) -> None:
        """Go on at `end`."""
        self.line += self._text.count("\n", self.at, end)
        self.at = end

    def begins_object(self) -> bool:
        """Whether an object begins at `at`."""
        return self._text[self.at] == "{"

    def enter(self, document: dict[str, Any], envelopes: frozenset[str], *, begin: bool = False) -> str:
        """Go through the keys of a document up to the first list of `envelopes`; its key, with `at` in the
        list, or "" at the document's end. What the other keys say goes into `document`. A document that is
        none, or that cannot be followed, is left where it began."""
        place, line = (self.at + 1 if begin else self.at), self.line
        while True:
            if _END.match(self._text, place):
                if not begin:
                    self.take(_END.match(self._text, place).end())  # type: ignore[union-attr]  # it matched
                return ""
            key = _KEY.match(self._text, place)
            if key is not None and key.end() < len(self._text):
                if key[1] in envelopes and self._text[key.end()] == "[":
                    self.take(key.end() + 1)
                    self.depth = 1
                    return key[1]
                try:
                    value, end = self._scan(self._text, key.end())
                except (ValueError, RecursionError):
                    pass
                else:
                    if end < len(self._text):  # a number may go on behind what was read
                        document[key[1]] = value
                        place = end
                        continue
            taken = self.at
            if self.left > MAX_DOCUMENT or not self.grow():
                if not begin:
                    self.take(len(self._text))  # nothing but the end of a torn document
                self.line = line if begin else self.line
                return ""
            place -= taken

    def find(self, longest: int) -> _Found:
        """What begins at `at`, after reading on as far as it needs: an object of at most `longest`
        characters, or a text as a list of addresses has it."""
        while True:
            found = self._find()
            if not found.torn:
                return found
            if self.left > longest:
                return _Found(None, self.at, f"a record is longer than {longest:,} characters")
            if not self.grow(longest):
                return found

    def _find(self) -> _Found:
        if self._text[self.at] not in '{"':
            return _Found(None, self.at, "is not an object")
        try:
            value, end = self._scan(self._text, self.at)
            return _Found(value, end)
        except json.JSONDecodeError as error:
            finished = _FINISHED.match(self._text, self.at)
            if finished:
                return _Found(None, finished.end())
            cut = error.pos >= len(self._text.rstrip()) - _NEAR or error.msg.startswith("Unterminated")
            return _Found(None, error.pos, "not valid JSON", cut)
        except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
            self._deep += 1
            return _Found(None, self.at, "a record is no scanner's: too deep, or with a number too long")

    def pass_over(self, found: _Found) -> bool:
        """Tell what is none, and go on behind it; False where the stream has nothing more to give."""
        if found.torn:
            self.torn = True
            self._trouble.warn(self.line, "the last record is torn; what comes before it is used")
            return False
        self._trouble.skip(self.line_of(found.end), found.fault, _REMEDY)
        self._rewinds += self.left > MAX_LINE
        if self._rewinds > _REWINDS:
            self.refuse(self.at, "too many records have no end")
        if self._deep > _MOST_DEEP:
            return self._leave_out()
        return self.resume()

    def resume(self) -> bool:
        """Go on where the next object may begin, behind a place that is none; False when there is none, or
        none for so long that nobody would wait for it."""
        passed = 0
        while True:
            again = _AGAIN.search(self._text, self.at)
            if again is not None:
                self.take(again.end())
                self.drop_taken()
                return True
            last = self._text.rfind("\n", self.at)
            kept = last if last >= 0 and _BEGUN.match(self._text, last + 1) else len(self._text)
            passed += self.left
            self.take(kept)
            if passed > (MAX_DOCUMENT if self._trouble.usable else MAX_LINE):
                return self._leave_out()
            if not self.grow():
                return False

    def _leave_out(self) -> bool:
        """Tell that nothing more is read of the stream; False."""
        self._trouble.skip(self.line, "no record begins any more, so the rest is left out", _REMEDY)
        self.torn = True
        return False

    def line_of(self, place: int) -> int:
        """The line of a place that has not been taken."""
        return self.line + self._text.count("\n", self.at, place)

    def refuse(self, place: int, reason: str) -> NoReturn:
        """Raise the refusal that names the line of a place."""
        raise ScopeError(self._trouble.name, self.line_of(place), reason, _REMEDY)
