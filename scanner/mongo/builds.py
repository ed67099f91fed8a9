"""What was worked out of buildInfo alone, kept for all servers of a build, which say the same of it."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from scanner.mongo.answers import succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.mongo.facts import Document, Reply

KEPT: Final = 64  # builds
KEPT_BYTES: Final = 64 * 1024  # of memory that a document takes; what a larger one says is not kept
_OF_SERVER: Final = frozenset({"$clusterTime", "operationTime"})  # what members of a set add to any reply

Found = TypeVar("Found")


class ByBuild(Generic[Found]):
    """Calls `work` with the document of a successful buildInfo, or an empty one; once a build."""

    def __init__(self, work: Callable[[Document], Found]) -> None:
        self._work = work
        self._nothing = work({})
        self._known: dict[bytes, Found] = {}

    def cache_clear(self) -> None:
        """Forget what was worked out so far."""
        self._known.clear()

    def __call__(self, reply: Reply | None) -> Found:
        """What `work` finds in the reply's document, without what is the server's own in it."""
        if reply is None or not succeeded(reply) or not reply.document:
            return self._nothing
        key: bytes = reply.said or _said(reply)
        found = self._known.get(key)
        if found is None:
            found = self._work(_without_own(reply.document))
            if key:
                if len(self._known) >= KEPT:
                    self._known.clear()
                self._known[key] = found
        return found


def _said(reply: Reply) -> bytes:
    """The document without what is the server's own in it, as bytes: alike where all values and their types
    are, for True is equal to 1 and says something else. b"" for a document that is not kept."""
    if reply.weight > KEPT_BYTES or reply.document is None:
        return b""
    try:
        reply.said = marshal.dumps(_without_own(reply.document), 2)
    except ValueError:  # it holds a value of another type
        return b""
    said: bytes = reply.said
    return said


def _without_own(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in _OF_SERVER}
