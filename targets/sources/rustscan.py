"""RustScan's lines for grep (`--greppable`), its only output for programs.

Format: RustScan src/main.rs, which writes no JSON. Its screen is for people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from targets.claims import Claim
from targets.grammar import parse_address, parse_port
from targets.sources.shapes import LineShape

if TYPE_CHECKING:
    from collections.abc import Iterator


def _read(found: re.Match[str], place: str) -> Iterator[Claim]:
    span = parse_address(found[1])
    for port in filter(None, found[2].split(",")):
        yield Claim(span, parse_port(port), place)


LINES: Final = LineShape("RustScan", re.compile(r"(\S+) -> \[([0-9,]*)\]\Z"), _read)
