"""Writing runs and visits into the tables, and marking which places are to be derived anew because of it.

Whatever the order in which visits come, and however often, the rows end the same: see docs/ledger.md.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from results.ids import packed
from results.ledger.contents import digest, pack, pack_body
from results.ledger.reading import Coverages, prefix_of, visits_at
from results.ledger.visits import answers_as_a_server, is_better

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from results.ledger.visit import PlaceKey, Visit

SHARED_BY_MOST: Final = 8
"""Places that show the same value of identity; what more of them show identifies nothing."""
_CACHED: Final = 8192  # contents whose number is remembered


class RunRow(NamedTuple):
    """What is kept of a run's manifest and directory. `facts`: the manifest's parts that coverage is made
    of."""

    run_id: str
    directory: str
    created_at: str
    ended_at: str
    state: str
    vantage: str
    purpose: str
    organisation: str
    planned: int
    facts: bytes
    coverage: int | None = None


_COLUMNS: Final = ", ".join(RunRow._fields)
_GET_RUN: Final = f"SELECT run, {_COLUMNS} FROM runs WHERE run_id = ?"  # noqa: S608 - names of columns
_PUT_RUN: Final = f"INSERT INTO runs ({_COLUMNS}) VALUES ({', '.join('?' * len(RunRow._fields))})"  # noqa: S608
_CHANGE_RUN: Final = f"UPDATE runs SET ({_COLUMNS}) = ({', '.join('?' * len(RunRow._fields))}) WHERE run = ?"  # noqa: S608
_PUT_VISIT: Final = (
    "INSERT INTO visits (place, run, at, is_open, answers, segment, offset, line_sha256, body, structure,"
    " figures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Writer:
    """Puts runs and visits into the tables, inside a transaction of the caller's."""

    def __init__(
        self, connection: sqlite3.Connection, evidence_of: Callable[[Visit], list[tuple[str, str]]]
    ) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._evidence_of = evidence_of
        self._contents: dict[bytes, int] = {}

    def forget_cache(self) -> None:
        """After a transaction that was undone: numbers that it gave out are not in the tables."""
        self._contents.clear()

    # --- runs -------------------------------------------------------------------------------------------

    def put_run(self, row: RunRow) -> int:
        """Make or bring up a run's row and return its number. What it proves of the places that it asked may
        change with it."""
        old = self._execute(_GET_RUN, (row.run_id,)).fetchone()
        if old is not None and RunRow(*old[1:]) == row:
            return int(old[0])
        if old is None:
            number = self._execute(_PUT_RUN, row).lastrowid
            assert number is not None
        else:
            number = int(old[0])
            self._execute(_CHANGE_RUN, (*row, number))
        if old is None or RunRow(*old[1:])._replace(directory=row.directory) != row:
            self.mark_asked_stale(number)
        return number

    def put_cursor(self, run: int, segment: int, offset: int) -> None:
        """Everything before this place of a run's journal is in the tables."""
        self._execute("UPDATE runs SET segment = ?, offset = ? WHERE run = ?", (segment, offset, run))

    def put_end(self, run: int, *, read_to_end: str = "", damage: str = "") -> None:
        """How reading a run's journal ended: at its end, as of the manifest file `read_to_end`; at damage; or
        neither. A damaged run proves nothing by its silence."""
        old = self._execute("SELECT damage FROM runs WHERE run = ?", (run,)).fetchone()
        self._execute("UPDATE runs SET read_to_end = ?, damage = ? WHERE run = ?", (read_to_end, damage, run))
        if bool(old[0]) != bool(damage):
            self.mark_asked_stale(run)

    # --- visits -----------------------------------------------------------------------------------------

    def put_visit(self, run: int, visit: Visit) -> bool:
        """Keep a visit, unless what is kept of the same event counts for more. True when the tables
        changed. What is not open makes its place stale by `mark_doubtful_stale`, once a batch."""
        place, is_new_place = self._place(visit.place)
        is_open = visit.verdict.is_open
        position = (is_open, visit.segment, visit.offset)
        replaced = False
        if not is_new_place:
            old = self._execute(
                "SELECT visit, is_open, segment, offset FROM visits WHERE place = ? AND run = ?", (place, run)
            ).fetchone()
            if old is not None:
                if not is_better(position, (bool(old[1]), old[2], old[3])):
                    return False
                self._execute("DELETE FROM visits WHERE visit = ?", (old[0],))
                replaced = bool(old[1])
        structure, figures = visit.structure, visit.figures
        self._execute(
            _PUT_VISIT,
            (
                place,
                run,
                visit.at,
                is_open,
                answers_as_a_server(visit),
                visit.segment,
                visit.offset,
                bytes.fromhex(visit.line_sha256),
                self.content(pack_body(visit)),
                None if structure is None else self.content(pack(structure)),
                None if figures is None else self.content(pack(figures)),
            ),
        )
        if is_open:
            self._execute("UPDATE places SET seen_open = 1 WHERE place = ?", (place,))
            if replaced:
                self.evidence_anew(place)
            else:
                self._show(place, visit)
            self.mark_stale(place)
        return True

    def content(self, body: bytes) -> int:
        """The number of a content, which is kept once."""
        number = self._contents.get(body)
        if number is not None:
            return number
        name = digest(body)
        found = self._execute("SELECT content FROM contents WHERE digest = ?", (name,)).fetchone()
        if found is None:
            number = self._execute(
                "INSERT INTO contents (digest, body) VALUES (?, ?)", (name, body)
            ).lastrowid
            assert number is not None
        else:
            number = int(found[0])
        if len(body) < 1024:
            if len(self._contents) >= _CACHED:
                self._contents.clear()
            self._contents[body] = number
        return number

    def _place(self, key: PlaceKey) -> tuple[int, bool]:
        """A place's number, and whether it is new."""
        site, ip, port = key
        found = self._execute(
            "SELECT place FROM places WHERE ip = ? AND port = ? AND site = ?", (ip, port, site)
        ).fetchone()
        if found is not None:
            return found[0], False
        packed(ip)  # ids are made of it later
        number = self._execute(
            "INSERT INTO places (ip, port, site, prefix) VALUES (?, ?, ?, ?)", (ip, port, site, prefix_of(ip))
        ).lastrowid
        assert number is not None
        return number, True

    def begin_again(self, here: set[str]) -> None:
        """Forget what runs in these directories told, so that they are read from the beginning; what only the
        ledger has stays. What is derived stays, too, until it is derived anew."""
        self._connection.execute("CREATE TEMP TABLE again (run INTEGER PRIMARY KEY)")
        for run, directory in self._execute("SELECT run, directory FROM runs").fetchall():
            if directory in here:
                self._execute("INSERT INTO again VALUES (?)", (run,))
        self._execute(
            "INSERT OR IGNORE INTO stale SELECT place FROM places WHERE seen_open OR component IS NOT NULL"
        )
        self._execute("DELETE FROM visits WHERE run IN again")
        self._execute(
            "UPDATE runs SET segment = 1, offset = 0, damage = '', read_to_end = '', pruned = 0"
            " WHERE run IN again"
        )
        self._execute("DELETE FROM evidence")
        self._execute("UPDATE places SET seen_open = 0 WHERE seen_open")
        for (place,) in self._execute("SELECT DISTINCT place FROM visits WHERE is_open").fetchall():
            self._execute("UPDATE places SET seen_open = 1 WHERE place = ?", (place,))
            self.evidence_anew(place)
        self._execute(
            "DELETE FROM contents WHERE content NOT IN (SELECT body FROM visits"
            " UNION SELECT structure FROM visits WHERE structure NOT NULL"
            " UNION SELECT figures FROM visits WHERE figures NOT NULL"
            " UNION SELECT coverage FROM runs WHERE coverage NOT NULL)"
        )
        self._execute("DROP TABLE again")
        self._contents.clear()

    # --- evidence of identity ---------------------------------------------------------------------------

    def _show(self, place: int, visit: Visit) -> None:
        """Note what a visit shows of identity. A value that one place too many shows identifies nothing from
        now on: places that were one group by it are no longer."""
        for kind, value in self._evidence_of(visit):
            shown = _shown(kind, value)
            done = self._execute(
                "INSERT OR IGNORE INTO evidence (shown, place) VALUES (?, ?)", (shown, place)
            )
            if done.rowcount and self._shared_by(shown) == SHARED_BY_MOST + 1:
                self._mark_stale_by(shown)

    def evidence_anew(self, place: int) -> None:
        """After a visit was replaced: what the place shows is what its visits show now."""
        before = {row[0] for row in self._execute("SELECT shown FROM evidence WHERE place = ?", (place,))}
        now = {
            _shown(kind, value)
            for visit in visits_at(self._connection, place)
            if visit.verdict.is_open
            for kind, value in self._evidence_of(visit)
        }
        for shown in before ^ now:
            self._mark_stale_by(shown)
        self._connection.executemany(
            "DELETE FROM evidence WHERE shown = ? AND place = ?", [(shown, place) for shown in before - now]
        )
        self._connection.executemany(
            "INSERT INTO evidence (shown, place) VALUES (?, ?)", [(shown, place) for shown in now - before]
        )
        for shown in before ^ now:
            self._mark_stale_by(shown)

    def _shared_by(self, shown: bytes) -> int:
        counted = "SELECT count(*) FROM (SELECT 1 FROM evidence WHERE shown = ? LIMIT ?)"
        return int(self._execute(counted, (shown, SHARED_BY_MOST + 2)).fetchone()[0])

    # --- what is to be derived anew ---------------------------------------------------------------------

    def mark_stale(self, place: int) -> None:
        """Derive this place anew."""
        self._execute("INSERT OR IGNORE INTO stale (place) VALUES (?)", (place,))

    def _mark_stale_by(self, shown: bytes) -> None:
        self._execute(
            "INSERT OR IGNORE INTO stale (place) SELECT place FROM evidence WHERE shown = ? LIMIT ?",
            (shown, SHARED_BY_MOST + 2),
        )

    def mark_all_stale(self) -> None:
        """Derive every place anew that was ever seen open."""
        self._execute("INSERT OR IGNORE INTO stale (place) SELECT place FROM places WHERE seen_open")

    def mark_asked_stale(self, run: int) -> None:
        """Derive every place anew that a run has a line of, or that it set out to ask: its silence counts,
        too."""
        self._execute(
            "INSERT OR IGNORE INTO stale (place) SELECT p.place FROM places p"
            " JOIN visits v ON v.place = p.place AND v.run = ? WHERE p.seen_open",
            (run,),
        )
        coverage = Coverages(self._connection).of(run)
        if coverage is None:
            return
        for place, ip, port in self._execute("SELECT place, ip, port FROM places WHERE seen_open").fetchall():
            if coverage.covered.contains(ip, port):
                self.mark_stale(place)

    def mark_doubtful_stale(self, run: int) -> None:
        """After a run got more lines: places that it did not see open, for these lines may be of them, and
        who else answered in it decides what a refusal in it proves."""
        self._execute(
            "INSERT OR IGNORE INTO stale (place) SELECT p.place FROM places p"
            " JOIN visits v ON v.place = p.place AND v.run = ? WHERE p.seen_open AND NOT v.is_open",
            (run,),
        )


def _shown(kind: str, value: str) -> bytes:
    return hashlib.blake2b(f"{kind}\0{value}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
