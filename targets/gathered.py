"""What several sources say of addresses, put together as it streams by: prefixes and ranges with what each
source says of them, and single addresses merged into runs, so that a list of a million costs its runs."""

from __future__ import annotations

import heapq
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from targets.claims import Claim, Said
    from targets.grammar import Span

MAX_TEXT: Final = 200  # characters of an owner, contact, site, label or provenance
MAX_LABELS: Final = 16
_COMPACT: Final = 8192  # runs of equal terms, from which on they are merged again


class Terms(NamedTuple):
    """What a source says of addresses, cleaned: one line each, without control characters."""

    owner: str = ""
    contact: str = ""
    site: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class Voice(NamedTuple):
    """Who says so: the first provenance in the alphabet, by which field the owner, how many claims."""

    provenance: str
    owner_by: str
    claims: int


Voices = dict[Terms, Voice]
"""What is said of one prefix or range, and by whom."""


class Run(NamedTuple):
    """Neighbouring addresses of which the same is said; `claims` is how many made it."""

    first: int
    last: int
    provenance: str  # of its first address
    claims: int


class Passed(NamedTuple):
    """Addresses that a source names and that are not for the scope, with the field that says so."""

    span: Span
    provenance: str
    detail: str


class Least:
    """How many there were, and the first of them by address, whatever the order in which they came."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._held: list[Passed] = []

    def add(self, item: Passed) -> None:
        """Count one more."""
        self.count += 1
        self._held.append(item)
        if len(self._held) > 2 * self._most:
            self._held = heapq.nsmallest(self._most, self._held)

    def items(self) -> list[Passed]:
        """The first of them, sorted."""
        return heapq.nsmallest(self._most, self._held)


class Gathered:
    """Everything that claims say, ready to be proposed. `vrfs`: the routing tables that are reached from
    here; `statuses`: those that are taken, of sources that have any ("": none is looked at)."""

    def __init__(self, vrfs: Iterable[str] = ("",), statuses: Iterable[str] = ()) -> None:
        self.claims = 0
        self.blocks: dict[Span, Voices] = {}
        self.containers: dict[Span, Voices] = {}
        self.other_vrfs = Least(100)
        self.other_statuses = Least(100)
        self._vrfs = frozenset(vrfs)
        self._statuses = frozenset(status.lower() for status in statuses)
        self._runs: dict[tuple[int, Terms, str], _Runs] = {}

    def add(self, claim: Claim, *, by_status: bool = False) -> None:
        """Take one claim in. `by_status`: its source has the statuses that `statuses` speaks of."""
        self.claims += 1
        said, span = claim.said, claim.span
        if said.vrf not in self._vrfs:
            self.other_vrfs.add(Passed(span, one_line(claim.provenance), one_line(said.vrf)))
            return
        if by_status and said.kind != "container" and said.status and said.status not in self._statuses:
            self.other_statuses.add(Passed(span, one_line(claim.provenance), one_line(said.status)))
            return
        terms = _terms(said)
        if span.size > 1 and said.kind != "address":
            held = self.containers if said.kind == "container" else self.blocks
            voices = held.setdefault(span, {})
            voice = Voice(one_line(claim.provenance), one_line(said.owner_by), 1)
            before = voices.get(terms)
            voices[terms] = voice if before is None else min(voice, before)._replace(claims=before.claims + 1)
            return
        if said.kind == "container":
            return
        key = (span.version, terms, said.owner_by)
        runs = self._runs.get(key)
        if runs is None:
            runs = self._runs[key] = _Runs()
        runs.add(span.first, span.last, claim.provenance)

    def addresses(self) -> Iterator[tuple[int, Terms, str, Run]]:
        """`(version, terms, owner_by, run)` of all single addresses, in no order; runs of other terms may
        overlap."""
        for (version, terms, owner_by), runs in self._runs.items():
            for run in runs.merged():
                yield version, terms, one_line(owner_by), run._replace(provenance=one_line(run.provenance))


class _Runs:
    """Addresses of equal terms, merged whenever so many have come that it pays."""

    def __init__(self) -> None:
        self._held: list[Run] = []
        self._limit = _COMPACT

    def add(self, first: int, last: int, provenance: str) -> None:
        self._held.append(Run(first, last, provenance, 1))
        if len(self._held) > self._limit:
            self._limit = max(_COMPACT, 2 * len(self.merged()))

    def merged(self) -> list[Run]:
        """Sorted and disjoint, neighbours joined."""
        self._held.sort()
        kept: list[Run] = []
        for run in self._held:
            if kept and run.first <= kept[-1].last + 1:
                before = kept[-1]
                kept[-1] = Run(
                    before.first, max(before.last, run.last), before.provenance, before.claims + run.claims
                )
            else:
                kept.append(run)
        self._held = kept
        return kept


def one_line(text: str, most: int = MAX_TEXT) -> str:
    """Text of a list as a line that an allow-list may hold: printable, no blanks at its ends, bounded."""
    text = text[: 4 * most]
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


@lru_cache(maxsize=4096)
def _terms(said: Said) -> Terms:
    labels = ((one_line(key, 60), one_line(text)) for key, text in said.labels)
    return Terms(
        one_line(said.owner),
        one_line(said.contact),
        one_line(said.site),
        tuple(sorted({key: text for key, text in labels if key}.items())[:MAX_LABELS]),
    )


def agreed(many: Iterable[Terms]) -> Terms:
    """What several sources say together, whatever their order: each field by the first in the alphabet that
    fills it, labels put together."""
    several = sorted(set(many))
    if len(several) == 1:
        return several[0]

    def first(field: Callable[[Terms], str]) -> str:
        return min((field(terms) for terms in several if field(terms)), default="")

    labels: dict[str, str] = {}
    for terms in several:
        for key, text in terms.labels:
            labels[key] = min(text, labels.get(key, text))
    return Terms(
        first(lambda terms: terms.owner),
        first(lambda terms: terms.contact),
        first(lambda terms: terms.site),
        tuple(sorted(labels.items())[:MAX_LABELS]),
    )


def owners_of(many: Iterable[Terms]) -> list[str]:
    """The different owners that are named, sorted."""
    return sorted({terms.owner for terms in many} - {""})
