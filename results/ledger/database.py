"""The SQLite file of the ledger: what it must be before it is opened, how it is opened, and what is wrong
with one that is not.

One process writes, under the lock `ledger.lock` (`intake.py`); any number read, each in short transactions.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Final

from results.files import FILE_MODE, ResultsError, explain, remedy_for
from results.ledger.contents import ContentError
from results.ledger.tables import APPLICATION_ID, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LEDGER_FILE: Final = "ledger.sqlite"
_BESIDE: Final = ("-wal", "-shm", "-journal")
_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = 100  # bytes
_WITHOUT_SHARED_MEMORY: Final = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ncpfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "ceph",
        "lustre",
    )
)
_DAMAGE: Final = frozenset(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"))


class LedgerError(ResultsError):
    """The ledger cannot be used, and is not touched: where, why, and what to do about it."""

    exit_code = 2


class DamagedLedgerError(LedgerError):
    """The ledger's file is no longer what was written. It can be made again from the runs."""

    exit_code = 4


class NoLedgerError(LedgerError):
    """There is no ledger in this folder yet."""


def connect(output: Path, *, write: bool) -> sqlite3.Connection:
    """Open the ledger of an output directory; with `write`, make it or bring it up to this version first.

    Raises `LedgerError` for a file of a newer version, one that is not ours, and a place where it cannot be;
    `DamagedLedgerError`, and `NoLedgerError` when there is none to read.
    """
    path = output / LEDGER_FILE
    _require_ours(path, write=write)
    if write:
        _require_shared_memory(path)
        _make_file(path)
    with translating(path):
        connection = _open(path, write=write)
        try:
            _prepare(connection, path, write=write)
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def translating(path: Path) -> Iterator[None]:
    """What SQLite says, as an error with a place and a remedy."""
    try:
        yield
    except ContentError as error:
        raise damaged(path, str(error)) from error
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if any(name.startswith(damage) for damage in _DAMAGE):
            raise damaged(path, str(error)) from error
        if name == "SQLITE_INTERRUPT":
            raise LedgerError(path, "reading took too long", "ask for less, or try again later") from error
        raise LedgerError(path, str(error), _ADVICE.get(name.partition("_IOERR")[0], "")) from error


_ADVICE: Final = {
    "SQLITE_FULL": "free space on that disk; nothing is lost, the runs have it all",
    "SQLITE_BUSY": "another process writes there: try again",
    "SQLITE_CANTOPEN": "reading needs a folder that may be written to, for the files beside the ledger",
    "SQLITE_READONLY": "give a directory with --output that you may write to",
}


def damaged(path: Path, reason: str) -> DamagedLedgerError:
    """The one error of a ledger that does not hold what was written."""
    return DamagedLedgerError(
        path, f"damaged: {reason}", "`mongosweep ledger rebuild` makes it again from the runs"
    )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside, or nothing. The lock to write is taken at once, so that it can be waited for."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def require_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Read every page. Raises `DamagedLedgerError`."""
    with translating(path):
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, str(found).partition("\n")[0][:200])


def set_aside(output: Path, now: str) -> Path:
    """Rename a damaged ledger, and what SQLite keeps beside it, and return its new name. Raises
    `LedgerError`."""
    path = output / LEDGER_FILE
    stamp = "".join(character for character in now if character.isalnum())
    for number in range(1000):
        aside = path.with_name(f"{LEDGER_FILE}.damaged-{stamp}" + (f"-{number}" if number else ""))
        if not os.path.lexists(aside):
            break
    try:
        # The main file last: while it is there, the next attempt begins here again.
        for suffix in (*_BESIDE, ""):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(LEDGER_FILE + suffix).rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise LedgerError(
            path, f"damaged, and it cannot be renamed: {explain(error)}", remedy_for(error)
        ) from error
    return aside


# --- before it is opened ----------------------------------------------------------------------------------


def _require_ours(path: Path, *, write: bool) -> None:
    """Raise unless the file is a ledger, or not there (or empty) and about to be written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        if write:
            return
        raise NoLedgerError(
            path, "there is no ledger here", "a sweep makes it, or `mongosweep ledger rebuild`"
        ) from None
    except OSError as error:
        raise LedgerError(path, explain(error), remedy_for(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise LedgerError(path, "it is no plain file", "move it away")
        header = os.pread(descriptor, _HEADER, 0)
    except OSError as error:
        raise LedgerError(path, explain(error), remedy_for(error)) from error
    finally:
        os.close(descriptor)
    if not header and write:
        return  # a process that died before it wrote anything
    if not header.startswith(_MAGIC) or len(header) < _HEADER:
        raise damaged(path, "it is no SQLite file")
    owner = int.from_bytes(header[68:72], "big")
    # Made, and not yet filled in: this process or another died between the two.
    if owner != APPLICATION_ID and (owner or int.from_bytes(header[60:64], "big")):
        raise _foreign(path)


def _foreign(path: Path) -> LedgerError:
    return LedgerError(
        path,
        "it is an SQLite file of another program",
        "move it away, or use another directory with --output",
    )


def file_system_of(place: str, mounts: str) -> str:
    """The type of the file system that holds `place`, by the text of /proc/self/mountinfo; "" where
    unknown."""
    found, longest = "", -1
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5 or not after:
            continue
        mount = fields[4].encode().decode("unicode_escape").rstrip("/")
        if (place == mount or place.startswith(mount + "/")) and len(mount) >= longest:
            found, longest = after.split()[0], len(mount)
    return found


def _require_shared_memory(path: Path) -> None:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - one spelling
            kind = file_system_of(os.path.realpath(path.parent), file.read())
    except OSError:
        return  # not Linux: what SQLite answers to journal_mode is all there is
    if kind in _WITHOUT_SHARED_MEMORY:
        raise _no_shared_memory(path, f"the folder lies on {kind}")


def _no_shared_memory(path: Path, reason: str) -> LedgerError:
    return LedgerError(
        path,
        f"{reason}, where a ledger cannot be: its readers and its writer need shared memory",
        "use an --output on a disk of this machine",
    )


def _make_file(path: Path) -> None:
    """For the owner only, before SQLite makes it as the umask says."""
    try:
        os.close(
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, FILE_MODE)
        )
    except OSError as error:
        raise LedgerError(path, explain(error), remedy_for(error)) from error


# --- opened -----------------------------------------------------------------------------------------------


def _open(path: Path, *, write: bool) -> sqlite3.Connection:
    mode = "rw" if write else "ro"
    extra = ""
    if not write and os.statvfs(path.parent).f_flag & os.ST_RDONLY:
        extra = "&immutable=1"  # nobody can write there, and SQLite could not make its files beside it
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}{extra}", uri=True, isolation_level=None, timeout=5.0
    )


def _prepare(connection: sqlite3.Connection, path: Path, *, write: bool) -> None:
    for pragma in ("trusted_schema=OFF", "foreign_keys=ON", "busy_timeout=5000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    version = _version(connection, path)
    if not write:
        if version < len(STEPS):
            raise LedgerError(
                path, "it was written by an older version", "`mongosweep ledger rebuild` brings it up"
            )
        return
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-32000")
    connection.execute("PRAGMA journal_size_limit=67108864")
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise _no_shared_memory(path, f"SQLite keeps its journal as {mode!r} here")
    migrate(connection, path, STEPS)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner != APPLICATION_ID:
        if owner or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise _foreign(path)
        return 0
    if version > len(STEPS):
        raise LedgerError(
            path,
            f"it was written by a newer version of mongosweep (tables {version}, here {len(STEPS)})",
            "use that version, or another directory with --output",
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    """Take the steps that the file has not taken, each with its number in one transaction. A copy of what was
    there stays as `ledger.sqlite.before-N`."""
    version = _version(connection, path)
    if 0 < version < len(steps):
        kept = path.with_name(f"{LEDGER_FILE}.before-{len(steps)}")
        kept.unlink(missing_ok=True)  # of an attempt that died
        connection.execute("VACUUM INTO ?", (str(kept),))
    for number, step in enumerate(steps[version:], start=version + 1):
        with transaction(connection):
            for statement in _statements(step):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={number}")


def _statements(step: str) -> Iterator[str]:
    """`executescript` would commit first."""
    statement = ""
    for part in step.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""
