"""What reporters have in common: what they found, and what a reply to them names.

A reporter is whoever looks at networks from outside and tells their owners. Nothing of what one says is
believed here: texts are capped and lose what cannot be printed, times that are none are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.grammar import GrammarError, parse_address, parse_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from targets.claims import Claim
    from targets.grammar import Span

MAX_FINDING: Final = 300  # characters
MAX_LABEL: Final = 120
LISTED: Final = 8  # databases that a finding names; the others are counted
_MAX_NAME: Final = 64  # of a database: MongoDB's own limit is near


def plain(value: object, longest: int = MAX_LABEL) -> str:
    """A value as one line of at most `longest` characters that can be printed; "" for none."""
    if isinstance(value, str) and len(value) <= longest and value.isprintable() and "  " not in value:
        return value.strip(" ")  # nearly every one
    if value is None or isinstance(value, (dict, list, bool)):
        return ""
    text = " ".join(str(value)[: 4 * longest].split())
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def labels(**values: object) -> tuple[tuple[str, str], ...]:
    """Labels of a claim, sorted, without those that say nothing."""
    told = ((key, plain(value)) for key, value in sorted(values.items()))
    return tuple((key, text) for key, text in told if text)


def mongodb(
    state: str, version: object = "", databases: Iterable[object] | None = None, more: str = ""
) -> str:
    """A finding: "open MongoDB 4.0.3, databases: a, b". `state` is "open" where the reporter read something
    without a password, "" where it only heard MongoDB. `databases` None: it does not say which."""
    told = f"{state} MongoDB {plain(version, _MAX_NAME)}".strip()
    if databases is not None:
        names = [name for name in (plain(each, _MAX_NAME) for each in databases) if name]
        rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        told += f", databases: {', '.join(names[:LISTED])}{rest}" if names else ", no database visible"
    return plain(f"{told}, {more}" if more else told, MAX_FINDING)


def address_of(value: object) -> Span:
    """The one address of a cell or field. Raises GrammarError."""
    if value is None or value == "":
        raise GrammarError("names no address", "correct it, or leave it out")
    if not isinstance(value, str):
        raise GrammarError(f"has an address that is a {type(value).__name__}", "write it in quotes")
    return parse_address(value)


def port_of(value: object) -> int | None:
    """The port of a cell or field; None where it says none. Raises GrammarError."""
    if value is None or value in ("", "0") or (value == 0 and not isinstance(value, bool)):
        return None
    return parse_port(str(value)[:24] if isinstance(value, (str, int)) else type(value).__name__)


def is_tcp(value: object) -> bool:
    """Whether a protocol is TCP, or not told; LeakIX lists what lies on each other."""
    if isinstance(value, list):
        return not value or any(is_tcp(each) for each in value if each)
    return value is None or str(value).lower() in ("", "tcp", "6")


def each_of(items: Iterable[Any], read: Callable[[Any], Iterator[Claim]], what: str) -> Iterator[Claim]:
    """The claims of all items of a list inside a record: one that cannot be used costs no other.

    Raises GrammarError behind the last one, for the first that cannot be used, with its place in the list.
    """
    first: GrammarError | None = None
    bad = total = 0
    for number, item in enumerate(items, 1):
        total = number
        try:
            yield from read(item)
        except GrammarError as error:
            bad += 1
            first = first or GrammarError(f"{what} {number} {error.reason}", error.remedy)
    if first is not None:
        rest = f" ({bad} of {total} cannot be used)" if bad > 1 else ""
        raise GrammarError(f"{first.reason}{rest}", first.remedy)
