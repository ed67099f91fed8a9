"""`-`: a list on standard input, ours or another scanner's, that names the part of the scope to ask."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from results.text import plural, visible
from scanner.errors import RefusedError
from targets.claims import Claim
from targets.grammar import format_span, parse_endpoint
from targets.planning import Narrowed, narrow_by_claims
from targets.sources.read import read_claims
from targets.sources.text import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from targets.scope import Scope
    from targets.sources.reading import Reading

STANDARD_INPUT = "standard input"


class Listed(NamedTuple):
    """What a list left of a scope, and what its user should know, one line each."""

    scope: Scope
    notices: tuple[str, ...]


def standard_input() -> BinaryIO:
    """Standard input as bytes. Raises RefusedError when somebody would have to type them."""
    if sys.stdin is None or sys.stdin.isatty():
        raise RefusedError("- reads a list from standard input, which is a terminal; pipe one into it")
    return sys.stdin.buffer


def narrow_by_list(scope: Scope, source: str, stream: BinaryIO, targets: Sequence[str] = ()) -> Listed:
    """The part of `scope` (read from `source`) that a list names, and TARGETs from the command line too.

    A list may be older or wider than the scope: what lies outside is counted, told and never probed. One that
    names nothing inside is refused. Raises RefusedError, and ScopeError for a list that cannot be read.
    """
    warnings: list[str] = []
    named = [Claim(*parse_endpoint(text), "the command line") for text in targets]

    reading = read_claims(stream, STANDARD_INPUT, warnings.append)

    def claims() -> Iterator[Claim]:
        yield from named
        yield from reading

    found = narrow_by_claims(scope, claims())
    inside = found.inside - len(named)
    if not inside and not found.outside:
        raise RefusedError(
            f"{STANDARD_INPUT} holds no TARGET: no address, none with an open TCP port"
            f"{''.join(f' ({told})' for told in warnings[:1])}; write one a line, or pipe another scanner's "
            "output into it"
        )
    if not inside:
        raise RefusedError(
            f"{STANDARD_INPUT} names nothing in the scope of {source}: {_all(found.outside)} outside, "
            f"such as {_example(found, 0)}; allow it there first, or name another list"
        )
    return Listed(found.scope, (*warnings, *_recognised(reading), *_outside(found, source)))


def _recognised(reading: Reading) -> Iterator[str]:
    """Which format a list was taken for, and how much of it is lost; none of a plain one without faults."""
    if reading.format == PLAIN and not reading.unusable:
        return
    count = plural(reading.unusable, "line or record", "lines or records")
    lost = f"; {count} of it cannot be used" if reading.unusable else ""
    yield f"{STANDARD_INPUT} is read as {visible(str(reading.format), 100)}{lost}"


def _outside(found: Narrowed, source: str) -> Iterator[str]:
    if not found.outside:
        return
    total = found.inside + found.outside
    lie = "lies" if found.outside == 1 else "lie"
    yield (
        f"{found.outside:,} of {total:,} listed targets {lie} outside the scope of {source} and "
        f"{'is' if found.outside == 1 else 'are'} not asked:"
    )
    for number in range(len(found.examples)):
        yield f"  {_example(found, number)}"
    if found.outside > len(found.examples):
        yield f"  and {found.outside - len(found.examples):,} more"


def _example(found: Narrowed, number: int) -> str:
    claim, why = found.examples[number]
    span = format_span(claim.span)
    port = f" port {claim.port}" if claim.port is not None else ""
    return visible(f"{span}{port} ({claim.provenance}): {why}", 300)


def _all(count: int) -> str:
    return "the one it lists lies" if count == 1 else f"all {count:,} it lists lie"
