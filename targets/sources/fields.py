"""What fields of JSON say: text, a number, an object, a list or nothing, whatever was promised of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.grammar import BITS, GrammarError, Span, format_address, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_TEXT: Final = 256  # characters of an owner, a site, a label
MAX_LABELS: Final = 32  # of one claim
# How people name the fields of a table of their own, the most telling first.
OWNERS: Final = ("owner", "team", "department", "responsible")
CONTACTS: Final = ("contact", "security contact", "email", "e-mail", "mail")
SITES: Final = ("site", "location", "datacenter", "datacentre")
_NAMES = ("name", "display", "label", "value", "email")  # of an object, the one that people know first
_DEEP = 3  # objects in lists in objects


def text_of(value: Any, depth: int = 0) -> str:
    """The text of a field in one line, at most MAX_TEXT; of an object its name, of a list its texts with
    commas between them, and "" for nothing."""
    if isinstance(value, str):
        return " ".join(value.split())[:MAX_TEXT]
    if value is None or depth > _DEEP:
        return ""
    if isinstance(value, dict):
        return next((text for name in _NAMES if (text := text_of(value.get(name), depth + 1))), "")
    if isinstance(value, list):
        return ", ".join(text for item in value[:MAX_LABELS] if (text := text_of(item, depth + 1)))[:MAX_TEXT]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_TEXT]


def table(value: object) -> Mapping[str, Any]:
    """A value that should be an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def tables(value: object) -> list[Mapping[str, Any]]:
    """The objects of a value that should be a list of them; none for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def items(value: object) -> list[Any]:
    """A value that should be a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def labels_of(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Pairs as labels: those with a key and a text, the first of each key, sorted, at most MAX_LABELS."""
    found: dict[str, str] = {}
    for key, text in pairs:
        if key and text and len(found) < MAX_LABELS:
            found.setdefault(key[:MAX_TEXT], text[:MAX_TEXT])
    return tuple(sorted(found.items()))


def between(first: object, last: object) -> Span:
    """The addresses from one to another. Raises GrammarError."""
    begin, end = parse_address(first), parse_address(last)  # type: ignore[arg-type]  # it refuses what is no text
    if begin.version != end.version or begin.first > end.first:
        raise GrammarError(f"{first!r} to {last!r} is no range", "write its first and its last address")
    return Span(begin.version, begin.first, end.first)


def network_of(address: object, mask: str) -> Span:
    """The network of an address with a mask, as length ("24") or as text ("255.255.255.0"). Raises
    GrammarError, also for an address that is not the network's first."""
    start = parse_address(address)  # type: ignore[arg-type]  # as above
    bits = BITS[start.version]
    length = int(mask) if mask.isascii() and mask.isdigit() and len(mask) <= 3 else _length(mask, bits)
    if not 0 <= length <= bits:
        raise GrammarError(f"{mask!r} is no netmask", "write its length, such as 24, or 255.255.255.0")
    size = 1 << (bits - length)
    if start.first % size:
        network = f"{format_address(start.version, start.first & ~(size - 1))}/{length}"
        raise GrammarError(f"'{address}/{length}' has host bits set", f"write {network} for the network")
    return Span(start.version, start.first, start.first + size - 1)


def _length(mask: str, bits: int) -> int:
    """The length of a mask of IPv4 that is written as an address; -1 for none."""
    if bits != BITS[4] or "." not in mask:
        return -1
    hosts = parse_address(mask).first ^ ((1 << bits) - 1)
    return bits - hosts.bit_length() if hosts & (hosts + 1) == 0 else -1
