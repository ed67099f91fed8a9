"""The file of newer tables that `data update` installs: where it is, what it holds, how it is replaced."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from results.files import REAL, StorageError, write_durably
from results.lock import Lock
from scanner.errors import RefusedError
from scanner.mongo.bundle import MAX_BYTES, BundleError, make_bundle, newer, read_bundle, read_toml
from scanner.mongo.tables import FILES, table, use
from scanner.setup.config_file import ConfigFile, find_config, read_config
from targets.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.mongo.tables import Table

FILE_NAME = "tables.json"
FORMAT = "mongosweep.installed-data/1"
_MODE = 0o644  # no secret: the service's user reads what root installed
_RESET = "run `mongosweep data reset`, or `mongosweep data update` again"


class Installed(Struct, frozen=True, kw_only=True):
    """What was installed: when (RFC 3339, UTC), from where, and on whose signature. `bundle` is as it was
    signed, `sha256` its digest; `pinned`: its tables count although they are older than others."""

    format: str = FORMAT
    at: str
    source: str
    signer: str
    key: str
    sha256: str
    pinned: bool
    bundle: str

    def tables(self) -> dict[str, Table]:
        """Its tables that count in place of the built-in ones, by name."""
        return newer(read_bundle(self.bundle.encode()), pinned=self.pinned)


def directory_of(config: ConfigFile | None, environment: Mapping[str, str]) -> Path:
    """Where the file is: [data] directory, relative to the configuration; else below XDG_DATA_HOME, which is
    ~/.local/share (XDG Base Directory Specification)."""
    if config is not None and config.settings.data.directory:
        return Path(config.path).parent / config.settings.data.directory
    home = Path(environment.get("XDG_DATA_HOME", ""))
    if not home.is_absolute():  # the specification has such a one ignored: nobody's working directory counts
        home = Path("/") / environment.get("HOME", "") / ".local/share"
    return home / "mongosweep"


def installed(directory: Path, *, named: bool = True) -> Installed | None:
    """What was installed there; None where nothing was, and where a folder that nobody `named` is not for us.
    Raises RefusedError for a file that is damaged, and for one that others can change; ScopeError where it
    cannot be read."""
    path = directory / FILE_NAME
    try:
        owner = path.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if isinstance(error, PermissionError) and not named:
            return None
        remedy = "make it readable for this user, or write another [data] directory"
        raise RefusedError(f"{path}: {error.strerror}; {remedy}") from None
    raw = read_bytes(path, 2 * MAX_BYTES)
    if owner not in (0, os.geteuid()):
        raise RefusedError(
            f"{path}: it belongs to another user (uid {owner}); write [data] directory = a folder of your own"
        )
    try:
        found = msgspec.json.decode(raw, type=Installed)
        if found.format != FORMAT:
            raise BundleError(f"it is written as {found.format[:60]!r}, and this version reads {FORMAT}")
        if hashlib.sha256(found.bundle.encode()).hexdigest() != found.sha256:
            raise BundleError("its tables are not those that were installed")
        found.tables()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BundleError) as error:
        raise RefusedError(f"{path}: {error}; {_RESET}") from None
    return found


def newer_tables(config: ConfigFile | None, environment: Mapping[str, str]) -> dict[str, Table]:
    """The tables that count in place of the built-in ones, for `scanner.mongo.tables.use`; none where none
    were installed. Raises as `installed` does."""
    found = _installed_for(config, environment)
    return found.tables() if found is not None else {}


def use_newest(config: str | None, environment: Mapping[str, str]) -> Installed | None:
    """Have this process use the newest tables of this machine, and say what was installed. `config`: as
    `find_config` takes it. Raises RefusedError and ScopeError."""
    path = find_config(config, environment)
    found = _installed_for(read_config(path) if path is not None else None, environment)
    use(found.tables() if found is not None else {})
    return found


def _installed_for(config: ConfigFile | None, environment: Mapping[str, str]) -> Installed | None:
    named = config is not None and bool(config.settings.data.directory)
    return installed(directory_of(config, environment), named=named)


def install(directory: Path, what: Installed) -> Path:
    """Write the file as a whole, and return its path. Raises RefusedError, StorageError, and
    DirectoryBusyError where another update does it."""
    path = directory / FILE_NAME
    try:
        directory.mkdir(0o755, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{directory} cannot be made: {error.strerror}"
        raise RefusedError(f"{reason}; write another [data] directory") from None
    lock = Lock.acquire(directory, by="update")
    try:
        write_durably(REAL, path, msgspec.json.encode(what), keep_previous=False, mode=_MODE)
    except StorageError as error:
        raise StorageError(path, error.reason, "make room there, or write another [data] directory") from None
    finally:
        lock.release()
    return path


def reset(directory: Path) -> bool:
    """Remove what was installed, whatever it is; whether there was something. Raises RefusedError."""
    path = directory / FILE_NAME
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise RefusedError(f"{path} cannot be removed: {error.strerror}; remove it by hand") from None
    with contextlib.suppress(OSError):
        REAL.fsync_dir(directory)
    return True


def export(folder: Path | None) -> bytes:
    """The tables in use as a bundle, with the files of `folder` in their place. Raises RefusedError for rows
    that would not be read, and ScopeError for such files."""
    tables = {name: table(name) for name in FILES}
    try:
        if folder is not None:
            there = [name for name in FILES if (folder / f"{name}.toml").exists()]
            if not there:
                names = ", ".join(f"{name}.toml" for name in FILES)
                raise RefusedError(f"{folder} holds no table; name a folder with one of {names}")
            for name in there:
                tables[name] = read_toml(name, read_bytes(folder / f"{name}.toml", MAX_BYTES))
        return make_bundle(tables)
    except BundleError as error:
        place = folder if folder is not None else "the tables in use"
        raise RefusedError(f"{place}: {error}; correct this row") from None
