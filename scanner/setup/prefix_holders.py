"""Who holds the public prefixes of a scope, asked of an RDAP server: the work of `plan --ownership`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from scanner.errors import RefusedError
from targets.grammar import Span, format_span
from targets.ownership import Rdap, RdapError, prove
from targets.special import Policy, overlaps

if TYPE_CHECKING:
    from scanner.setup.settings import Ownership
    from targets.scope import Scope

MOST_QUESTIONS = 200  # registries ask for moderation; a scope of more public prefixes is asked in parts


@dataclass(frozen=True, slots=True)
class Holder:
    """What a registry says of one public entry of the allow-list."""

    prefix: str
    proven: bool
    detail: str

    def __str__(self) -> str:
        return f"{'proven' if self.proven else 'NOT PROVEN'}: {self.detail}"


def look_up(scope: Scope, ownership: Ownership) -> list[Holder]:
    """Ask for every public allow entry. Raises RefusedError when nothing says whom to ask."""
    if not ownership.rdap or not ownership.handles:
        raise RefusedError(
            'nothing says whom to ask; write rdap = "https://…" and handles = ["…"] in [ownership]'
        )
    spans = list(dict.fromkeys(entry.span for entry in scope.entries if _is_public(entry.span)))
    if len(spans) > MOST_QUESTIONS:
        raise RefusedError(
            f"{len(spans)} public entries are more than the {MOST_QUESTIONS} that one run asks for; "
            "name a part of the scope as TARGET"
        )
    return asyncio.run(_ask(spans, ownership))


def _is_public(span: Span) -> bool:
    return not any(row.policy in (Policy.PRIVATE, Policy.LAB) for row in overlaps(span))


async def _ask(spans: list[Span], ownership: Ownership) -> list[Holder]:
    found = []
    async with aiohttp.ClientSession() as session:
        try:
            rdap = Rdap(session, ownership.rdap, allowed_hosts=ownership.hosts)
        except RdapError as error:
            raise RefusedError(f"[ownership] rdap: {error}") from None
        for span in spans:
            try:
                proof = prove(span, await rdap.holding(span), ownership.handles)
            except RdapError as error:
                found.append(Holder(format_span(span), False, f"{format_span(span)}: {error}"))
            else:
                found.append(Holder(format_span(span), proof.proven, proof.detail))
    return found
