"""Saving what only a damaged ledger holds: runs whose directories are gone. As much of it as still reads."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from results.ledger.contents import ContentError
from results.ledger.database import transaction
from results.ledger.reading import content, visits_in
from results.ledger.writing import RunRow

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.writing import Writer


class Salvaged(NamedTuple):
    """How many runs were saved, and those that were not, or not wholly; `unreadable`: it does not even say
    which."""

    runs: int
    lost: list[str]
    unreadable: bool


def salvage(aside: Path, here: set[str], connection: sqlite3.Connection, writer: Writer) -> Salvaged:
    """Copy the runs without a directory (those in `here` have one) from a damaged ledger into a new one."""
    saved, lost = 0, []
    try:
        with contextlib.closing(_open(aside)) as old:
            columns = ", ".join(RunRow._fields)
            rows = old.execute(f"SELECT run, pruned, {columns} FROM runs").fetchall()  # noqa: S608 - column names
            for number, pruned, *row in rows:
                run = RunRow(*row)
                if run.directory in here:
                    continue
                try:
                    with transaction(connection):
                        _copy(old, number, run, bool(pruned), connection, writer)
                    saved += 1
                except (sqlite3.DatabaseError, ContentError, ValueError):
                    writer.forget_cache()
                    lost.append(run.run_id)
    except (sqlite3.DatabaseError, OSError):
        return Salvaged(saved, lost, unreadable=True)
    return Salvaged(saved, lost, unreadable=False)


def _open(aside: Path) -> sqlite3.Connection:
    """Without making files beside it, unless the log of its last writer is there."""
    mode = "ro" if aside.with_name(aside.name + "-wal").exists() else "ro&immutable=1"
    return sqlite3.connect(f"{aside.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)


def _copy(
    old: sqlite3.Connection,
    number: int,
    run: RunRow,
    pruned: bool,
    connection: sqlite3.Connection,
    writer: Writer,
) -> None:
    coverage = writer.content(content(old, run.coverage)) if run.coverage is not None else None
    new = writer.put_run(run._replace(coverage=coverage))
    for visit in visits_in(old, number):
        writer.put_visit(new, visit)
    segment, offset, damage = old.execute(
        "SELECT segment, offset, damage FROM runs WHERE run = ?", (number,)
    ).fetchone()
    writer.put_cursor(new, segment, offset)
    writer.put_end(new, damage=damage)
    connection.execute("UPDATE runs SET pruned = ? WHERE run = ?", (pruned, new))
