"""Types that several threads read from files, completed before two of them meet there.

msgspec works out what a Struct holds when it is first decoded, runs Python for that, and leaves the half-done
answer where another thread finds it: in 0.20 two threads that decoded one type for the first time ended the
process. So every thread of ours completes all types that it may decode first, one thread at a time.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import msgspec

import results
import scanner
import targets

if TYPE_CHECKING:
    from collections.abc import Iterator

_guard = threading.Lock()
_complete: set[type[msgspec.Struct]] = set()
_OURS = tuple(f"{package.__name__}." for package in (results, scanner, targets))


def complete_types(*, of_a_sweep: bool = False) -> None:
    """Complete every type of ours that is loaded; with `of_a_sweep`, load first what a sweep loads later."""
    with _guard:
        if of_a_sweep:
            _load()
        for kind in set(loaded_types()) - _complete:
            with contextlib.suppress(
                TypeError, NameError
            ):  # it is never decoded: its names are for mypy alone
                msgspec.json.Decoder(kind)
            _complete.add(kind)


def loaded_types(base: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    """The Structs of ours that are loaded now."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith(_OURS):
            yield kind
        yield from loaded_types(kind)


def _load() -> None:
    """What is otherwise loaded in the middle of a sweep, or behind its end."""
    from results.events import publish  # noqa: F401
    from results.ledger import intake  # noqa: F401
    from scanner.engine import worker_messages  # noqa: F401
    from scanner.network.driver import driver  # noqa: F401
