"""A claim: somebody's word that something is at an address, and whose it is. It never widens a scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from targets.grammar import Span

MAX_NAMES: Final = 8  # of one address, in one list

SpanKind = Literal["", "address", "range", "prefix", "container"]
"""What a source calls a run of addresses; a container only holds others. "": it does not say."""


class Said(NamedTuple):
    """What a source says of addresses, beside that they are there. Texts as it wrote them, "" for none."""

    kind: SpanKind = ""
    owner: str = ""
    owner_by: str = ""  # the field that named the owner, such as "tenant" or "custom field team"
    contact: str = ""
    site: str = ""
    labels: tuple[tuple[str, str], ...] = ()  # sorted by key
    vrf: str = ""  # the routing table, where it keeps several: equal addresses in two are two networks
    status: str = ""  # in the source's words, small letters: "active", "reserved", "deprecated"
    seen_at: str = ""  # when a reporter saw it, in RFC 3339 UTC
    finding: str = ""  # what a reporter says was open there, in a few words


NOTHING_SAID: Final = Said()


class Claim(NamedTuple):
    """Addresses worth asking, as a list or another scanner names them."""

    span: Span
    port: int | None  # None: on every port of the scope
    provenance: str  # where it stands: file:line, or the file and the host in it, or netbox:prefix/1234
    names: tuple[str, ...] = ()  # of the host; labels that nothing looks up, at most MAX_NAMES
    said: Said = NOTHING_SAID
