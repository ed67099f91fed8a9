"""The SQLite file of users, tokens and sessions: how it is made and opened, and what its errors say.

Nobody but its owner may read it. It holds hashes: neither a password nor a token can be read from it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from results.files import FILE_MODE, ResultsError, explain, remedy_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCESS_FILE: Final = "access.sqlite"
_APPLICATION_ID: Final = 0x6D737761  # "mswa"
_VERSION: Final = 1
_PATIENCE: Final = 5.0  # seconds that a writer waits for another one
_BEGIN: Final = f"""
CREATE TABLE users (
  name TEXT PRIMARY KEY COLLATE NOCASE, role TEXT NOT NULL, password TEXT NOT NULL, changed_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
  name TEXT PRIMARY KEY COLLATE NOCASE, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  made_at REAL NOT NULL, expires_at REAL NOT NULL, used_at REAL NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
  hash BLOB PRIMARY KEY, user TEXT NOT NULL COLLATE NOCASE REFERENCES users ON DELETE CASCADE,
  csrf TEXT NOT NULL, begun_at REAL NOT NULL, seen_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (user, begun_at);
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL NOT NULL) STRICT;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""


class AccessError(ResultsError):
    """The file of users cannot be used, and is as it was: where, why, and what to do about it."""

    exit_code = 2


def connect(output: Path, *, write: bool) -> sqlite3.Connection:
    """Open the file of an output directory, which is made where it is not there yet. Raises `AccessError`."""
    path = output / ACCESS_FILE
    _require_private(path)
    with translating(path):
        connection = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
        try:
            for pragma in ("trusted_schema=OFF", "foreign_keys=ON", "synchronous=FULL"):
                connection.execute(f"PRAGMA {pragma}")
            _prepare(connection, path)
            if not write:
                connection.execute("PRAGMA query_only=ON")
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    owner, version = _marks(connection)
    if not owner and not version:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        if _marks(connection) == (0, 0):  # nobody else was quicker
            for statement in _BEGIN.split(";\n"):
                connection.execute(statement)
        connection.execute("COMMIT")
        owner, version = _marks(connection)
    if owner != _APPLICATION_ID:
        raise AccessError(path, "it is an SQLite file of another program", "move it away")
    if version != _VERSION:
        raise AccessError(path, "it was written by a newer version of mongosweep", "use that version")


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return owner, version


def _require_private(path: Path) -> None:
    """Make the file for its owner alone, before SQLite makes it as the umask says; refuse one that others
    may read, or that is no plain file. One that is there is not opened: to close it would take away the locks
    that SQLite has on it in this process."""
    try:
        try:
            status = path.lstat()
        except FileNotFoundError:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
            status = path.lstat()
    except FileNotFoundError:
        remedy = f"name the directory given to sweep with --output, or run: mkdir -m 700 {path.parent}"
        raise AccessError(path.parent, "no such directory", remedy) from None
    except OSError as error:
        raise AccessError(path, explain(error), remedy_for(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise AccessError(path, "it is no plain file", "move it away")
    if status.st_mode & 0o077:
        raise AccessError(path, "others may read who is let in", f"run: chmod 600 {path}")


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """What SQLite says, as an error with a place and a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        raise AccessError(path, str(error), _ADVICE.get(name, "")) from error


_ADVICE: Final = {
    "SQLITE_FULL": "free space on that disk",
    "SQLITE_BUSY": "another process holds it: try again",
    "SQLITE_NOTADB": "it is damaged: move it away, and add the users again",
    "SQLITE_CORRUPT": "it is damaged: move it away, and add the users again",
    "SQLITE_READONLY": "give a directory with --output that you may write to",
}
