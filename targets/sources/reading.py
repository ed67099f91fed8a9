"""One list while it is read: which format it is, its claims, and what of it cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from targets.errors import ScopeError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from targets.claims import Claim

TOLD: Final = 10  # places that cannot be used and are told one by one; the others are counted
WARNED: Final = 50  # what is told beside them; a mailbox may have 100,000 mails, each with its own trouble
HOPELESS: Final = 1000  # unusable places before the first usable one: then it is no list


class Format(NamedTuple):
    """What a list was recognised as: whose output it is, and of which version where that shows."""

    name: str  # "nmap XML", "Shadowserver CSV"
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


class Trouble:
    """What of a list cannot be used: told with its place, counted, and never a loss of the rest."""

    def __init__(self, name: str, warn: Callable[[str], None]) -> None:
        self.name = name
        self.unusable = 0
        self.warned = 0  # how often something was told that is no loss of a line
        self.usable = False  # a reader says so at its first good line or record, claims or not
        self._warn = warn
        self._first: ScopeError | None = None

    def skip(self, line: int | None, reason: str, remedy: str) -> None:
        """Leave out what stands at a line. Raises ScopeError where so much is unusable that it is no list."""
        error = ScopeError(self.name, line, reason, remedy)
        self._first = self._first or error
        self.unusable += 1
        if self.unusable <= TOLD:
            self._warn(f"{error} (left out)")
        if self.unusable >= HOPELESS and not self.usable:
            raise self._first

    def warn(self, line: int | None, text: str) -> None:
        """Tell something that is no loss of a line, such as that the list breaks off."""
        self.warned += 1
        if self.warned <= WARNED:
            self._warn(one_line(f"{self.name}: {text}" if line is None else f"{self.name}:{line}: {text}"))

    def finish(self) -> None:
        """The list has ended. Raises ScopeError where nothing of it could be used, for its first fault."""
        if self._first is not None and not self.usable:
            raise self._first
        if self.warned > WARNED:
            self._warn(f"{self.name}: and {self.warned - WARNED:,} more of this kind")
        if self.unusable > TOLD:
            self._warn(
                f"{self.name}: {self.unusable:,} lines or records in all cannot be used and are left out"
            )


class Reading:
    """The claims of one list, read as they are asked for; holds a line or record at a time.

    `format` is known from the first claim on, and at the latest when the list has ended; None for an empty
    list. What cannot be used is told with its place and left out. Iterating raises ScopeError for a stream
    that is no list, that cannot be read, or of which nothing can be used.
    """

    def __init__(self, trouble: Trouble, read: Callable[[Reading], Iterator[Claim]]) -> None:
        self.format: Format | None = None
        self._trouble = trouble
        self._claims = self._all(read)

    def __iter__(self) -> Iterator[Claim]:
        return self._claims

    def __next__(self) -> Claim:
        return next(self._claims)

    @property
    def unusable(self) -> int:
        """How many lines or records cannot be used, so far."""
        return self._trouble.unusable

    @property
    def warned(self) -> int:
        """How often something was told that is no loss of a line or record, such as that the list breaks
        off."""
        return self._trouble.warned

    def _all(self, read: Callable[[Reading], Iterator[Claim]]) -> Iterator[Claim]:
        yield from read(self)
        self._trouble.finish()
