"""Broken sweeps: one rule of durability each, broken in a copy of the real source. Every one must be caught.

A harness that has never failed proves nothing. The text that a mutant replaces must be in the source, so a
mutant cannot survive a change of the code by no longer changing anything.
"""

from __future__ import annotations
import __future__

import importlib
import inspect
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


@dataclass(frozen=True)
class Mutant:
    """`where`: module:qualified name of a function. `change`: pairs of a text and what takes its place."""

    name: str
    where: str
    change: tuple[tuple[str, str], ...]


MUTANTS = (
    Mutant(
        "no fsync of segments",
        "results.journal:JournalWriter._flush",
        (("self._fs.fdatasync(segment.descriptor)", "pass"),),
    ),
    Mutant(
        "no fsync of the directory of a new segment",
        "results.journal:JournalWriter._new_segment",
        (("self._fs.fsync_dir(self._directory)", "pass"),),
    ),
    Mutant(
        "no fsync of the directory of a replaced file",
        "results.files:write_durably",
        (("fs.fsync_dir(path.parent)", "pass"),),
    ),
    Mutant(
        "appending to an old segment",
        "results.journal:JournalWriter._new_segment",
        (
            ("max((*sealed, *present), default=0) + 1", "max((*sealed, *present, 1))"),
            ("_NEW_SEGMENT)", "_NEW_SEGMENT & ~os.O_EXCL)"),
        ),
    ),
    Mutant(
        "checkpoint before evidence",
        "scanner.sweep.persistence:Persistence.write",
        (
            ("self._journal.sync()\n", "pass\n"),
            ("written.encode())\n", "written.encode())\n    self._journal.sync()\n"),
        ),
    ),
    Mutant(
        "a checkpoint that counts what came after the fsync",
        "scanner.sweep.persistence:Persistence.write",
        (("checkpoint.after_evidence(", "self.checkpoint().after_evidence("),),
    ),
    Mutant(
        "a short write is ignored",
        "results.files:write_whole",
        (("while written < len(data)", "while False"),),
    ),
    Mutant("no fsync of small files", "results.files:_write_new", (("fs.fsync(descriptor)", "pass"),)),
    Mutant(
        "rotation without a last fsync",
        "results.journal:JournalWriter._rotate",
        (("self._flush(old)", "pass"),),
    ),
    Mutant(
        "a new segment counts as durable with what is in it already",
        "results.journal:JournalWriter._rotate",
        (("self._position = appended, position", "self._position = appended, new.position()"),),
    ),
    Mutant(
        "a seal over what a killed process left in memory",
        "results.seals:_make_durable",
        (("fs.fsync(descriptor)", "pass"),),
    ),
    Mutant(
        "a torn line is taken for a whole one",
        "results.reading:read_lines",
        (("""if not line.endswith(b"\\n") or b"\\0" in line:""", """if b"\\0" in line:"""),),
    ),
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def _place(where: str) -> tuple[Any, str]:
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    holder: Any = importlib.import_module(module)
    for owner in owners:
        holder = getattr(holder, owner)
    return holder, name


def broken(mutant: Mutant) -> Callable[..., Any]:
    """The function with the change made, compiled in the same module."""
    holder, name = _place(mutant.where)
    original = getattr(holder, name)
    source = textwrap.dedent(inspect.getsource(original))
    for old, new in mutant.change:
        assert source.count(old) == 1, f"{mutant.name}: {mutant.where} does not hold {old!r} once any more"
        source = source.replace(old, new)
    namespace: dict[str, Any] = {}
    code = compile(source, mutant.where, "exec", flags=__future__.annotations.compiler_flag)
    exec(code, original.__globals__, namespace)
    changed: Callable[..., Any] = namespace[name]
    return changed


def _spread(original: object) -> list[tuple[Any, str]]:
    """Where else the same function is known by name: `from results.files import write_durably`."""
    rooms = ("results", "scanner", "tests.torture")
    modules = [m for name, m in list(sys.modules.items()) if name.startswith(rooms)]
    return [(m, key) for m in modules for key, value in list(vars(m).items()) if value is original]


def apply(name: str) -> list[tuple[Any, str, Any]]:
    """Break this process; returns what to set back."""
    return _apply(BY_NAME[name])


def _apply(mutant: Mutant) -> list[tuple[Any, str, Any]]:
    holder, attribute = _place(mutant.where)
    original, changed = getattr(holder, attribute), broken(mutant)
    places = [(holder, attribute), *_spread(original)]
    for where, key in places:
        setattr(where, key, changed)
    return [(where, key, original) for where, key in places]


@contextmanager
def replaced(mutant: Mutant) -> Iterator[None]:
    """Broken inside the block only."""
    back = _apply(mutant)
    try:
        yield
    finally:
        for where, key, original in back:
            setattr(where, key, original)


def applied(name: str) -> AbstractContextManager[None]:
    """The same for one of MUTANTS."""
    return replaced(BY_NAME[name])
