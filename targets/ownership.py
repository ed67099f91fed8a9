"""Whether registrations prove that addresses are ours: their registrant is one of our own handles.

Handles are compared, never names: anybody can register a name like ours. Private, shared and unique-local
space has no registrant and cannot be proven so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from targets.grammar import Span, format_span
from targets.ranges import merge, subtract
from targets.rdap import Holding, NoRegistrationError, RdapError
from targets.special import TABLE, overlaps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

MOST_PARTS = 32  # registrations of one prefix that are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whether addresses are proven ours, the sentence that says by what, and the registrations behind it."""

    proven: bool
    detail: str
    holdings: tuple[Holding, ...]


def public_parts(span: Span) -> list[Span]:
    """The parts of `span` that a registry can say something of."""
    special = merge((row.span.first, row.span.last) for row in TABLE if row.span.version == span.version)
    return [Span(span.version, *part) for part in subtract([(span.first, span.last)], special)]


def why_unprovable(span: Span) -> str:
    """Why no registry can prove a span without public parts ours."""
    names = dict.fromkeys(f"{row.name} ({row.source})" for row in reversed(overlaps(span)))
    return f"{', '.join(names)}, which a registry cannot prove ours"


async def find_proof(
    span: Span, ask: Callable[[Span], Awaitable[Holding]], own_handles: Collection[str]
) -> Proof:
    """Ask what a judgement of `span` needs. `ask` gives the registration of the smallest network that holds a
    prefix or an address; it raises RdapError, and so does this.

    A prefix is asked for as a whole first. Where that is not ours it may be the parent of several that are,
    so its addresses are walked: the network at the first, then the one behind that, and so on. The walk ends
    at the first that is not ours.
    """
    if _is_prefix(span):
        try:
            whole = await ask(span)
        except NoRegistrationError:  # of the whole; there may be some of its parts
            whole = None
        if whole is not None and (_covers(whole, span) and _own(whole, own_handles)):
            return judge(span, [whole], own_handles)
    holdings: list[Holding] = []
    position = span.first
    while position <= span.last:
        if len(holdings) == MOST_PARTS:
            raise RdapError(
                f"{format_span(span)} reaches over more than {MOST_PARTS} registrations; "
                "write narrower prefixes in the allow-list"
            )
        found = await ask(Span(span.version, position, position))
        holdings.append(found)
        if not _own(found, own_handles):
            break
        position = found.span.last + 1
    return judge(span, holdings, own_handles)


def judge(span: Span, holdings: Sequence[Holding], own_handles: Collection[str]) -> Proof:
    """Whether registrations prove `span` ours: they cover all of it, and each has a registrant of ours."""
    text = format_span(span)
    foreign = next((each for each in holdings if not _own(each, own_handles)), None)
    spans = [(each.span.first, each.span.last) for each in holdings if each.span.version == span.version]
    beyond = subtract([(span.first, span.last)], merge(spans))
    if foreign is not None:
        network = f"{format_span(foreign.span)} ({foreign.handle})"
        detail = f"{network} is registered to {_whom(foreign, own_handles)}"
    elif beyond:
        detail = (
            f"{format_span(Span(span.version, *beyond[0]))} of {text} is in no registration that was told"
        )
    elif len(holdings) == 1:
        (held,) = holdings
        where = f"{format_span(held.span)} ({held.handle})"
        detail = f"inside {where}, registered to {_own(held, own_handles)[0]}"
    else:
        whose = dict.fromkeys(_own(each, own_handles)[0] for each in holdings)
        detail = f"inside {len(holdings)} registrations, to {', '.join(whose)}"
    return Proof(proven=foreign is None and not beyond, detail=detail, holdings=tuple(holdings))


def _whom(holding: Holding, own_handles: Collection[str]) -> str:
    """Whom a network is registered to that is not ours, and what may be behind that."""
    registrants = [entity for entity in holding.entities if "registrant" in entity.roles]
    if not registrants:
        return "nobody: the answer names no registrant of the network itself"
    for entity in registrants:
        for own in own_handles:
            if own.lower() == entity.handle.lower():
                return f"{entity.handle}, and [ownership] handles has {own}: write it as the registry does"
    names = [f"{entity.handle or '(no handle)'} {entity.name}".strip() for entity in registrants[:3]]
    return f"{', '.join(names)}, not to us"


def _own(holding: Holding, own_handles: Collection[str]) -> list[str]:
    return [handle for handle in holding.registrants if handle and handle in own_handles]


def _covers(holding: Holding, span: Span) -> bool:
    return holding.span.first <= span.first and span.last <= holding.span.last


def _is_prefix(span: Span) -> bool:
    """Whether a span of several addresses is one CIDR."""
    return "/" in format_span(span)
