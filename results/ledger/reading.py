"""Reading visits, runs and coverage back from the tables; what both the deriving and the faces need."""

from __future__ import annotations

from functools import cache, partial
from ipaddress import ip_address
from socket import AF_INET6, inet_ntop
from typing import TYPE_CHECKING

import msgspec

from results.covered import RunCoverage, parse_covered
from results.ids import event_id, finding_id, packed
from results.ledger.contents import ContentError, Opened, unpack
from results.ledger.visit import PlaceKey, RunFacts
from results.manifest import Manifest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from results.covered import Covered
    from results.ledger.visit import Visit

_decode_manifest = msgspec.json.Decoder(Manifest).decode
_COLUMNS = (
    "v.at, v.segment, v.offset, v.line_sha256, v.body, v.structure, v.figures, r.run_id, r.vantage"
    " FROM visits v JOIN runs r ON r.run = v.run"
)


def loader(connection: sqlite3.Connection) -> Opened:
    """What unpacks contents of this ledger."""

    return Opened(partial(content, connection))


def content(connection: sqlite3.Connection, number: int) -> bytes:
    """A content as it is stored. Raises `ContentError`."""
    found = connection.execute("SELECT body FROM contents WHERE content = ?", (number,)).fetchone()
    if found is None:
        raise ContentError(f"content {number} is missing")
    body: bytes = found[0]
    return body


def place_key(connection: sqlite3.Connection, place: int) -> PlaceKey:
    """The place of this number."""
    row = connection.execute("SELECT site, ip, port FROM places WHERE place = ?", (place,)).fetchone()
    return PlaceKey(*row)


def visits_at(connection: sqlite3.Connection, place: int, opened: Opened | None = None) -> Iterator[Visit]:
    """Every visit to a place, in no certain order."""
    yield from _visits(connection, place, "v.place = ?", (place,), opened)


def visit_in(
    connection: sqlite3.Connection, place: int, run: int, opened: Opened | None = None
) -> Visit | None:
    """The visit of a run to a place."""
    return next(_visits(connection, place, "v.place = ? AND v.run = ?", (place, run), opened), None)


def visits_in(connection: sqlite3.Connection, run: int) -> Iterator[Visit]:
    """Every visit of a run."""
    for (place,) in connection.execute("SELECT place FROM visits WHERE run = ?", (run,)):
        visit = visit_in(connection, place, run)
        if visit is not None:
            yield visit


def _visits(
    connection: sqlite3.Connection,
    place: int,
    where: str,
    values: tuple[int, ...],
    opened: Opened | None,
) -> Iterator[Visit]:
    key = place_key(connection, place)
    address = packed(key.ip)
    finding = finding_id(key.site, address, key.port)
    opened = opened or loader(connection)
    rows = connection.execute(f"SELECT {_COLUMNS} WHERE {where}", values).fetchall()
    for at, segment, offset, digest, body, structure, figures, run_id, vantage in rows:
        yield opened.visit(
            names=(event_id(run_id, address, key.port), finding, run_id),
            at=at,
            place=key,
            vantage=vantage,
            position=(segment, offset, digest),
            contents=(body, structure, figures),
        )


# --- runs -------------------------------------------------------------------------------------------------


def run_facts(connection: sqlite3.Connection) -> dict[str, RunFacts]:
    """Every run, as what is derived sees it. What it covered and who answered in it is looked up when
    asked."""
    found = {}
    neighbours = Neighbours(connection)
    coverages = Coverages(connection)
    rows = connection.execute(
        "SELECT run, run_id, created_at, ended_at, state, vantage, purpose, damage FROM runs"
    ).fetchall()
    for run, run_id, created_at, ended_at, state, vantage, purpose, damage in rows:
        found[run_id] = RunFacts(
            run_id=run_id,
            created_at=created_at,
            ended_at=ended_at,
            state="unreadable" if damage else state,
            vantage=vantage,
            purpose=purpose,
            covers=partial(coverages.asked, run),
            companions=partial(neighbours.count, run),
            by_fleet=cache(partial(_by_fleet, connection, run)),
        )
    return found


class Neighbours:
    """How many other places near one answered in a run as a server does: the same /24 or /64 of the same
    site, or all of 127/8. Counted up to `MOST`."""

    MOST = 16

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._counted: dict[tuple[int, str, str], int] = {}

    def count(self, run: int, place: PlaceKey) -> int:
        """`RunFacts.companions` of one run."""
        first, last = _near(place.ip)
        key = (run, place.site, first)
        total = self._counted.get(key)
        if total is None:
            total = self._connection.execute(
                _BY_PREFIX if ":" in place.ip else _BY_TEXT,
                (run, first, last, place.site, self.MOST + 1),
            ).fetchone()[0]
            self._counted[key] = total
        own = self._connection.execute(
            "SELECT v.answers FROM places p JOIN visits v ON v.place = p.place AND v.run = ?"
            " WHERE p.ip = ? AND p.port = ? AND p.site = ?",
            (run, place.ip, place.port, place.site),
        ).fetchone()
        return min(self.MOST, total - (own[0] if own is not None else 0))


_BY_TEXT = (
    "SELECT count(*) FROM (SELECT 1 FROM places p JOIN visits v ON v.place = p.place AND v.run = ?"
    " WHERE p.ip > ? AND p.ip < ? AND p.site = ? AND v.answers LIMIT ?)"
)
_BY_PREFIX = _BY_TEXT.replace("p.ip > ? AND p.ip < ?", "p.prefix BETWEEN ? AND ?")


def _near(ip: str) -> tuple[str, str]:
    """Between what the text of addresses near this one lies, or its prefix."""
    prefix = prefix_of(ip)
    if prefix is not None:
        return prefix, prefix
    head = "127" if ip.startswith("127.") else ip.rpartition(".")[0]
    return f"{head}.", f"{head}/"  # "/" follows "." in the alphabet


def answering_near(connection: sqlite3.Connection, place: PlaceKey, most: int) -> list[tuple[str, int]]:
    """Other places near one that answered as a server does when they were last seen: the open ones last, then
    the latest first."""
    return connection.execute(
        _ANSWERING_BY_PREFIX if ":" in place.ip else _ANSWERING_BY_TEXT,
        (*_near(place.ip), place.site, place.ip, place.port, most),
    ).fetchall()


_ANSWERING_BY_TEXT = (
    "SELECT p.ip, p.port FROM places p JOIN visits v ON v.visit ="
    " (SELECT visit FROM visits WHERE place = p.place ORDER BY at DESC LIMIT 1)"
    " WHERE p.ip > ? AND p.ip < ? AND p.site = ? AND v.answers AND NOT (p.ip = ? AND p.port = ?)"
    " ORDER BY v.is_open, v.at DESC, p.ip, p.port LIMIT ?"
)
_ANSWERING_BY_PREFIX = _ANSWERING_BY_TEXT.replace("p.ip > ? AND p.ip < ?", "p.prefix BETWEEN ? AND ?")


class Coverages:
    """What each run covered, read when it is asked for; runs over the same scope share it."""

    MOST = 4_000_000  # ranges held at a time

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._of_runs: dict[int, RunCoverage | None] = {}
        self._covered: dict[int, Covered] = {}
        self._namesakes: dict[PlaceKey, list[int]] = {}
        self._sites: dict[int, set[str]] | None = None
        self._scopes: dict[int, str] = {}
        self._ranges = 0

    def asked(self, run: int, place: PlaceKey) -> bool | None:
        """`RunFacts.covers` of one run."""
        if run not in self._of_runs:
            self._of_runs[run] = self.of(run)
        coverage = self._of_runs[run]
        if coverage is None:
            return None
        asked = coverage.asked(place.ip, place.port)
        if not asked:
            return asked
        if self._saw_elsewhere(run, place):
            return False
        return True if self._asks_at(run, place) else None

    def _asks_at(self, run: int, place: PlaceKey) -> bool:
        """Whether a run asked the site of a place, as far as that can be told. What it covered has no sites,
        and each of several may use the same private address: a run whose lines are all of other sites asked
        there, unless it has the scope of one that saw this place."""
        if not ip_address(place.ip).is_private:
            return True
        if self._sites is None:
            self._sites = {}
            if len(self._connection.execute("SELECT DISTINCT site FROM places LIMIT 2").fetchall()) > 1:
                for number, name in self._connection.execute(
                    "SELECT DISTINCT v.run, p.site FROM visits v JOIN places p ON p.place = v.place"
                ):
                    self._sites.setdefault(number, set()).add(name)
        known = self._sites.get(run)
        if known is None or place.site in known:
            return True
        saw_it = self._connection.execute(
            "SELECT v.run FROM places p JOIN visits v ON v.place = p.place"
            " WHERE p.ip = ? AND p.port = ? AND p.site = ?",
            (place.ip, place.port, place.site),
        )
        return self._scope(run) in {self._scope(number) for (number,) in saw_it.fetchall()}

    def _scope(self, run: int) -> str:
        """The digest of a run's scope."""
        if run not in self._scopes:
            (facts,) = self._connection.execute("SELECT facts FROM runs WHERE run = ?", (run,)).fetchone()
            self._scopes[run] = manifest_of(facts).scope.digest
        return self._scopes[run]

    def _saw_elsewhere(self, run: int, place: PlaceKey) -> bool:
        """Whether a run has a line of this address at another site: then it is that one which it asked."""
        namesakes = self._namesakes.get(place)
        if namesakes is None:
            namesakes = self._namesakes[place] = [
                row[0]
                for row in self._connection.execute(
                    "SELECT place FROM places WHERE ip = ? AND port = ? AND site <> ?",
                    (place.ip, place.port, place.site),
                )
            ]
        return any(
            self._connection.execute(
                "SELECT 1 FROM visits WHERE place = ? AND run = ?", (other, run)
            ).fetchone()
            for other in namesakes
        )

    def of(self, run: int) -> RunCoverage | None:
        """What one run covered; None where it does not tell."""
        row = self._connection.execute("SELECT facts, coverage FROM runs WHERE run = ?", (run,)).fetchone()
        if row is None or row[1] is None:
            return None
        covered = self._covered.get(row[1])
        if covered is None:
            covered = unpack(content(self._connection, row[1]), parse_covered)
            self._ranges += covered.range_count
            if self._ranges > self.MOST:
                self._of_runs.clear()
                self._covered.clear()
                self._ranges = covered.range_count
            self._covered[row[1]] = covered
        return RunCoverage(covered, manifest_of(row[0]))


def _by_fleet(connection: sqlite3.Connection, run: int) -> bool:
    row = connection.execute("SELECT facts FROM runs WHERE run = ?", (run,)).fetchone()
    return row is not None and "fleet" in manifest_of(row[0]).configuration


def manifest_of(facts: bytes) -> Manifest:
    """A run's manifest from its column `facts`. Raises `ContentError`."""
    return unpack(facts, _decode_manifest)


def prefix_of(ip: str) -> str | None:
    """The /64 of an IPv6 address. Of an IPv4 address None: its neighbours are found by its text."""
    if ":" not in ip:
        return None
    return inet_ntop(AF_INET6, packed(ip)[:8] + bytes(8))
