"""`ownership.jsonl` in the output directory: what registries answered, append-only, one line an answer.

Evidence for later, and what is not asked again while it is young. A line that does not read (a crash cut it
off, or somebody edited it) counts for nothing.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from results.durations import instant
from results.files import REAL, StorageRefusedError, UnfitFileError, explain, open_to_read, write_whole
from results.place import make_directory
from targets.grammar import GrammarError, Span, format_span, parse_span
from targets.rdap import Entity, Holding

if TYPE_CHECKING:
    from pathlib import Path

OWNERSHIP_FILE = "ownership.jsonl"
SCHEMA = "mongosweep.ownership/1"
MAX_LINE = 256 * 1024  # bytes


class KeptEntity(Struct, frozen=True, kw_only=True):
    """A person or organisation of a registration."""

    handle: str
    name: str
    roles: list[str]


class Answer(Struct, frozen=True, kw_only=True):
    """One answer: to which question, when, and what it said. `sha256` is of its bytes."""

    schema: str = SCHEMA
    question: str  # the prefix or address that was asked for
    asked_at: str  # RFC 3339
    url: str
    sha256: str
    etag: str = ""
    network: str
    handle: str
    name: str
    kind: str
    entities: list[KeptEntity]
    registered: str
    changed: str

    def holding(self) -> Holding:
        """As `targets` judges it. Raises GrammarError."""
        return Holding(
            span=parse_span(self.network),
            handle=self.handle,
            name=self.name,
            kind=self.kind,
            entities=tuple(
                Entity(handle=each.handle, name=each.name, roles=tuple(each.roles)) for each in self.entities
            ),
            registered=self.registered,
            changed=self.changed,
            url=self.url,
            sha256=self.sha256,
            etag=self.etag,
        )

    def age(self, now: float) -> float:
        """Seconds since it was given; never young where a clock was set back since."""
        age = now - instant(self.asked_at).timestamp()
        return age if age >= -300 else float("inf")


def answer_of(question: Span, holding: Holding, now: float) -> Answer:
    """The line of an answer that came just now."""
    return Answer(
        question=format_span(question),
        asked_at=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        url=holding.url,
        sha256=holding.sha256,
        etag=holding.etag,
        network=format_span(holding.span),
        handle=holding.handle,
        name=holding.name,
        kind=holding.kind,
        entities=[
            KeptEntity(handle=each.handle, name=each.name, roles=list(each.roles))
            for each in holding.entities
        ],
        registered=holding.registered,
        changed=holding.changed,
    )


class OwnershipFile:
    """The file of an output directory, read once; what is added is in it and on the disk."""

    def __init__(self, output: Path) -> None:
        """Raises StorageRefusedError where it is there and cannot be read."""
        self._path = output / OWNERSHIP_FILE
        self._newest: dict[str, Answer] = {}
        self._torn = False
        try:
            with open_to_read(self._path, OWNERSHIP_FILE) as file:
                while line := file.readline(MAX_LINE):
                    self._torn = not line.endswith(b"\n")
                    self._take(line)
        except FileNotFoundError:
            pass
        except OSError as error:
            reason = str(error.strerror) if isinstance(error, UnfitFileError) else explain(error)
            raise StorageRefusedError(self._path, reason, "move it away; it is made again") from None

    def _take(self, line: bytes) -> None:
        try:
            answer = msgspec.json.decode(line, type=Answer)
            answer.holding()
            answer.age(0)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, GrammarError, ValueError):
            return
        if answer.schema == SCHEMA:
            self._newest[answer.question] = answer

    def newest(self, question: Span) -> Answer | None:
        """The newest answer to a question; None where there is none."""
        return self._newest.get(format_span(question))

    def add(self, answer: Answer) -> None:
        """Write an answer down, durably. Raises StorageRefusedError and OSError."""
        make_directory(REAL, self._path.parent)
        data = (b"\n" if self._torn else b"") + msgspec.json.encode(answer) + b"\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = REAL.open(self._path, flags)
        try:
            write_whole(REAL, descriptor, data)
            REAL.fdatasync(descriptor)
        finally:
            REAL.close(descriptor)
        self._torn = False
        self._newest[answer.question] = answer
