"""What was worked out of buildInfo alone, kept for all servers of a build.

They send the same bytes, which the channel decodes once: so the document of one has the values of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from scanner.mongo.answers import succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.mongo.facts import Document, Reply

KEPT: Final = 64  # builds
KEPT_BYTES: Final = 64 * 1024  # of memory that a document takes; what a larger one says is not kept

Found = TypeVar("Found")


class ByBuild(Generic[Found]):
    """Calls `work` with the document of a successful buildInfo, or an empty one; once a build."""

    def __init__(self, work: Callable[[Document], Found]) -> None:
        self._work = work
        self._nothing = work({})
        # By version: the keys, the values, which are held so that no other object gets their identities,
        # these identities, and what was found. Equal values would not do: True is equal to 1.
        self._known: dict[str, tuple[tuple[str, ...], tuple[object, ...], list[int], Found]] = {}

    def __call__(self, reply: Reply | None) -> Found:
        """What `work` finds in the reply's document."""
        if reply is None or not succeeded(reply) or not reply.document:
            return self._nothing
        document = reply.document
        version = document.get("version")
        if not isinstance(version, str):
            return self._work(document)
        keys, values = tuple(document), document.values()
        known = self._known.get(version)
        if known is not None and known[0] == keys and known[2] == list(map(id, values)):
            return known[3]
        found = self._work(document)
        if reply.weight <= KEPT_BYTES:
            if len(self._known) >= KEPT:
                self._known.clear()
            held = tuple(values)
            self._known[version] = keys, held, list(map(id, held)), found
        return found
