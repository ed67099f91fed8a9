"""Which names that a server gave may be sent back to it, and the refusals for all that may not leave.

Limits: https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_DATABASE_BYTES: Final = 63
MAX_NAMESPACE_BYTES: Final = 255
NAMES_REMEMBERED: Final = 4096  # of databases, and as many of collections: each stands in many requests
_PLAIN: Final = re.compile(r"[\w-](?:[\w.-]*[\w-])?", re.ASCII)  # as are most names of collections
_NO_DATABASE: Final = re.compile(r'[/\\. "$]')


class RefusedRequest(ValueError):  # noqa: N818 - a refusal, named as such where it is caught
    """A request that must not leave. The text says why."""


class UnsafeName(RefusedRequest):
    """A name from a server that cannot be sent back without risk of meaning something else."""


@lru_cache(NAMES_REMEMBERED)
def check_database(name: str) -> None:
    """Raises `UnsafeName` unless the name can be sent back to the server that gave it."""
    _check_text("database", name)
    if not 1 <= len(name.encode("utf-8")) <= MAX_DATABASE_BYTES:
        raise UnsafeName(f"database name of {len(name)} characters")
    if _NO_DATABASE.search(name):
        raise UnsafeName('database name with one of / \\ . " $ or a space')


@lru_cache(NAMES_REMEMBERED)
def is_plain(name: str) -> bool:
    """Whether a collection's name is of letters, digits, `_`, `-` and, inside of it, dots. Ask it of no name
    longer than can be sent: all are remembered."""
    return _PLAIN.fullmatch(name) is not None


def check_collection(database: str, name: str) -> None:
    """Raises `UnsafeName` unless the collection's name can be sent back to the server that gave it."""
    if 4 * len(database) + 1 + len(name) <= MAX_NAMESPACE_BYTES and is_plain(name):
        return
    _check_text("collection", name)
    if not name or name[0] == "." or name[-1] == "." or "$" in name:
        raise UnsafeName("collection name that is empty, begins or ends with a dot, or has a $")
    if len(f"{database}.{name}".encode()) > MAX_NAMESPACE_BYTES:
        raise UnsafeName(f"namespace of more than {MAX_NAMESPACE_BYTES} bytes")


def sendable(database: str, collection: str = "") -> str:
    """Why a name cannot be sent back to its server, or ""."""
    try:
        check_database(database)
        if collection:
            check_collection(database, collection)
    except RefusedRequest as refusal:
        return str(refusal)
    return ""


def _check_text(what: str, name: str) -> None:
    # U+FFFD stands where the server's bytes were no UTF-8: what would go back is another name.
    if "\x00" in name or "\ufffd" in name or (not name.isascii() and _has_surrogates(name)):
        raise UnsafeName(f"{what} name that is not clean UTF-8")


def _has_surrogates(name: str) -> bool:
    return any(0xD800 <= ord(character) <= 0xDFFF for character in name)
