"""What happened to an open server between two looks: wiped, held to ransom, restored, changed; and when.

Each is dated twice: by the two looks that bound it, and by the server's own word where it gave one, which is
when a collection was made. Names that a run cut are never taken for names that are gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from results.ledger.compare import NAMES_TOLD, Holding, grown, kept, lost, remade, renamed, vanished
from results.record import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.tracked import ChangeKind, Grown, Lost
    from results.ledger.visit import Names
    from results.verdict import Severity

WIPED_SHARE = 0.9
"""Losing this share of its documents at once, and with collections, is called wiped."""

RESTORED_SHARE = 0.5
"""Names that come back with fewer documents than this share of what was lost are an application that goes on
writing into nothing, and no restored backup."""

NOTABLE_SHARE = 0.1
"""Documents that come or go by less than this share are the business of every day: told by liveness, no
change."""

MADE = "collection-made"


@dataclass(slots=True)
class Incident:
    """One thing that happened between two looks. `dated` is "" where nothing told the moment; `bounded`: the
    look before would have shown it."""

    kind: ChangeKind
    reasons: list[Reason]
    names: list[str] = field(default_factory=list)
    dated: str = ""
    dated_how: str = ""
    lost: Lost | None = None
    grown: Grown | None = None
    bounded: bool = True


@dataclass(slots=True)
class Incidents:
    """Follows one server from open look to open look. What it lost is remembered until it comes back."""

    missing: set[str] = field(default_factory=set)
    missing_documents: int | None = None
    before: Holding | None = None
    severities: dict[str, Severity] = field(default_factory=dict)
    """The last by vantage: what is open to everybody is graver, and the server is the same."""

    def at_first_sight(self, new: Holding) -> list[Incident]:
        """What the first look shows: a note that lies there was left before it."""
        self._remember(new)
        return [_ransomed(new, sorted(new.notes), bounded=False)] if new.notes else []

    def since(self, new: Holding) -> list[Incident]:
        """What happened between the last look that told what it holds, and this one."""
        old = self.before
        if old is None:
            return self.at_first_sight(new)
        if not new.is_told:
            return []
        restored = self._restored(old, new)
        notes = _notes_left(old, new, back=bool(restored))
        noted = any(note.bounded for note in notes)
        wiped = self._wiped(old, new, noted=noted, restored=bool(restored))
        found = [*wiped, *notes, *restored]
        if not any(incident.kind in ("wiped", "restored") for incident in found):
            found += self._changed(old, new)
        if found or old.lacks_collections or not new.lacks_collections:
            self._remember(new)
        return found

    def _remember(self, new: Holding) -> None:
        if new.is_told or new.notes:
            self.before = new
            self.severities[new.visit.vantage] = new.visit.severity

    def _wiped(self, old: Holding, new: Holding, *, noted: bool, restored: bool) -> list[Incident]:
        """`noted`: a note was left in between; then what is gone did not go by itself. `restored`: what an
        earlier wipe took came back."""
        gone, away = old.databases - new.databases if new.whole else set[str](), vanished(old, new)
        before, after = old.documents, new.documents
        few = bool(before) and after is not None and after <= (before or 0) * (1 - WIPED_SHARE)
        reasons = []
        if gone and gone == old.databases and not _were_replaced(new, before, after):
            reasons.append(Reason(code="databases-gone", detail=f"all {len(gone)}"))
        elif gone and noted:
            reasons.append(Reason(code="databases-gone", detail=f"{len(gone)} of {len(old.databases)}"))
        elif away and noted:
            detail = ", ".join(sorted(away)[:3])
            reasons.append(Reason(code="collections-went", detail=detail))
        # What is left in the same collections may have expired, or been deleted by whom it belongs to.
        if few and (noted or gone or away or not after or remade(old, new)):
            reasons.append(Reason(code="documents-gone", detail=f"{before:,} before, {after:,} now"))
        if not reasons:
            return [] if restored else self._made_anew(old, new)
        names = gone if gone and not few else old.databases
        self.missing |= names
        self.missing_documents = max(before or 0, self.missing_documents or 0) or None
        return [Incident("wiped", reasons, sorted(names)[:NAMES_TOLD], lost=lost(old, new))]

    def _made_anew(self, old: Holding, new: Holding) -> list[Incident]:
        """A wipe and a restore that nobody saw."""
        again = remade(old, new)
        if len(again) <= kept(old, new) or not _were_filled(old, again):
            return []
        reason = Reason(
            code="collections-made-anew",
            detail=f"{len(again)} of {len(again) + kept(old, new)} collections",
        )
        names, dated = again[:NAMES_TOLD], _first_made(new.users[name] for name in again)
        difference = grown(old.visit, new.visit)
        return [
            Incident("wiped", [reason], names, lost=lost(old, new, made_anew=True)),
            Incident("restored", [reason], names, dated, MADE if dated else "", grown=difference),
        ]

    def _is_little(self, old: Holding) -> bool:
        """Whether a look showed next to nothing of what a wipe took."""
        missing, there = self.missing_documents, old.documents
        return bool(missing) and there is not None and there <= (missing or 0) * (1 - WIPED_SHARE)

    def _restored(self, old: Holding, new: Holding) -> list[Incident]:
        back = self.missing & new.databases
        after = new.documents
        if not back:
            return []
        if back <= old.databases and (kept(old, new) or not self._is_little(old)):
            return []  # an application that goes on in collections of its own
        if back <= old.databases and (after or 0) <= (old.documents or 0):
            return []
        if self.missing_documents and after is not None and after < self.missing_documents * RESTORED_SHARE:
            return []
        self.missing -= back
        self.missing_documents = None
        made = _first_made(names for name, names in new.users.items() if name.partition(".")[0] in back)
        reason = Reason(code="names-came-back", detail=", ".join(sorted(back)[:3]))
        return [
            Incident(
                "restored",
                [reason],
                sorted(back)[:NAMES_TOLD],
                made,
                MADE if made else "",
                grown=grown(old.visit, new.visit),
            )
        ]

    def _changed(self, old: Holding, new: Holding) -> list[Incident]:
        before = self.severities.get(new.visit.vantage)
        reasons = [*_of_names(old, new), *_of_counts(old, new), *_of_server(old, new, before)]
        names = sorted((new.databases ^ old.databases) if old.whole and new.whole else ())
        return (
            [Incident("changed", reasons, names[:NAMES_TOLD], grown=grown(old.visit, new.visit))]
            if reasons
            else []
        )


def _were_replaced(new: Holding, before: int | None, after: int | None) -> bool:
    """Whether other databases hold about as much: one a month, or all renamed. Whoever wipes leaves none."""
    return bool(new.databases and before and after is not None and after >= before * RESTORED_SHARE)


def _were_filled(old: Holding, namespaces: list[str]) -> bool:
    """Whether any of them held a document, or nobody counted: what was empty cannot be wiped."""
    figures = old.visit.figures
    counts = [figures.collections.get(name, (None,))[0] for name in namespaces] if figures else [None]
    return any(count is None or count > 0 for count in counts)


def _notes_left(old: Holding, new: Holding, *, back: bool) -> list[Incident]:
    """Notes that were not there, or were made anew. What came `back` may have brought an old note with it:
    that is no new one, unless it was made later than everything else."""
    fresh, bounded = [], True
    made = max((names.made_at for names in new.users.values()), default="")
    for name, note in new.notes.items():
        if name in old.notes:
            known = old.notes[name]
            later = bool(made and note and note.made_at > made)
            again = bool(known and note and known.uuid and note.uuid and known.uuid != note.uuid)
            if again and (later or not back):
                fresh.append(name)
        elif not _was_there(old, name, note):
            fresh.append(name)
            database = name.partition(".")[0]
            listed = database in old.named if database in old.databases and "." in name else old.whole
            bounded = bounded and listed
    return [_ransomed(new, sorted(fresh), bounded=bounded)] if fresh else []


def _was_there(old: Holding, name: str, note: Names | None) -> bool:
    """Whether what passes for a note now was there already, and did not pass for one."""
    before = {each.uuid for namespace, each in old.users.items() if f"{namespace}.".startswith(f"{name}.")}
    if name in old.databases or before:
        return not (note and note.uuid and before - {""}) or note.uuid in before
    return False


def _ransomed(new: Holding, names: list[str], *, bounded: bool) -> Incident:
    dated = _first_made(note for name in names if (note := new.notes[name]) is not None)
    reason = Reason(code="note-left", detail=", ".join(names[:3]))
    return Incident("ransomed", [reason], names[:NAMES_TOLD], dated, MADE if dated else "", bounded=bounded)


def _of_names(old: Holding, new: Holding) -> list[Reason]:
    reasons = []
    moved = renamed(old, new)
    if moved:
        detail = ", ".join(f"{before} -> {after}" for before, after in moved[:3])
        reasons.append(Reason(code="renamed", detail=detail))
    if again := remade(old, new):
        reasons.append(Reason(code="made-anew", detail=", ".join(again[:3])))
    if not (old.whole and new.whole):
        return reasons
    if came := sorted(new.databases - old.databases):
        reasons.append(Reason(code="databases-came", detail=", ".join(came[:3])))
    if went := sorted(old.databases - new.databases):
        reasons.append(Reason(code="databases-went", detail=", ".join(went[:3])))
    known = {name for pair in moved for name in pair}
    shared = old.named & new.named & old.databases & new.databases
    both = [
        {name for name in holding.users if name.partition(".")[0] in shared} - known for holding in (old, new)
    ]
    if came := sorted(both[1] - both[0]):
        reasons.append(Reason(code="collections-came", detail=", ".join(came[:3])))
    if went := sorted(both[0] - both[1]):
        reasons.append(Reason(code="collections-went", detail=", ".join(went[:3])))
    return reasons


def _of_counts(old: Holding, new: Holding) -> list[Reason]:
    before, after = old.documents, new.documents
    if before is None or after is None or abs(after - before) <= max(before, after) * NOTABLE_SHARE:
        return []
    code = "grew" if after > before else "shrank"
    return [Reason(code=code, detail=f"{before:,} documents before, {after:,} now")]


def _of_server(old: Holding, new: Holding, severity: Severity | None) -> list[Reason]:
    """`severity`: the last one from this vantage."""
    before, after = old.visit.server, new.visit.server
    reasons = []
    if before and after and before.version and after.version and before.version != after.version:
        reasons.append(Reason(code="version", detail=f"{before.version} -> {after.version}"))
    if severity is not None and severity != new.visit.severity:
        reasons.append(Reason(code="severity", detail=f"{severity} -> {new.visit.severity}"))
    return reasons


def _first_made(collections: Iterable[Names]) -> str:
    return min((names.made_at for names in collections if names.made_at), default="")
