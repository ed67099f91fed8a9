"""A claim: somebody's word that something is at an address. It can narrow a scope and never widen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from targets.grammar import Span

MAX_NAMES: Final = 8  # of one address, in one list


class Claim(NamedTuple):
    """Addresses worth asking, as a list or another scanner names them."""

    span: Span
    port: int | None  # None: on every port of the scope
    provenance: str  # where it stands: file:line, or the file and the host in it
    names: tuple[str, ...] = ()  # of the host; labels that nothing looks up, at most MAX_NAMES
