"""The small words of an exposure: a code, a place, names, a span of time, what grew, what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.codes import clause, methods, sentence
from results.record import Reason
from results.text import address, at_least, at_most, human_bytes, minute, plural, visible
from results.verdict import INTERNET, MEANING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.tracked import Grown, Lost, Place, TrackedExposure

MOST_NAMES = 10
_NAME = 60
_VERDICTS = {verdict.value: meaning.sentence for verdict, meaning in MEANING.items()}


def how(code: str) -> str:
    """The code of a bound, a proof or a method as a clause. One that is not known stands for itself."""
    known = clause(code, "ledger")
    if known is None and code in _VERDICTS:
        known = _clause_of(_VERDICTS[code])
    if known is None and code in methods():
        known = _clause_of(methods()[code].proves)
    return visible(known or sentence(Reason(code=code)), 200)


def _clause_of(text: str) -> str:
    return text[0].lower() + text[1:].rstrip(".")


def reasons_in(reasons: Sequence[Reason]) -> str:
    """Reasons as one clause; "" for none."""
    said = []
    for reason in reasons[:MOST_NAMES]:
        known = clause(reason.code, "ledger")
        text = sentence(reason) if known is None else f"{known}: {reason.detail}" if reason.detail else known
        said.append(visible(text, 200))
    return "; ".join(said)


SEEN_ONCE = "seen once"


def names_in(names: Sequence[str], count: int | None = None) -> str:
    """Names, made visible, at most ten; and how many more there are, `count` in all if that is more."""
    shown = [visible(name, _NAME) for name in names[:MOST_NAMES]]
    more = max(count or 0, len(names)) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def place_words(place: Place) -> str:
    """`192.0.2.1:27017 at the site paris`."""
    site = f" at the site {visible(place.site, _NAME)}" if place.site else ""
    return address(place.ip, place.port) + site


def vantage_words(vantage: str) -> str:
    """`the internet`, or the name that the runs gave it."""
    return f"the {INTERNET}" if vantage == INTERNET else visible(vantage, 40)


def reach_words(exposure: TrackedExposure) -> str:
    """From where it is open in a cell: `internet`, `office only`, `some vantages`; "" where that is not
    known."""
    if exposure.reach == "one_vantage":
        return f"{visible(exposure.open_from[0], 40)} only" if exposure.open_from else ""
    return _REACHES.get(exposure.reach, "")


_REACHES = {"internet": INTERNET, "all_vantages": "all vantages", "differs": "some vantages"}


def times(count: int) -> str:
    """`once`, `twice`, `13 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def span(least: int | None, most: int | None) -> str:
    """A duration with both bounds: `for at least 31 days, at most 38 days`; "" where nothing bounds it, as
    after a single look."""
    if not least:
        return f"for at most {at_most(most)}" if most is not None else ""
    if most is None:
        return f"for at least {at_least(least)}"
    return f"for at least {at_least(least)}, at most {at_most(most)}"


def compact_span(least: int | None, most: int | None) -> str:
    """A duration with both bounds in a cell: `31-38 days`, `31+ days`, `seen once`; "" where nothing bounds
    it."""
    if least is None:
        return ""
    if most is None and not least:
        return SEEN_ONCE
    if most is None:
        number, noun = at_least(least).split(" ")
        return f"{number}+ {noun}"
    (low, unit), (high, other) = at_least(least).split(" "), at_most(most).split(" ")
    if low == high and unit == other:
        return f"{low} {unit}"
    return (
        f"{low}-{high} {other}" if unit.rstrip("s") == other.rstrip("s") else f"{low} {unit} - {high} {other}"
    )


def bounds(after: str, at: str) -> str:
    """When something happened, by the looks around it: `between ... and ...`."""
    if not after:
        return f"before {minute(at)}"
    return f"between {minute(after)} and {minute(at)}"


def grown_in(grown: Grown | None) -> str:
    """What differs between two looks: `1,204 documents more, 3.1 MB more`; "" where nothing was told."""
    if grown is None:
        return ""
    said = [
        f"{plural(abs(count), noun)} {'more' if count > 0 else 'fewer'}"
        for count, noun in (
            (grown.documents, "document"),
            (grown.databases, "database"),
            (grown.collections, "collection"),
        )
        if count
    ]
    if grown.bytes:
        said.append(f"{human_bytes(abs(grown.bytes))} {'more' if grown.bytes > 0 else 'less'}")
    counted = [
        f"{plural(count, 'document')} {verb}"
        for count, verb in (
            (grown.inserted, "inserted"),
            (grown.updated, "updated"),
            (grown.deleted, "deleted"),
        )
        if count
    ]
    if counted:
        said.append(f"{', '.join(counted)} by the server's own counters")
    return ", ".join(said)


def lost_in(lost: Lost | None, *, summed: bool = False) -> str:
    """What is there no more: `2 databases (a, b), 7 collections, 9 documents, 60.0 GB`; "" for nothing.

    `summed`: over several times, so that one name may have been lost more than once.
    """
    if lost is None:
        return ""
    said: list[str] = []
    count = max(lost.database_count, len(lost.databases))
    if count:
        named = f" ({names_in(lost.databases, 0 if summed else count)})" if lost.databases else ""
        said.append(plural(count, "database") + named)
    if lost.collection_count:
        said.append(plural(lost.collection_count, "collection"))
    if lost.documents:
        said.append(plural(lost.documents, "document"))
    if lost.bytes:
        said.append(human_bytes(lost.bytes))
    return ", ".join(said)
