"""Lists of text, each line by itself: plain ones, those of other programs, and screens, which are explained.

A plain line is an address, CIDR, range or `address:port`; `#` begins a comment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from targets.claims import Claim
from targets.grammar import GrammarError, parse_endpoint
from targets.sources import grep
from targets.sources.reading import Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from targets.grammar import Span
    from targets.sources.reading import Reading, Trouble
    from targets.sources.shapes import LineShape

PLAIN = Format("plain list")
_BEGUN = re.compile(r"# (Nmap|Masscan) (\S{1,40}) scan initiated ")
_OTHERS = (
    (re.compile(r"Starting Nmap |Nmap scan report for |Nmap done:"), "nmap's normal output", "nmap -oX"),
    (re.compile(r"Starting masscan |Initiating |rate: "), "masscan's messages", "masscan -oJ"),
    (re.compile(r"TCP \w+\t *\S+\[ *[0-9]+\]\t"), "masscan's -oU", "masscan -oJ or -oL"),
    (re.compile(r"\.----\. \.-\.|Open \S+:[0-9]+\Z|\[~\] "), "RustScan's screen", "rustscan --greppable"),
    (re.compile(r".*\x1b\["), "a screen with colours", "a scanner to a file, without colours"),
)


def read_text(
    lines: Iterable[tuple[int, str, bool]], trouble: Trouble, shapes: Sequence[LineShape], reading: Reading
) -> Iterator[Claim]:
    """The claims of a list of text. A line that is none of one is told and left out.

    A last line of another program that is torn ends the list with a warning: a scan was stopped.
    """
    name = trouble.name
    reader = _Reader(shapes, reading)
    for number, line, whole in lines:
        try:
            if " " in line or "\t" in line or "#" in line or "://" in line:
                yield from reader.read(line, f"{name}:{number}")
                if line.startswith("#"):
                    continue
            else:  # most lines are an endpoint and nothing else: 2 us instead of 4
                if reader.waits:
                    yield from reader.plain()
                yield Claim(*_endpoint(line), f"{name}:{number}")
        except GrammarError as error:
            if not whole and len(line.split()) > 1:
                trouble.warn(number, "the last line is torn; what comes before it is used")
                break
            trouble.skip(number, error.reason, error.remedy)
        else:
            trouble.usable = True
    yield from reader.end()


class _Reader:
    """Reads lines that are more than an endpoint, and says whose they are."""

    def __init__(self, shapes: Sequence[LineShape], reading: Reading) -> None:
        self._shapes = shapes
        self._last = shapes[0]  # the shape of the last line: tried first on the next
        self._reading = reading
        self._grep = grep.GrepLines()
        self._begun = Format("nmap for grep")  # by the list's first comment
        self.waits = True  # for the next line, whatever it is

    def read(self, line: str, place: str) -> Iterator[Claim]:
        """The claims of one line. Raises GrammarError."""
        found = grep.FORM.match(line) if line.startswith(("Host:", "Timestamp:")) else None
        if found is not None:
            self._tell(Format("masscan for grep") if found[1] else self._begun)
            yield from self._grep.read(found, place)
            self.waits = True
            return
        yield from self._grep.other()
        item = line.partition(" #" if "://" in line else "#")[0].strip(" \t")
        if not item:
            self._comment(line)
        elif " " in item or "\t" in item or "://" in item:
            yield from self._of_a_program(line, item, place)
        else:
            self._tell(PLAIN)
            yield Claim(*_endpoint(item), place)

    def plain(self) -> Iterator[Claim]:
        """A line that is an endpoint and nothing else has come."""
        self._tell(PLAIN)
        self.waits = False
        yield from self._grep.other()

    def end(self) -> Iterator[Claim]:
        """What is left when the list ends."""
        yield from self._grep.end()

    def _tell(self, found: Format) -> None:
        if self._reading.format is None:
            self._reading.format = found

    def _comment(self, line: str) -> None:
        begun = _BEGUN.match(line)
        if begun is not None:
            self._begun = Format(f"{begun[1].lower()} for grep", begun[2])

    def _of_a_program(self, line: str, item: str, place: str) -> Iterator[Claim]:
        for shape in (self._last, *self._shapes):
            found = shape.form.match(line) or shape.form.match(item)
            if found is not None:
                self._last = shape
                self._tell(Format(shape.format))
                yield from shape.read(found, place)
                return
        _explain(line, item)


def _endpoint(item: str) -> tuple[Span, int | None]:
    if "," in item or ";" in item:
        raise GrammarError(
            f"{item[:60]!r} has several columns or targets",
            "write one target a line, or a header such as ip,port above the columns",
        )
    return parse_endpoint(item)


def _explain(line: str, item: str) -> NoReturn:
    for form, what, instead in _OTHERS:
        if form.match(line):
            raise GrammarError(f"{line[:40]!r} is {what}, which is for people", f"use {instead}")
    words = item.split()
    if "://" in item:
        parse_endpoint(next(word for word in words if "://" in word))  # a URI is explained there
    if words[0] in ("open", "closed", "up", "unknown", "banner"):
        raise GrammarError(f"{line[:40]!r} is no line of masscan -oL", "correct this line")
    if words[0] in ("Host:", "Timestamp:"):
        raise GrammarError(f"{line[:40]!r} is no line of -oG", "name what nmap -oX or masscan -oJ wrote")
    if len(words) == 2 and words[1].isdigit() and item.isascii() and words[0].isprintable():
        address = f"[{words[0]}]" if ":" in words[0] else words[0]
        raise GrammarError(f"{item[:60]!r} has a blank before its port", f"write {address}:{words[1]}"[:80])
    if len(words) == 2 and words[1].startswith(("255.", "0.")):
        parse_endpoint("/".join(words))  # a mask is explained there
    raise GrammarError(f"{item[:60]!r} has blanks inside", "write one address, CIDR or range a line")
