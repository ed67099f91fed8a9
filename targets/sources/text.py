"""Plain lists and stdin: one address, CIDR, range or `address:port` a line, `#` begins a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.claims import Claim
from targets.errors import ScopeError
from targets.grammar import GrammarError, parse_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def read_plain(lines: Iterable[tuple[int, str, bool]], name: str) -> Iterator[Claim]:
    """The claims of a plain list. Raises ScopeError at the first line that is none."""
    for number, line, _ in lines:
        item = line.partition("#")[0].strip(" \t")
        if not item:
            continue
        try:
            span, port = parse_endpoint(item)
        except GrammarError as error:
            raise ScopeError(name, number, error.reason, error.remedy) from None
        yield Claim(span, port, f"{name}:{number}")
