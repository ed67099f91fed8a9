"""From what sources say of addresses to the entries of an allow-list, and to what is left out and why.

A pure function: the same claims in any order give the same entries. What a person wrote into the allow-list
before (who authorised it, until when, which ports, which inventory) stays with a prefix whose owner stays.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from targets.entries import Entry
from targets.errors import ScopeError
from targets.gathered import Voice, agreed, owners_of
from targets.grammar import Span, format_span
from targets.nesting import Block, Governed, inherited, nested, with_inheritance
from targets.policy import beyond_private, check_entry, is_swept_whole
from targets.special import Policy, overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from targets.entries import Kind
    from targets.gathered import Gathered, Run, Terms, Voices

Addresses = Literal["needed", "all", "none"]
Why = Literal["owners", "loopback", "refused", "container", "vrf", "status"]

SHOWN: Final = 100  # of each reason; the others are counted


class ImportRules(NamedTuple):
    """What the one who imports decides. Texts: "" for nothing."""

    owner: str = ""  # where the source names none, and likewise:
    contact: str = ""
    site: str = ""
    inventory: str = ""  # written into each entry; "": those that have one keep it
    authorised_by: str = ""  # of space that is not private, where the allow-list has none that still holds
    expires: float = math.inf
    lab: bool = False  # whether loopback is taken, as kind = "lab"
    wide: bool = False  # whether [ipv6] says which addresses to ask of prefixes too wide to sweep
    addresses: Addresses = "needed"  # which single addresses become entries


class Proposed(NamedTuple):
    """One entry, and where it comes from."""

    entry: Entry
    voice: Voice
    single: bool  # of single addresses, not of a prefix or range


class LeftOut(NamedTuple):
    """Addresses that a source names and that became no entry; `remedy` begins with a verb, or is ""."""

    span: Span
    provenance: str
    reason: str
    remedy: str


class Proposal(NamedTuple):
    """Sorted by address. `left` says of each reason how many there are, and shows the first SHOWN."""

    entries: tuple[Proposed, ...]
    unauthorised: tuple[Proposed, ...]  # would be entries, if somebody authorised them until a day
    left: dict[Why, tuple[int, tuple[LeftOut, ...]]]
    covered: int  # single addresses inside an entry of their owner
    dropped: tuple[Entry, ...]  # old entries whose ports, authority or inventory no new entry has taken over


def propose(
    gathered: Gathered, rules: ImportRules, old: Sequence[Entry], now: float, max_targets: int
) -> Proposal:
    """The entries that the sources propose. `old`: what the allow-list said so far; `now`: seconds since the
    epoch; `max_targets`: addresses that one entry may have."""
    return _Proposing(gathered, rules, old, now, max_targets).run()


class _Proposing:
    """One proposal while it is made."""

    def __init__(
        self, gathered: Gathered, rules: ImportRules, old: Sequence[Entry], now: float, max_targets: int
    ) -> None:
        self._gathered = gathered
        self._rules = rules
        self._old = old
        self._now = now
        self._max_targets = max_targets
        self._before = {(entry.span, entry.owner): entry for entry in old}
        self._governing = Governed(old)
        self._authorised = Governed([entry for entry in old if entry.authorised_by and entry.expires > now])
        self._taken: list[Proposed] = []
        self._unauthorised: list[Proposed] = []
        self._left: dict[Why, list[LeftOut]] = {}
        self._covered = 0

    def run(self) -> Proposal:
        containers = [found for found in _one_owner(self._gathered.containers) if isinstance(found, Block)]
        blocks: list[Block] = []
        for found in _one_owner(self._gathered.blocks):
            if isinstance(found, Block):
                blocks.append(found)
            else:
                self._leave("owners", found)
        blocks = [self._filled(block) for block in nested(with_inheritance(blocks, containers))]
        cover = [block for block in blocks if self._place(block, single=False)]
        if self._rules.addresses != "none":
            self._place_addresses(Governed(cover), Governed(containers))
        self._pass_over(containers)
        used = {(proposed.entry.span, proposed.entry.owner) for proposed in self._taken}
        return Proposal(
            tuple(sorted(self._taken, key=_by_address)),
            tuple(sorted(self._unauthorised, key=_by_address)),
            {why: (len(items), tuple(sorted(items)[:SHOWN])) for why, items in self._left.items()}
            | self._passed(),
            self._covered,
            tuple(
                entry
                for entry in self._old
                if (entry.ports or entry.authorised_by or entry.inventory)
                and (entry.span, entry.owner) not in used
            ),
        )

    def _leave(self, why: Why, left: LeftOut) -> None:
        self._left.setdefault(why, []).append(left)

    def _pass_over(self, containers: Sequence[Block]) -> None:
        for span, _, voice in containers:
            if span not in self._gathered.blocks:
                self._leave("container", LeftOut(span, voice.provenance, "is a container of prefixes", ""))

    def _passed(self) -> dict[Why, tuple[int, tuple[LeftOut, ...]]]:
        held = self._gathered
        found: dict[Why, tuple[int, tuple[LeftOut, ...]]] = {}
        for item in held.other_vrfs.items():
            reason = f"is in the VRF {item.detail!r}" if item.detail else "is in the global table"
            remedy = "name it there if it is reached from here"
            reason += f", which [scope] vrfs does not name; {remedy}"
            left = LeftOut(item.span, item.provenance, reason, "")
            found["vrf"] = (held.other_vrfs.count, (*found.get("vrf", (0, ()))[1], left))
        for item in held.other_statuses.items():
            reason = f"is {item.detail}, which [netbox] statuses does not name"
            left = LeftOut(item.span, item.provenance, reason, "")
            found["status"] = (held.other_statuses.count, (*found.get("status", (0, ()))[1], left))
        return found

    def _filled(self, block: Block) -> Block:
        terms, ours = block.terms, self._rules
        return block._replace(
            terms=terms._replace(
                owner=terms.owner or ours.owner,
                contact=terms.contact or ours.contact,
                site=terms.site or ours.site,
            )
        )

    def _place(self, block: Block, *, single: bool) -> bool:
        """Put a block where it belongs; whether what is inside it is spoken for."""
        span = block.span
        loopback = any(
            row.policy is Policy.LAB and row.span.first <= span.first and span.last <= row.span.last
            for row in overlaps(span)
        )
        if loopback and not self._rules.lab:
            remedy = "give --lab to try an import on this machine"
            self._leave("loopback", LeftOut(span, block.voice.provenance, "is loopback", remedy))
            return True
        entry = self._entry(block, "lab" if loopback else "estate")
        missing = bool(beyond_private(span)) and not (entry.authorised_by and entry.expires < math.inf)
        try:
            supposed = replace(entry, authorised_by="-", expires=self._now + 1) if missing else entry
            check_entry(supposed, self._now, self._max_targets, wide=self._rules.wide)
        except ScopeError as error:
            remedy = "" if error.remedy == "remove the entry" else error.remedy  # there is none to remove
            self._leave("refused", LeftOut(span, block.voice.provenance, error.reason, remedy))
            return False
        (self._unauthorised if missing else self._taken).append(Proposed(entry, block.voice, single))
        return True

    def _entry(self, block: Block, kind: Kind) -> Entry:
        span, terms, _ = block
        before = self._before.get((span, terms.owner))
        public = bool(beyond_private(span))
        if not public:
            self._refuse_expired(span)
        authorised_by, expires = "", math.inf
        if before is not None and before.expires > self._now:
            authorised_by, expires = before.authorised_by, before.expires
        if public and not (authorised_by and expires < math.inf):
            authorised_by, expires = self._authority(span, terms.owner)
        return Entry(
            span=span,
            text=format_span(span),
            owner=terms.owner,
            contact=terms.contact,
            site=terms.site,
            labels=terms.labels,
            authorised_by=authorised_by,
            expires=expires,
            kind=kind,
            ports=before.ports if before is not None else None,
            # Who asked that an inventory confirm it did not want it asked without.
            inventory=self._rules.inventory or (before.inventory if before is not None else ""),
        )

    def _refuse_expired(self, span: Span) -> None:
        """Private space that somebody let expire is not allowed again for a new owner or in other pieces."""
        for _, before in self._governing.parts(span):
            if before is not None and before.expires <= self._now:
                raise ScopeError(
                    before.source,
                    before.line,
                    f"the entry {before.text} has expired, and the import would allow it without an end",
                    "write a later expires once it is authorised again, or deny it",
                )

    def _authority(self, span: Span, owner: str) -> tuple[str, float]:
        """Who authorised public space, and until when: by an old entry of this owner around it, or now."""
        for part, around in self._authorised.parts(span):
            if part == span and around is not None and around.owner == owner:
                return around.authorised_by, around.expires
        return self._rules.authorised_by, self._rules.expires

    def _place_addresses(self, cover: Governed[Block], containers: Governed[Block]) -> None:
        for found in _pieces(self._gathered.addresses()):
            if isinstance(found, LeftOut):
                self._leave("owners", found)
                continue
            for span, around in cover.parts(found.span):
                if around is not None:
                    self._inside(found._replace(span=span), around)
                    continue
                for part, container in containers.parts(span):
                    terms = inherited(found.terms, container.terms) if container else found.terms
                    self._place(self._filled(found._replace(span=part, terms=terms)), single=True)

    def _inside(self, block: Block, around: Block) -> None:
        """Addresses in a prefix or range: an entry of their own where their owner is another one, or where
        only known addresses are asked."""
        differs = bool(block.terms.owner) and block.terms.owner != around.terms.owner
        if not differs and self._rules.addresses != "all" and is_swept_whole(around.span):
            self._covered += block.span.size
            return
        block = block._replace(terms=inherited(block.terms, around.terms))
        version, first, last = block.span
        if block.span != around.span:
            self._place(block, single=True)
        elif first < last:  # all of a range, which has an entry: in two parts
            self._place(block._replace(span=Span(version, first, first)), single=True)
            self._place(block._replace(span=Span(version, first + 1, last)), single=True)
        elif differs:
            self._leave(
                "owners", _contradiction(block.span, {block.terms: block.voice, around.terms: around.voice})
            )


def _by_address(proposed: Proposed) -> tuple[int, int, int]:
    version, first, last = proposed.entry.span
    return version, first, -last


def _one_owner(many: Mapping[Span, Voices]) -> Iterator[Block | LeftOut]:
    """One block for each span, or what to tell where several owners are named."""
    for span, voices in many.items():
        owners = owners_of(voices)
        if len(owners) > 1:
            yield _contradiction(span, voices)
            continue
        owning = [voice for terms, voice in voices.items() if terms.owner or not owners]
        claims = sum(voice.claims for voice in voices.values())
        yield Block(span, agreed(voices), min(owning)._replace(claims=claims))


def _contradiction(span: Span, voices: Mapping[Terms, Voice]) -> LeftOut:
    said = sorted((terms.owner, voice.provenance) for terms, voice in voices.items() if terms.owner)
    named = " and ".join(f"{owner!r} ({provenance})" for owner, provenance in said[:4])
    return LeftOut(
        span, said[0][1], f"has several owners: {named}", "correct it in the source, or write an entry for it"
    )


_Said = tuple[int, "Terms", str, "Run"]


def _pieces(runs: Iterable[_Said]) -> Iterator[Block | LeftOut]:
    """Runs of single addresses as disjoint blocks; what several sources say of an address is put together."""
    together: list[_Said] = []
    version, last = 0, -1
    for item in sorted(runs, key=lambda item: (item[0], item[3])):
        run = item[3]
        if together and not (item[0] == version and run.first <= last):
            yield from _cut(together)
            together = []
            last = -1
        version, last = item[0], max(last, run.last)
        together.append(item)
    yield from _cut(together)


def _cut(runs: Sequence[_Said]) -> Iterator[Block | LeftOut]:
    """The pieces of runs that overlap in a row."""
    if len(runs) == 1:
        version, terms, owner_by, run = runs[0]
        yield Block(Span(version, run.first, run.last), terms, Voice(run.provenance, owner_by, run.claims))
        return
    edges = sorted({edge for _, _, _, run in runs for edge in (run.first, run.last + 1)})
    active: list[_Said] = []
    at = 0
    for edge, following in pairwise(edges):
        while at < len(runs) and runs[at][3].first <= edge:
            active.append(runs[at])
            at += 1
        active = [item for item in active if item[3].last >= edge]
        voices: Voices = {}
        for _, terms, owner_by, run in active:
            voice = Voice(run.provenance, owner_by, run.claims)
            voices[terms] = min(voice, voices.get(terms, voice))
        yield from _one_owner({Span(active[0][0], edge, following - 1): voices})
