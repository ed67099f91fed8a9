"""`service.sqlite`: jobs, where each schedule stands, and the status. The service alone writes it, the page
reads.

What cannot be written now, because another program holds the file, waits in memory and is written later: a
service goes on without its file, and says so.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from results.files import FILE_MODE, DirectoryBusyError, ResultsError, explain, remedy_for
from scanner.service.jobs import Job, ServiceStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STORE_FILE: Final = "service.sqlite"
LOCK_FILE: Final = "service.lock"  # held by the service for as long as it is there
MOST_JOBS: Final = 20_000  # that have ended; a verification every quarter of an hour makes 35,000 a year
_APPLICATION_ID: Final = 0x6D737376  # "mssv"
_VERSION: Final = 1
_PATIENCE: Final = 5.0  # seconds at the start for another program to let go of the file
_QUICK: Final = 0.1  # seconds later on, because everything else waits meanwhile
_TABLES: Final = (
    """CREATE TABLE jobs (
         job_id TEXT PRIMARY KEY, kind TEXT NOT NULL, schedule TEXT NOT NULL,
         started_at TEXT NOT NULL, ended_at TEXT NOT NULL, body BLOB NOT NULL
       ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX jobs_by_start ON jobs (started_at)",
    "CREATE INDEX jobs_by_schedule ON jobs (kind, schedule, started_at)",
    "CREATE INDEX jobs_that_run ON jobs (started_at) WHERE ended_at = ''",
    "CREATE TABLE schedules (name TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE status (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL) STRICT",
)
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
_BESIDE: Final = ("-wal", "-shm", "-journal", "")


class StoreError(ResultsError):
    """`service.sqlite` cannot be used: where, why, and what to do about it."""


class Store:
    """The file, open to write. `note` says what befell it while it was opened, "" mostly."""

    def __init__(self, path: Path, connection: sqlite3.Connection, note: str = "") -> None:
        self.path = path
        self.note = note
        self._connection = connection
        self._jobs: dict[str, Job] = {}
        self._schedules: dict[str, bytes] = {}
        self._status: ServiceStatus | None = None

    @classmethod
    def open(cls, output: Path, now: str, *, patience: float = _PATIENCE) -> Store:
        """Open the file of an output directory, or make it. A damaged one is renamed, and a new one made.

        Raises `DirectoryBusyError` when another program holds it for `patience` seconds; `StoreError` for one
        of a newer version or another program, and for a place where no file can be.
        """
        path = output / STORE_FILE
        try:
            return cls(path, _opened(path, patience))
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise _translated(path, error) from error
            aside = _set_aside(path, now)
        try:
            note = f"{path} was damaged: it is {aside.name} now, and what was done before is forgotten"
            return cls(path, _opened(path, patience), note)
        except sqlite3.Error as error:
            raise _translated(path, error) from error

    # --- reading: raises `DirectoryBusyError` and `StoreError` ----------------------------------------

    def running(self) -> list[Job]:
        """Jobs of which nobody wrote down how they ended, the oldest first."""
        with _translating(self.path):
            return _jobs(self._connection, "WHERE ended_at = '' ORDER BY started_at, job_id")

    def last(self, kind: str, schedule: str = "") -> Job | None:
        """The job of this kind, and of this schedule, that started last."""
        where = "WHERE kind = ? AND schedule = ? ORDER BY started_at DESC LIMIT 1"
        with _translating(self.path):
            found = _jobs(self._connection, where, (kind, schedule))
        return found[0] if found else None

    def schedules(self) -> dict[str, bytes]:
        """What was kept of each schedule, by its name."""
        with _translating(self.path):
            return dict(self._connection.execute("SELECT name, body FROM schedules").fetchall())

    # --- writing --------------------------------------------------------------------------------------

    def keep_job(self, job: Job) -> None:
        """Have a job written with the next `flush`."""
        self._jobs[job.job_id] = job

    def keep_schedule(self, name: str, body: bytes) -> None:
        """Have what is remembered of a schedule written with the next `flush`."""
        self._schedules[name] = body

    def keep_status(self, status: ServiceStatus) -> None:
        """Have the status written with the next `flush`."""
        self._status = status

    def flush(self) -> str:
        """Write what waits, all or nothing. Returns why that was not possible, "" when it was; what waits
        then waits for the next time. Jobs and schedules are on the disk afterwards, a status need not be."""
        lasting = bool(self._jobs or self._schedules)
        if not lasting and self._status is None:
            return ""
        try:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._write()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            return str(_translated(self.path, error))
        self._jobs.clear()
        self._schedules.clear()
        self._status = None
        return ""

    def _write(self) -> None:
        run = self._connection.execute
        for job in self._jobs.values():
            row = (job.job_id, job.kind, job.schedule, job.started_at, job.ended_at, msgspec.json.encode(job))
            run("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)", row)
        for named in self._schedules.items():
            run("INSERT OR REPLACE INTO schedules VALUES (?, ?)", named)
        if self._status is not None:
            run("INSERT OR REPLACE INTO status VALUES (1, ?)", (msgspec.json.encode(self._status),))
        if self._jobs:
            run(
                "DELETE FROM jobs WHERE ended_at != '' AND started_at < "
                "(SELECT started_at FROM jobs ORDER BY started_at DESC LIMIT 1 OFFSET ?)",
                (MOST_JOBS,),
            )

    def close(self) -> None:
        """Write what waits, as far as that is possible, and close. Safe to repeat."""
        with contextlib.suppress(sqlite3.Error):
            self.flush()
            self._connection.close()


class StoreReader:
    """The file, for another process than the service, in any thread. Opened at the first question, and again
    when it was replaced; where it is not there, or cannot be read now, there is nothing."""

    def __init__(self, output: Path) -> None:
        self._path = output / STORE_FILE
        self._connection: sqlite3.Connection | None = None
        self._which: tuple[int, int] | None = None
        self._lock = threading.RLock()

    def status(self) -> ServiceStatus | None:
        """Where the service said last that it stands."""
        with self._lock, contextlib.suppress(sqlite3.Error, OSError, msgspec.MsgspecError):
            row = self._opened().execute("SELECT body FROM status").fetchone()
            return msgspec.json.decode(row[0], type=ServiceStatus) if row else None
        return None

    def jobs(self, *, limit: int, before: str = "") -> list[Job]:
        """Jobs that have ended, the newest first; `before`: those that started earlier."""
        where = "WHERE ended_at != '' AND (? = '' OR started_at < ?) ORDER BY started_at DESC LIMIT ?"
        with self._lock, contextlib.suppress(sqlite3.Error, OSError, msgspec.MsgspecError):
            return _jobs(self._opened(), where, (before, before, limit))
        return []

    def close(self) -> None:
        """Close; the next question opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection:
        found = self._path.stat(follow_symlinks=False)
        if self._connection is None or self._which != (found.st_dev, found.st_ino):
            self.close()
            self._connection = _connect(self._path, "ro", _QUICK)
            self._connection.execute("PRAGMA query_only=ON")
            self._which = found.st_dev, found.st_ino
        return self._connection


def _jobs(connection: sqlite3.Connection, where: str, values: Sequence[object] = ()) -> list[Job]:
    rows = connection.execute(f"SELECT body FROM jobs {where}", values).fetchall()  # noqa: S608 - our own words
    return [msgspec.json.decode(body, type=Job) for (body,) in rows]


def _connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=timeout, check_same_thread=False
    )
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _opened(path: Path, patience: float) -> sqlite3.Connection:
    """Ready to be written. Raises `StoreError` and `sqlite3.Error`."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE))
    except OSError as error:
        raise StoreError(path, explain(error), remedy_for(error)) from error
    connection = _connect(path, "rw", patience)
    try:
        _prepare(connection, path)
        connection.execute(f"PRAGMA busy_timeout={_QUICK * 1000:.0f}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != _APPLICATION_ID and (owner or tables):
        raise StoreError(path, "it is an SQLite file of another program", "move it away")
    if version > _VERSION:
        raise StoreError(
            path,
            f"it was written by a newer version of mongosweep (tables {version}, here {_VERSION})",
            "use that version, or another directory with --output",
        )
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise _DamagedError("the pages of the file contradict each other")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not tables:
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={_VERSION}")
        connection.execute("SELECT name FROM schedules, status LIMIT 1").fetchone()
        try:
            _jobs(connection, "WHERE ended_at = ''")
        except msgspec.MsgspecError as error:
            raise _DamagedError(str(error)) from error
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class _DamagedError(sqlite3.DatabaseError):
    """What stands in the file is not what was written."""


def _is_damage(error: sqlite3.Error) -> bool:
    name = getattr(error, "sqlite_errorname", "") or ""
    return isinstance(error, _DamagedError) or name.startswith(_DAMAGE)


@contextlib.contextmanager
def _translating(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from error
    except msgspec.MsgspecError as error:
        raise StoreError(path, f"a job in it does not read: {error}", "move it away") from error


def _translated(path: Path, error: sqlite3.Error) -> ResultsError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DirectoryBusyError(
            path, "another program holds it", "end that program; the service alone writes it"
        )
    remedy = "free space on that disk" if name == "SQLITE_FULL" else "look at that disk and its permissions"
    return StoreError(path, str(error), remedy)


def _set_aside(path: Path, now: str) -> Path:
    """Rename the file and what SQLite keeps beside it. Raises `StoreError`."""
    stamp = "".join(character for character in now if character.isalnum())
    aside = path.with_name(f"{STORE_FILE}.damaged-{stamp}")
    try:
        for suffix in _BESIDE:  # the main file last: while it is there, the next attempt begins here again
            with contextlib.suppress(FileNotFoundError):
                path.with_name(STORE_FILE + suffix).rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise StoreError(
            path, f"damaged, and it cannot be renamed: {explain(error)}", remedy_for(error)
        ) from error
    return aside
