"""A format as its users see it: `mongosweep convert`, `--format`, and every sink that sends text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.events.event import Event
    from results.formats.fields import Sender


class UnfitError(ValueError):
    """An event that cannot become a document of this format; says why."""


class Format(NamedTuple):
    """One format. A file of it is `head`, the documents with `between` them, and `tail`.

    `document` makes one event's document, without a newline at its end where it is a line. It returns None
    for a kind of event that the format has no place for (a run in a list of servers), and raises `UnfitError`
    for one that cannot be told in it.
    """

    name: str
    about: str
    media_type: str
    document: Callable[[Event, Sender], bytes | None]
    head: Callable[[Sender], bytes] = lambda _: b""
    between: bytes = b"\n"
    tail: bytes = b"\n"
