"""What changed between two runs: opened, closed, grew, was wiped. Pure: it reads what it is given.

A server counts as closed only when it was seen closed. Silence closes nothing: a firewall, a lost packet and
a switched-off machine look the same, and so does a target that the new run never reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from results.record import Database, Exposure, Observation
from results.summary import unique
from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["opened", "closed", "grew", "wiped", "shrank", "unchanged", "silent"]
ORDER: tuple[Kind, ...] = ("wiped", "opened", "grew", "shrank", "unchanged", "silent", "closed")

_SEEN_CLOSED = frozenset(
    {
        Verdict.AUTH_REQUIRED,
        Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED,
        Verdict.NOT_MONGODB,
        Verdict.REFUSED,
    }
)
_MOST = 0.9
"""Losing this share of its documents at once is called wiped."""


class Change(Struct, frozen=True, kw_only=True):
    """One address and port whose exposure is in at least one of the runs."""

    kind: Kind
    ip: str
    port: int
    reasons: list[str] = []
    old: Observation | None = None
    new: Observation | None = None


class Diff(Struct, frozen=True, kw_only=True):
    """Every exposure of both runs, each exactly once, the gravest kind first and then by address."""

    changes: list[Change]

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many there are of each kind, kinds without any included."""
        return {kind: len(self.of(kind)) for kind in ORDER}


def diff(old_run: Iterable[Observation], new_run: Iterable[Observation]) -> Diff:
    """Compare what was open in two runs, target by target."""
    old = {_key(observation): observation for observation in unique(old_run)}
    new = {_key(observation): observation for observation in unique(new_run)}
    changes = []
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if change := _change(key, before, after):
            changes.append(change)
    changes.sort(key=lambda change: (ORDER.index(change.kind), change.ip, change.port))
    return Diff(changes=changes)


def _key(observation: Observation) -> tuple[str, int]:
    return observation.target.ip, observation.target.port


def _change(key: tuple[str, int], old: Observation | None, new: Observation | None) -> Change | None:
    was_open = old is not None and old.verdict.is_open
    is_open = new is not None and new.verdict.is_open
    if not was_open and not is_open:
        return None
    kind: Kind
    reasons: list[str]
    if old is None or not was_open:
        kind, reasons = "opened", [f"was {old.verdict}" if old else "was not seen before"]
    elif new is None:
        kind, reasons = "silent", ["nothing in the new run: no answer, or not asked"]
    elif is_open:
        kind, reasons = _compare(old, new)
    elif new.verdict in _SEEN_CLOSED:
        kind, reasons = "closed", [f"answers {new.verdict} now"]
    else:
        kind, reasons = "silent", [f"{new.verdict} now, which does not prove that it is closed"]
    return Change(kind=kind, ip=key[0], port=key[1], reasons=reasons, old=old, new=new)


def _compare(old: Observation, new: Observation) -> tuple[Kind, list[str]]:
    if old.exposure is None or (new.exposure is None and new.verdict is Verdict.OPEN):
        return "unchanged", ["what it holds was not asked in both runs"]
    before, after = old.exposure, new.exposure or Exposure(access="not_told", database_count=0)
    whole = _lists_all_databases(old), _lists_all_databases(new)
    if wiped := _signs_of_wiping(before, after, listed=whole[1]):
        return "wiped", wiped
    if grown := _growth(before, after, "more", listed=all(whole)):
        return "grew", grown
    shrunk = _growth(after, before, "fewer", listed=all(whole))
    return ("shrank", shrunk) if shrunk else ("unchanged", [])


def _lists_all_databases(observation: Observation) -> bool:
    """False when the record says that its list of databases was cut: then a missing name proves nothing."""
    cut = [*observation.truncated, *(observation.exposure.truncated if observation.exposure else ())]
    return not any("database" in note for note in cut)


def _signs_of_wiping(old: Exposure, new: Exposure, *, listed: bool) -> list[str]:
    had = _user_databases(old)
    if not had:
        return []
    signs = []
    fresh = [name for name in new.ransom.names if name not in old.ransom.names]
    if new.ransom.level in ("possible", "likely") and fresh:
        signs.append("names of an extortionist's note appeared: " + ", ".join(fresh))
    if new.ransom.wiped and not old.ransom.wiped:
        signs.append("the server looks emptied")
    left = _user_databases(new).keys() & had.keys()
    if listed and not left:
        signs.append(f"all {len(had)} databases are gone")
    if old.documents and new.documents is not None and new.documents <= old.documents * (1 - _MOST):
        signs.append(f"{old.documents:,} documents before, {new.documents:,} now")
    return signs


def _user_databases(exposure: Exposure) -> dict[str, Database]:
    notes = frozenset(exposure.ransom.names)
    return {
        database.name: database
        for database in exposure.databases
        if not database.system and database.name not in notes and not database.empty
    }


def _growth(old: Exposure, new: Exposure, verb: str, *, listed: bool) -> list[str]:
    grown = []
    if old.documents is not None and new.documents is not None and new.documents > old.documents:
        grown.append(f"{new.documents - old.documents:,} {verb} documents")
    before, after = old.total_size_bytes, new.total_size_bytes
    if before is not None and after is not None and after > before:
        grown.append(f"{after - before:,} {verb} bytes")
    added = _user_databases(new).keys() - _user_databases(old).keys()
    if added and listed:
        grown.append(f"{len(added)} {verb} databases: " + ", ".join(sorted(added)[:5]))
    return grown
