"""Deriving anew what is marked stale: a group of places that share evidence of identity at a time, in one
transaction, so that a reader sees all of it as it was, or all of it as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from results.ledger.derive import rank_of
from results.ledger.reading import loader, place_key, run_facts, visits_at
from results.ledger.writing import SHARED_BY_MOST

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from results.ledger.derive import Derived
    from results.ledger.visit import PlaceKey, RunFacts, Visit

    Derive = Callable[[dict[PlaceKey, list[Visit]], dict[str, RunFacts]], Derived]

_encode: Final = msgspec.json.Encoder().encode
_PUT_EXPOSURE: Final = (
    "INSERT OR REPLACE INTO exposures (exposure_id, component, state, severity_number, owner, ip, port,"
    " first_seen_open, last_seen_open, closed_before, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Rederiver:
    """Works through the stale places of a ledger, inside a transaction of the caller's."""

    def __init__(self, connection: sqlite3.Connection, derive: Derive) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._derive = derive

    def run(self, progress: Callable[[int], None] = lambda left: None) -> int:
        """Derive all that is stale; how many exposures were written. `progress` is told how many places are
        left."""
        runs: dict[str, RunFacts] | None = None
        written = 0
        while (stale := self._execute("SELECT place FROM stale LIMIT 1").fetchone()) is not None:
            places = self._component(stale[0])
            if runs is None:
                runs = run_facts(self._connection)
            self._remove_old(places)
            written += self._write(places, runs)
            marks = [(place,) for place in places]
            self._connection.executemany("DELETE FROM stale WHERE place = ?", marks)
            if written % 64 == 0:
                progress(int(self._execute("SELECT count(*) FROM stale").fetchone()[0]))
        return written

    def _component(self, place: int) -> list[int]:
        """The places that are one group with this one, over any number of steps."""
        found, to_follow, followed = {place}, [place], set[bytes]()
        while to_follow:
            shown_here = self._execute(
                "SELECT shown FROM evidence WHERE place = ?", (to_follow.pop(),)
            ).fetchall()
            for (shown,) in shown_here:
                if shown in followed:
                    continue
                followed.add(shown)
                sharing = self._execute(
                    "SELECT place FROM evidence WHERE shown = ? LIMIT ?", (shown, SHARED_BY_MOST + 1)
                ).fetchall()
                if len(sharing) <= SHARED_BY_MOST:
                    new = {row[0] for row in sharing} - found
                    found |= new
                    to_follow += new
        return sorted(found)

    def _remove_old(self, places: list[int]) -> None:
        """Take away what was derived of these places before. Places that were one group with them, and are no
        longer, are to be derived too."""
        old = set[int]()
        for place in places:
            component = self._execute("SELECT component FROM places WHERE place = ?", (place,)).fetchone()[0]
            if component is not None:
                old.add(component)
        for component in old:
            self._execute("DELETE FROM exposures WHERE component = ?", (component,))
            self._execute(
                "INSERT OR IGNORE INTO stale (place) SELECT place FROM places WHERE component = ?",
                (component,),
            )
            self._execute("UPDATE places SET component = NULL WHERE component = ?", (component,))

    def _write(self, places: list[int], runs: dict[str, RunFacts]) -> int:
        opened = loader(self._connection)
        keys = {place: place_key(self._connection, place) for place in places}
        visits = {keys[place]: list(visits_at(self._connection, place, opened)) for place in places}
        if not any(visit.verdict.is_open for found in visits.values() for visit in found):
            return 0
        derived = self._derive(visits, runs)
        component = places[0]
        self._connection.executemany(
            "UPDATE places SET component = ? WHERE place = ?", [(component, place) for place in places]
        )
        by_event = {
            visit.event_id: (keys_place, visit.run_id)
            for keys_place, found in ((place, visits[keys[place]]) for place in places)
            for visit in found
        }
        self._put(component, derived, by_event)
        return len(derived.exposures)

    def _put(self, component: int, derived: Derived, by_event: dict[str, tuple[int, str]]) -> None:
        for exposure in derived.exposures:
            self._execute(
                _PUT_EXPOSURE,
                (
                    exposure.exposure_id,
                    component,
                    exposure.state,
                    exposure.severity_number,
                    exposure.owner.owner,
                    exposure.place.ip,
                    exposure.place.port,
                    exposure.first_seen_open,
                    exposure.last_seen_open,
                    exposure.closed_before,
                    _encode(exposure),
                ),
            )
        self._connection.executemany(
            "INSERT OR IGNORE INTO former_ids (former_id, exposure_id) VALUES (?, ?)",
            [
                (former, exposure.exposure_id)
                for exposure in derived.exposures
                for former in exposure.former_ids
            ],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO changes (change_id, exposure_id, at, rank, body) VALUES (?, ?, ?, ?, ?)",
            [
                (change.event_id, change.exposure_id, change.at, rank_of(change), _encode(change))
                for change in derived.changes
            ],
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO looks (exposure_id, place, run)"
            " SELECT ?, ?, run FROM runs WHERE run_id = ?",
            [(exposure_id, *by_event[event]) for exposure_id, event in derived.looks],
        )
