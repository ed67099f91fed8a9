"""What other programs may import: the names in `__all__` are the public interface, everything else is ours.

Importing it is cheap: a name is loaded when it is first used. What each promises: docs/library.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scanner import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mongosweep.errors import BusyError, MongosweepError, RefusedError, StorageError
    from mongosweep.reading import Run, read
    from mongosweep.summary import Summary
    from mongosweep.sweeping import Sweep, Swept, sweep
    from results.progress import Progress
    from results.record import (
        Certificate,
        Collection,
        Confirmation,
        Database,
        Endpoint,
        Exposure,
        Hint,
        Observation,
        Owner,
        Ransom,
        Reason,
        Server,
        Timing,
        Tls,
    )
    from results.text import visible
    from results.verdict import Severity, Verdict

__all__ = [
    "BusyError",
    "Certificate",
    "Collection",
    "Confirmation",
    "Database",
    "Endpoint",
    "Exposure",
    "Hint",
    "MongosweepError",
    "Observation",
    "Owner",
    "Progress",
    "Ransom",
    "Reason",
    "RefusedError",
    "Run",
    "Server",
    "Severity",
    "StorageError",
    "Summary",
    "Sweep",
    "Swept",
    "Timing",
    "Tls",
    "Verdict",
    "__version__",
    "read",
    "sweep",
    "visible",
]


def __getattr__(name: str) -> Any:
    """A public name, from the module that holds it, at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in _modules():
        if name in vars(module):
            return globals().setdefault(name, vars(module)[name])
    raise AssertionError(f"{name} is public, and nowhere")


def _modules() -> Iterator[ModuleType]:
    """Where public names are, each module imported when it is its turn: the engine last."""
    from results import verdict

    yield verdict
    from results import progress, record, text

    yield from (record, progress, text)
    from mongosweep import errors, reading, summary

    yield from (errors, summary, reading)
    from mongosweep import sweeping

    yield sweeping


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return list(__all__)
