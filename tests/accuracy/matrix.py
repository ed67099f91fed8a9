"""One real server in one state: what a sweep recorded, column by column, beside what PyMongo reads there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from results.verdict import Verdict
from tests.support.kinds import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.record import Collection, Observation
    from tests.support.real import RealServer, Truth

TITLE = "real servers: what the sweep says beside what PyMongo reads"
OK, NONE = "ok", "-"
SYSTEM = ("admin", "config", "local")

VERDICT = {
    State.OPEN: Verdict.OPEN,
    State.REPLICA_SET: Verdict.OPEN,
    State.TLS: Verdict.OPEN,
    State.TLS_ALLOWED: Verdict.OPEN,
    State.EMPTY: Verdict.OPEN_NO_DATA,
    State.AUTH: Verdict.AUTH_REQUIRED,
    State.LOCALHOST_EXCEPTION: Verdict.AUTH_REQUIRED,
    State.CLIENT_CERTIFICATE: Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
}


def expected(server: RealServer, truth: Truth | None) -> Verdict:
    """The verdict by state. An empty MongoDB still lists its own databases, and is open."""
    if server.kind.state is State.EMPTY and truth is not None and truth.databases:
        return Verdict.OPEN
    return VERDICT[server.kind.state]


def version_of(server: RealServer) -> str:
    """What PyMongo is told by buildInfo without a login; "" when nothing is."""
    try:
        with server.client(login=False) as client:
            return str(client.admin.command("buildInfo")["version"])
    except PyMongoError:
        return ""


def row(server: RealServer, seen: Observation, before: Truth | None, after: Truth | None) -> dict[str, str]:
    """The columns of one server: `ok`, `-` where there is nothing to compare, or what is wrong.

    `before` and `after` are two readings around the sweep: FerretDB's statistics commands let SQLite write
    statistics of its own, so sizes must lie between them.
    """
    wanted = expected(server, before)
    columns = {
        "server": server.kind.label,
        "state": str(server.kind.state),
        "verdict": str(seen.verdict) if seen.verdict is wanted else f"WRONG: {seen.verdict}, not {wanted}",
        "version": _version(server, seen),
        "names": NONE,
        "sizes": NONE,
        "counts": NONE,
        "newest write": NONE,
    }
    if seen.verdict.is_open and before is not None and after is not None:
        columns |= {
            "names": _told(_names(seen, before)),
            "sizes": _told(_sizes(seen, before, after)),
            "counts": _told(_counts(seen, before)),
            "newest write": _told(_newest(seen, before)),
        }
    return columns


def wrong(columns: dict[str, str]) -> dict[str, str]:
    """The columns that say so."""
    return {key: value for key, value in columns.items() if value.startswith("WRONG")}


def _told(problems: Iterator[str]) -> str:
    found = list(problems)
    return f"WRONG: {'; '.join(found[:3])}" if found else OK


def _version(server: RealServer, seen: Observation) -> str:
    if seen.verdict is Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED:
        return NONE
    told = version_of(server)
    ours = seen.server.version if seen.server is not None else ""
    return ours if ours == told or not told else f"WRONG: {ours}, not {told}"


def _names(seen: Observation, truth: Truth) -> Iterator[str]:
    assert seen.exposure is not None
    databases = {database.name: database for database in seen.exposure.databases}
    yield from (f"{name} is not there" for name in sorted(set(databases) - set(truth.databases)))
    yield from (f"{name} is missing" for name in sorted(set(truth.databases) - set(databases)))
    for database, collection in truth.documents:
        found = {each.name for each in databases[database].collections} if database in databases else set()
        if database not in SYSTEM and collection not in found:
            yield f"{database}.{collection} is missing"


def _sizes(seen: Observation, before: Truth, after: Truth) -> Iterator[str]:
    assert seen.exposure is not None
    for database in seen.exposure.databases:
        if database.name in before.databases and database.name not in ("local", "config"):
            least, most = before.databases[database.name], after.databases.get(database.name, 0)
            if not least <= (database.size_bytes or 0) <= most:
                yield f"{database.name}: {database.size_bytes} is not in {least}..{most}"


def _counts(seen: Observation, truth: Truth) -> Iterator[str]:
    for where, collection in _collections(seen):
        if where in truth.documents and collection.documents != truth.documents[where]:
            yield f"{'.'.join(where)}: {collection.documents}, not {truth.documents[where]}"


def _newest(seen: Observation, truth: Truth) -> Iterator[str]:
    """Within a second of the newest `_id` that PyMongo sorts first."""
    for where, collection in _collections(seen):
        newest = truth.newest.get(where)
        if newest is None:
            continue
        if collection.last_write is None:
            yield f"{'.'.join(where)}: none, not {newest}"
        elif abs((collection.last_write.at - newest).total_seconds()) > 1:
            yield f"{'.'.join(where)}: {collection.last_write.at}, not {newest}"


def _collections(seen: Observation) -> Iterator[tuple[tuple[str, str], Collection]]:
    assert seen.exposure is not None
    for database in seen.exposure.databases:
        if database.name not in SYSTEM:
            for collection in database.collections:
                yield (database.name, collection.name), collection
