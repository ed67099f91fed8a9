"""What is wrong with a scope, or will be soon: all of it at once, where loading stops at the first fault.

Pure functions over entries that were read leniently."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from targets.allow_diff import difference
from targets.entries import govern
from targets.errors import ScopeError
from targets.grammar import Span, format_span
from targets.nesting import Governed
from targets.policy import beyond_private, check_deny, check_entry, day_of, is_swept_whole
from targets.ranges import Ranges, merge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from targets.entries import Deny, Entry
    from targets.proposal import Proposed

Gravity = Literal["error", "warning", "note"]

CODES: Final[dict[str, Gravity]] = {
    "unreadable": "error",
    "refused": "error",
    "expired": "error",
    "unauthorised": "error",
    "contradiction": "error",
    "unknown-inventory": "error",
    "no-candidates": "error",
    "expires-soon": "warning",
    "not-in-scope": "warning",
    "gap": "warning",
    "other-owner": "warning",
    "no-owner": "warning",
    "no-contact": "warning",
    "not-in-source": "note",
    "twice": "note",
    "idle-deny": "note",
    "idle-inventory": "note",
}
"""Every code with its gravity, the gravest first. An "error" keeps the scope from being loaded."""

_SOURCE: Final = ", in the source where an import wrote the entry"  # what it says, the next import would undo
_LEAST_NEIGHBOUR: Final = 8  # addresses of the prefixes between which a hole is told


class Finding(NamedTuple):
    """One fault: where (`line` is None for the file as a whole), what, and what to write, after a verb."""

    code: str
    path: str
    line: int | None
    text: str
    remedy: str

    @property
    def gravity(self) -> Gravity:
        """How grave."""
        return CODES[self.code]

    @classmethod
    def of(cls, code: str, at: Entry | Deny, text: str, remedy: str) -> Finding:
        """One at an entry."""
        return cls(code, at.source, at.line, text, remedy)

    @classmethod
    def of_error(cls, error: ScopeError, code: str = "unreadable") -> Finding:
        """What kept something from being read."""
        return cls(code, error.path, error.line, error.reason, error.remedy)


class Surroundings(NamedTuple):
    """What the configuration says beside the entries."""

    now: float  # seconds since the epoch
    within: float  # seconds: what expires in this time is told
    max_targets: int
    inventories: tuple[str, ...] = ()
    told_owners: Collection[str] = ()  # owners who have a [[recipient]], and so need no contact
    has_candidates: bool = False  # of [ipv6]


def check_scope(entries: Sequence[Entry], denies: Sequence[Deny], around: Surroundings) -> list[Finding]:
    """Every fault, the gravest first, then by place."""
    found = [
        *(finding for entry in entries for finding in _of_entry(entry, around)),
        *(finding for deny in denies for finding in _of_deny(deny, around)),
        *_named_twice(entries),
        *_crossings(entries),
        *_gaps(entries, denies),
        *_idle(entries, denies, around),
    ]
    return by_gravity(found)


def by_gravity(found: Iterable[Finding]) -> list[Finding]:
    """Each once, the gravest first, then by place."""
    rank = {code: number for number, code in enumerate(CODES)}
    return sorted(
        dict.fromkeys(found), key=lambda each: (rank[each.code], each.path, each.line or 0, each.text)
    )


def check_against(
    entries: Sequence[Entry], denies: Sequence[Deny], source: Sequence[Proposed], name: str
) -> list[Finding]:
    """What the source `name` knows and the scope lacks, what it has under another owner, and the other way
    round. What is denied is not missing."""
    change = difference(entries, [each.entry for each in source])
    ours, theirs, denied = Governed(entries), Governed([_Named(each) for each in source]), Governed(denies)
    found = []
    for row in change.rows:
        if row.what == "added":
            for part, deny in denied.parts(row.span):
                if deny is not None:
                    continue
                for piece, known in theirs.parts(part):
                    whence = known.proposed.voice.provenance if known is not None else name
                    owner = f" of {row.owner!r}" if row.owner else ""
                    text = f"{_span(piece)}{owner} is in no entry ({whence})"
                    how = " with --authorised-by and --expires" if beyond_private(piece) else ""
                    remedy = f"import it{how}, or deny it with a reason"
                    found.append(Finding("not-in-scope", name, None, text, remedy))
            continue
        entry = next(iter(ours.parts(row.span)))[1]
        if entry is None:
            continue
        if row.what == "gone":
            text = f"{_span(row.span)} is not in {name}"
            found.append(Finding.of("not-in-source", entry, text, "remove it, or enter it there"))
        elif row.what == "owner" and row.owner:
            text = f"{_span(row.span)} is of {row.before or 'nobody'!r} here and of {row.owner!r} in {name}"
            found.append(Finding.of("other-owner", entry, text, "correct one of the two"))
    return by_gravity(found)


class _Named(NamedTuple):
    proposed: Proposed

    @property
    def span(self) -> Span:
        return self.proposed.entry.span


def _of_entry(entry: Entry, around: Surroundings) -> Iterator[Finding]:
    now = around.now
    supposed = entry
    if entry.expires <= now:
        text = f"{entry.text} expired on {day_of(entry.expires)}"
        yield Finding.of(
            "expired", entry, text, "write a later expires once it is authorised again, or remove it"
        )
        supposed = replace(supposed, expires=math.inf)
    elif entry.expires <= now + around.within:
        text = f"{entry.text} expires on {day_of(entry.expires)}"
        yield Finding.of("expires-soon", entry, text, "have it authorised again, and write the later expires")
    if beyond_private(entry.span):
        missing = [
            *([] if entry.authorised_by else ["authorised_by"]),
            *([] if entry.expires < math.inf else ["expires"]),
        ]
        if missing and entry.kind != "lab":
            text = f"{entry.text} is not proven ours by being private, and has no {' and no '.join(missing)}"
            yield Finding.of("unauthorised", entry, text, f"write {' and '.join(missing)}")
        supposed = replace(supposed, authorised_by="-", expires=now + 1)
    if not is_swept_whole(entry.span) and not around.has_candidates:
        text = f"{entry.text} is too wide to sweep, and nothing says which of its addresses to ask"
        yield Finding.of("no-candidates", entry, text, "write candidates in [ipv6]")
    else:
        try:
            check_entry(supposed, now, around.max_targets, wide=around.has_candidates)
        except ScopeError as error:
            yield Finding.of_error(error, "refused")
    if not entry.owner:
        yield Finding.of("no-owner", entry, f"{entry.text} has no owner", f'write owner = "…"{_SOURCE}')
    if not entry.contact and not (entry.owner and entry.owner in around.told_owners):
        text = f"{entry.text} has no contact" + (
            f", and {entry.owner!r} no [[recipient]]" if entry.owner else ""
        )
        yield Finding.of("no-contact", entry, text, f'write contact = "…"{_SOURCE}, or a [[recipient]]')
    if entry.inventory and entry.inventory not in around.inventories:
        text = f"{entry.text} names the inventory {entry.inventory!r}, which is not there"
        yield Finding.of(
            "unknown-inventory", entry, text, f'write an [[inventory]] with name = "{entry.inventory}"'
        )


def _of_deny(deny: Deny, around: Surroundings) -> Iterator[Finding]:
    if deny.expires <= around.now:
        text = f"the deny of {deny.text} expired on {day_of(deny.expires)}"
        remedy = "write a later date, or remove it if the addresses may be probed again"
        yield Finding.of("expired", deny, text, remedy)
        return
    if deny.expires <= around.now + around.within:
        text = f"the deny of {deny.text} expires on {day_of(deny.expires)}, and then the scope is refused"
        yield Finding.of("expires-soon", deny, text, "ask whether it still holds, and write a later date")
    try:
        check_deny([deny], around.now)
    except ScopeError as error:
        yield Finding.of_error(error, "refused")


def _named_twice(entries: Sequence[Entry]) -> Iterator[Finding]:
    seen: dict[Span, Entry] = {}
    for entry in entries:
        before = seen.setdefault(entry.span, entry)
        if before is entry:
            continue
        there = _place(before)
        if before.terms == entry.terms:
            text = f"{entry.text} is allowed at {there} already"
            yield Finding.of("twice", entry, text, "remove one of the two")
        elif before.owner != entry.owner:
            here, other = (each.owner or "nobody" for each in (entry, before))
            text = f"{entry.text} is of {here!r} here and of {other!r} at {there}"
            yield Finding.of("contradiction", entry, text, "write one entry for it")
        else:
            text = f"{entry.text} is allowed at {there} already, with other keys"
            yield Finding.of("contradiction", entry, text, "write one entry for it")


def _crossings(entries: Sequence[Entry]) -> Iterator[Finding]:
    ordered = sorted(entries, key=lambda entry: (entry.span.version, entry.span.first, -entry.span.last))
    around: list[Entry] = []
    for entry in ordered:
        version, first, last = entry.span
        around = [each for each in around if each.span.version == version and each.span.last >= first]
        for before in around:
            if before.span.last < last and before.terms != entry.terms:
                text = f"{entry.text} crosses {before.text} at {_place(before)}, with other keys"
                remedy = "write ranges that do not overlap, or one inside the other"
                yield Finding.of("contradiction", entry, text, remedy)
        around.append(entry)


def _gaps(entries: Sequence[Entry], denies: Sequence[Deny]) -> Iterator[Finding]:
    """Holes that neither an entry nor a deny names, between two entries of one site and not larger than
    either."""
    for version in (4, 6):
        pieces = govern(entries, version)
        denied = merge((deny.span.first, deny.span.last) for deny in denies if deny.span.version == version)
        named = Ranges(denied, ()) if version == 4 else Ranges((), denied)
        for (_, last, left), (first, _, right) in pairwise(pieces):
            hole = Span(version, last + 1, first - 1)
            least = min(left.span.size, right.span.size)
            if not 0 < hole.size <= least or least < _LEAST_NEIGHBOUR or not left.site:
                continue
            if left.site == right.site and not named.within(hole):
                between = f"between {left.text} and {right.text} of site {left.site!r}"
                text = f"{_span(hole)}, {between}, is in no entry"
                yield Finding.of("gap", right, text, "allow it, or deny it with a reason")


def _idle(entries: Sequence[Entry], denies: Sequence[Deny], around: Surroundings) -> Iterator[Finding]:
    allowed = Ranges.of(entry.span for entry in entries)
    for deny in denies:
        if not allowed.within(deny.span):
            text = f"the deny of {deny.text} takes nothing away: no entry holds an address of it"
            yield Finding.of("idle-deny", deny, text, "remove it, or keep it for what may come")
    used = {entry.inventory for entry in entries}
    for name in around.inventories:
        if name not in used:
            text = f"no entry names the [[inventory]] {name!r}"
            yield Finding(
                "idle-inventory", "", None, text, f'write inventory = "{name}" in its entries, or remove it'
            )


def _place(at: Entry) -> str:
    return f"{at.source}:{at.line}" if at.line is not None else at.source


def _span(span: Span) -> str:
    return (
        f"{format_span(span)} ({span.size:,})"
        if is_swept_whole(span) and span.size > 1
        else format_span(span)
    )
