"""A sink as delivery sees it: what it may be given at once, how it renders an event, and how a sending ends.

A sink keeps nothing on disk, waits for nothing but the other side, and never tries again by itself: what is
sent again, when, and what is set aside, is `delivery.py`'s business.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from results.events.event import Event


class Limits(NamedTuple):
    """What a sink takes at once: events and bytes of one sending, bytes of one event, and how many sendings
    may be under way at a time."""

    events: int = 500
    bytes: int = 512 * 1024
    event_bytes: int = 512 * 1024
    in_flight: int = 1


class Item(NamedTuple):
    """One event on its way: its id, its time (RFC 3339, "" unknown), and what is sent of it."""

    event_id: str
    at: str
    body: bytes


class Answer(NamedTuple):
    """What the other side said of one sending, item by item; what neither names was taken.

    `refused`: by position, why it will never be taken: these are set aside. `again`: positions to send again,
    after `wait` seconds where the other side said so. `said` is told to people.
    """

    said: str = ""
    refused: Mapping[int, str] = {}
    again: frozenset[int] = frozenset()
    wait: float | None = None


class UnavailableError(Exception):
    """Nothing of the sending is known to have arrived: send all of it again, after `wait` seconds where the
    other side said so. `busy`: it said that it has too much to do, and so nothing against these events."""

    def __init__(self, reason: str, wait: float | None = None, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.busy = busy


class TooLargeError(Exception):
    """The sending is larger than the other side takes: send it in halves; a single event is set aside."""


class StoppedError(Exception):
    """The sink cannot go on until a person has changed something (a token, a certificate, an index). Its
    cursor stays where it is. The text says what was answered and what to do, and holds no secret."""


class UnfitEventError(ValueError):
    """This event can never be sent here; says why. It is set aside."""


def in_system_words(error: OSError) -> str:
    """What happened to a connection: asyncio puts words of its own, with the address, into the error."""
    known = error.errno is not None and error.errno > 0  # a name that does not resolve has others
    return os.strerror(error.errno or 0) if known else error.strerror or str(error)


class Sink(Protocol):
    """One receiver. `name` is its name in the configuration, `kind` its kind, `place` where it leads to,
    without a secret."""

    name: str
    kind: str
    place: str
    limits: Limits

    def render(self, event: Event, line: bytes) -> bytes | None:
        """What is sent of an event, which stands in `line` (JSON, no newline); None where this sink has no
        place for its kind. Pure. Raises `UnfitEventError`."""
        ...

    async def send(self, items: Sequence[Item]) -> Answer:
        """Send them once. Raises `UnavailableError`, `TooLargeError` and `StoppedError`, and nothing else for
        what happens on the way."""
        ...

    async def close(self) -> None:
        """Let go of what is open, gracefully. Safe to repeat."""
        ...


async def sent(sink: Sink, items: Sequence[Item]) -> Answer:
    """What came of sending them once. A defect of ours or of a library, which what they hold or what was
    answered brings up, is an `UnavailableError`: no other sink is held up, and such an event is set aside."""
    try:
        return await sink.send(items)
    except (UnavailableError, TooLargeError, StoppedError, AssertionError):
        raise
    except Exception as error:
        raise UnavailableError(f"a defect of ours: {type(error).__name__}") from error
