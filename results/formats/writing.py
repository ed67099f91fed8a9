"""From lines of events to a file of a format, piece by piece: `mongosweep convert` and `--format`.

Bytes in and bytes out, and nothing is kept but a line that has not ended: any amount passes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from results.events.event import EventError, parse
from results.formats.format import UnfitError
from results.lines import printable
from results.record import DatabaseLine
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from results.events.event import Event
    from results.formats.fields import Sender
    from results.formats.format import Format

LONGEST_LINE: Final = 1 << 20
"""Bytes of a line of input. Ours are a few thousand, and an exposure's with a long history is longer."""


class Writer:
    """A file of a format, in pieces. Where each document is a line, it ends at once and not with the next."""

    def __init__(self, form: Format) -> None:
        self.documents = 0
        self._form = form
        self._lines = form.between == form.tail

    def begin(self, sender: Sender) -> bytes:
        """What stands before the first document."""
        return self._form.head(sender)

    def add(self, document: bytes) -> bytes:
        """One more document, with what stands between it and the last."""
        self.documents += 1
        if self._lines:
            return document + self._form.between
        return document if self.documents == 1 else self._form.between + document

    def end(self) -> bytes:
        """What stands behind the last document."""
        return b"" if self._lines else self._form.tail


def written(events: Iterable[Event], form: Format, sender: Sender) -> Iterator[bytes]:
    """A whole file in pieces. Raises `UnfitError`."""
    writer = Writer(form)
    yield writer.begin(sender)
    for event in events:
        if (document := form.document(event, sender)) is not None:
            yield writer.add(document)
    yield writer.end()


class Converter:
    """Lines of events in, a file of the format out.

    `bad(number, reason)` is called for a line that is no event, or cannot be told in this format, and decides
    whether it ends there (by raising) or goes on. Lines of databases only our own JSON has a place for: an
    observation's own line names the gravest and has the totals.
    """

    def __init__(self, form: Format, sender: Sender, bad: Callable[[int, str], None]) -> None:
        self.lines = 0  # read
        self.bad_lines = 0
        self.left_out = 0  # events that the format has no place for
        self._form = form
        self._sender = sender
        self._bad = bad
        self._writer = Writer(form)
        self._out = [self._writer.begin(sender)]
        self._rest = b""
        self._passing_over = False  # the rest of a line that is too long

    def feed(self, data: bytes) -> None:
        """Some more of the input, wherever it is cut."""
        if self._passing_over:
            _, newline, data = data.partition(b"\n")
            self._passing_over = not newline
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._take(line)
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._passing_over = b"", True
            self._refuse_long()

    def end(self) -> None:
        """No more input comes. A last line without a newline is a line, too."""
        if self._rest:
            self._take(self._rest)
        self._rest = b""
        self._out.append(self._writer.end())

    def output(self) -> bytes:
        """What has become of the input since the last call."""
        out, self._out = b"".join(self._out), []
        return out

    def _take(self, line: bytes) -> None:
        if len(line) > LONGEST_LINE:
            self._refuse_long()
            return
        self.lines += 1
        if not line.strip():
            return
        try:
            document = self._document(line)
        except (EventError, UnfitError) as error:
            self._refuse(str(error))
            return
        if document is not None:
            self._out.append(self._writer.add(document))

    def _document(self, line: bytes) -> bytes | None:
        event = parse(line)
        if self._form.name == "native":
            return printable(line.strip())  # as it is, with fields that this version does not know
        if isinstance(event, DatabaseLine):
            return None
        document = self._form.document(event, self._sender)
        self.left_out += document is None
        return document

    def _refuse_long(self) -> None:
        self.lines += 1
        self._refuse(f"no event: it is longer than {LONGEST_LINE:,} bytes")

    def _refuse(self, reason: str) -> None:
        self.bad_lines += 1
        self._bad(self.lines, visible(reason, 300))
