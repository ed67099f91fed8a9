"""Newer tables from a file or an https address: what must be true of them before they are installed."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from scanner.clock import timestamp
from scanner.errors import RefusedError
from scanner.mongo import advisories, hints, ransom
from scanner.mongo.advisories import Situation
from scanner.mongo.bundle import MAX_BYTES, BundleError, older, read_bundle
from scanner.mongo.tables import FILES, given, load_tables, table, use
from scanner.setup.data_tables import Installed
from targets.files import read_bytes
from targets.signatures import DATA, Signers
from targets.signatures import MAX_BYTES as MAX_SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.mongo.tables import Table
    from scanner.setup.config_file import ConfigFile

MAX_KEY = 16 * 1024  # bytes of a file with one public key
_MINISIGN = re.compile(r"RW[A-Za-z0-9+/]{54}")  # 42 bytes in base64, of which the first are "Ed"
_LOGIN = re.compile(r"//[^/]*@")  # it is not shown: a password may stand in it
_AHEAD = timedelta(days=1)  # a day has begun elsewhere before it has here


def signers_for(
    config: ConfigFile | None, now: float, *, key: str | None = None, signers: str | None = None
) -> Signers:
    """Who may sign tables: a key (`RW…` of minisign, or a file with a public key of minisign or ssh-keygen),
    or a file of allowed signers, or else [data] signers. Raises RefusedError and ScopeError."""
    if key is not None and signers is not None:
        raise RefusedError("--key and --signers both say who may sign; write one of them")
    if key is not None:
        return Signers.of_key(_key(key), "--key", now, DATA)
    if signers is not None:
        return Signers(Path(signers), now, DATA)
    if config is not None and config.settings.data.signers:
        return Signers(Path(config.path).parent / config.settings.data.signers, now, DATA)
    raise RefusedError(
        "nobody is named who may sign tables; write --key with a public key of minisign or ssh-keygen, or"
        " --signers FILE, or [data] signers in the configuration"
    )


def _key(text: str) -> str:
    """`RW…`, or `KEYTYPE KEY`."""
    if _MINISIGN.fullmatch(text):
        return text
    there = os.path.lexists(text)
    for line in read_bytes(Path(text), MAX_KEY).decode("utf-8", "replace").splitlines() if there else ():
        words = line.split()
        if _MINISIGN.fullmatch(line):  # minisign.pub: a comment, and the key
            return line
        if len(words) > 1 and words[0].startswith(("ssh-", "ecdsa-", "sk-")):
            return f"{words[0]} {words[1]}"
    what = f"--key {text} {'holds' if there else 'is'} no public key"
    raise RefusedError(f"{what}; name minisign.pub or a .pub file of ssh-keygen, or write RW…")


def fetched(source: str, signers: Signers, now: float) -> Installed:
    """The bundle of a file or an https address, once its signature was found good and all of its rows are
    read; not pinned, and not installed yet. Raises RefusedError and ScopeError."""
    get = _from_web if "://" in source else _from_file
    raw = get(source, MAX_BYTES)
    if raw is None:
        raise RefusedError(f"{source}: there is no such file; name a bundle of tables")
    for ending in signers.endings:
        signature = get(source + ending, MAX_SIGNATURE)
        if signature is not None:
            found = signers.verify(source, raw, ending, signature)
            break
    else:
        one, other = signers.endings
        raise RefusedError(
            f"{source} is not signed: there is neither {source}{one} nor {source}{other}; take it from where"
            " both are"
        )
    try:
        _prove(read_bundle(raw), datetime.fromtimestamp(now, UTC).date())
    except BundleError as error:
        raise RefusedError(f"{source}: {error}; take a bundle that is made for this version") from None
    return Installed(
        at=timestamp(now),
        source=source,
        signer=found.signer,
        key=found.key,
        sha256=hashlib.sha256(raw).hexdigest(),
        pinned=False,
        bundle=raw.decode(),
    )


def require_newer(what: Installed, *, accept_older: bool) -> Installed:
    """Refuse tables of which one is older than the one in use: an old bundle that somebody sends again would
    hide what was learned since. With `accept_older` they are pinned instead. Raises RefusedError."""
    tables = read_bundle(what.bundle.encode())
    found = older(tables, {name: table(name) for name in FILES})
    if found and not accept_older:
        raise RefusedError(
            f"{what.source}: {'; '.join(found)}; take a newer one, or write --accept-older to use it"
        )
    return replace(what, pinned=bool(found))


def _from_file(name: str, most: int) -> bytes | None:
    return read_bytes(Path(name), most) if os.path.lexists(name) else None


def _from_web(address: str, most: int) -> bytes | None:
    from targets.https import FetchError, NotThereError, fetch, https_url  # heavy: only when it is wanted

    try:
        return fetch(https_url(address), most)
    except NotThereError:
        return None
    except FetchError as error:
        shown = _LOGIN.sub("//", address)
        raise RefusedError(f"{shown}: {error}; or fetch it another way, and name the file") from None


def _prove(tables: dict[str, Table], today: date) -> None:
    """Have every reader read them once. Raises BundleError."""
    for name in FILES:
        as_of = tables[name]["as_of"]
        if date.fromisoformat(as_of) > today + _AHEAD:
            raise BundleError(f"{name} is of {as_of}, and the clock says {today}")
    before = given()
    try:
        load_tables(tables)
        for read in _READERS:
            read()
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"it cannot be read: {type(error).__name__}: {error}") from None
    finally:
        use(before)


def _advisories() -> None:
    version = advisories.parse("7.0.0")
    assert version is not None
    for tls in (False, True):
        advisories.matching(version, Situation(open=True, replica_set=True, mongos=True, tls=tls))
    advisories.possible(advisories.newest_series(), Situation(True, True, True, True))
    advisories.end_of_life("7.0", date(2026, 1, 1))


_READERS: tuple[Callable[[], object], ...] = (
    _advisories,
    lambda: ransom.is_listed("READ__ME_TO_RECOVER_YOUR_DATA 0134"),
    lambda: hints.match("customers_näme"),
)
