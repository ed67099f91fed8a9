"""Which exposures a page or a program asks for, in which order, and the next of them behind one: filters, a
search for text, and pages by key.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from results.ledger.choose import is_seen_from
from results.ledger.tracked import ReachWord, State
from results.verdict import Severity
from scanner.service.view.snapshot import gravity, place_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from results.ledger.tracked import TrackedExposure
    from scanner.service.view.snapshot import Snapshot

Order = Literal[
    "gravity",
    "severity",
    "state",
    "owner",
    "place",
    "first_seen_open",
    "last_seen_open",
    "due_at",
    "bytes",
    "documents",
]
MOST: Final = 1000
_Text = Annotated[str, Meta(max_length=200)]


class Search(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for: all that holds of what is not empty. The parameters of an address, too."""

    state: Annotated[tuple[State, ...], Meta(description="any of these states")] = ()
    open: Annotated[bool | None, Meta(description="true: without proof of closure; false: proved closed")] = (
        None
    )
    owner: Annotated[
        tuple[_Text, ...],
        Meta(description="owners by their whole name; empty: no owner", examples=[["web platform"]]),
    ] = ()
    site: Annotated[
        tuple[_Text, ...], Meta(description="sites by their name; empty: no site", examples=[["paris"]])
    ] = ()
    severity: Annotated[Severity | None, Meta(description="at least as grave")] = None
    vantage: Annotated[
        _Text | None, Meta(description="it is open from there, or may be", examples=["internet"])
    ] = None
    reach: Annotated[
        tuple[ReachWord, ...],
        Meta(description="open from there, by any of these words", examples=[["internet"]]),
    ] = ()
    overdue: Annotated[bool | None, Meta(description="whether its deadline is over")] = None
    q: Annotated[
        _Text,
        Meta(
            description="text in an address, host name, owner, site, product, version, database or id, in "
            "any case; of several words each",
            examples=["10.20.1."],
        ),
    ] = ""
    sort: Annotated[Order, Meta(description="the order; `gravity` is what must be acted on first")] = (
        "gravity"
    )
    descending: Annotated[bool, Meta(description="the other way round")] = False


class Page(NamedTuple):
    """Some of what was found: of `total`, those behind a cursor. `next` is the cursor behind them, "" where
    they are the last."""

    exposures: list[TrackedExposure]
    total: int
    next: str


class CursorError(ValueError):
    """It was not made by a page of this search."""


def found(search: Search, snapshot: Snapshot) -> list[TrackedExposure]:
    """Everything that is asked for, in order."""
    tests = list(_tests(search, snapshot))
    taken = [each for each in snapshot.exposures if all(test(each) for test in tests)]
    if search.sort == "gravity":
        return taken[::-1] if search.descending else taken
    return sorted(taken, key=_sort_key(search), reverse=search.descending)


def page(search: Search, snapshot: Snapshot, limit: int, after: str = "") -> Page:
    """The next of it behind a cursor, at most `limit`. Raises `CursorError`."""
    everything = found(search, snapshot)
    begin = _behind(search, everything, after) if after else 0
    some = everything[begin : begin + limit]
    more = begin + limit < len(everything)
    return Page(some, len(everything), _cursor(search, some[-1]) if more else "")


def _tests(search: Search, snapshot: Snapshot) -> list[Callable[[TrackedExposure], bool]]:
    tests: list[Callable[[TrackedExposure], bool]] = []
    if search.state:
        states = frozenset(search.state)
        tests.append(lambda each: each.state in states)
    if search.open is not None:
        tests.append(lambda each: each.is_open == search.open)
    if search.owner:
        owners = frozenset(search.owner)
        tests.append(lambda each: each.owner.owner in owners)
    if search.site:
        sites = frozenset(search.site)
        tests.append(lambda each: each.place.site in sites)
    if (severity := search.severity) is not None:
        tests.append(lambda each: each.severity.rank <= severity.rank)
    if search.overdue is not None:
        tests.append(lambda each: each.overdue == search.overdue)
    if (vantage := search.vantage) is not None:
        tests.append(lambda each: is_seen_from(each, vantage))
    if search.reach:
        reaches = frozenset(search.reach)
        tests.append(lambda each: each.reach in reaches)
    if parts := search.q.casefold().split():
        tests.append(lambda each: all(part in snapshot.words(each) for part in parts))
    return tests


_Key = str | int
_KEYS: Final[dict[str, Callable[[TrackedExposure], _Key]]] = {
    "severity": lambda each: each.severity.rank,
    "state": lambda each: each.state,
    "owner": lambda each: each.owner.owner.casefold(),
    "place": place_key,
    "first_seen_open": lambda each: each.first_seen_open,
    "last_seen_open": lambda each: each.last_seen_open,
    "due_at": lambda each: each.due_at or "~",  # behind every time
    "bytes": lambda each: each.bytes or 0,
    "documents": lambda each: each.documents or 0,
}


class _Cursor(Struct, frozen=True, array_like=True):
    sort: Order
    descending: bool
    key: list[_Key]


def _cursor(search: Search, last: TrackedExposure) -> str:
    made = _Cursor(search.sort, search.descending, list(_sort_key(search)(last)))
    return base64.urlsafe_b64encode(msgspec.json.encode(made)).decode().rstrip("=")


def _behind(search: Search, everything: Sequence[TrackedExposure], after: str) -> int:
    """How many stand before what comes next; also where the one that the cursor names is gone."""
    try:
        data = base64.b64decode(
            after.encode("ascii") + b"=" * (-len(after) % 4), altchars=b"-_", validate=True
        )
        cursor = msgspec.json.decode(data, type=_Cursor)
    except (binascii.Error, UnicodeError, msgspec.MsgspecError) as error:
        raise CursorError(str(error)) from error
    if (cursor.sort, cursor.descending) != (search.sort, search.descending):
        raise CursorError("it belongs to another order")
    try:
        return _count_before(everything, _sort_key(search), tuple(cursor.key), search.descending)
    except TypeError as error:  # it compares texts with numbers
        raise CursorError("its key is of another kind") from error


def _sort_key(search: Search) -> Callable[[TrackedExposure], tuple[_Key, ...]]:
    if search.sort == "gravity":
        return gravity
    one = _KEYS[search.sort]
    return lambda each: (one(each), each.exposure_id)


def _count_before(
    everything: Sequence[TrackedExposure],
    key: Callable[[TrackedExposure], tuple[_Key, ...]],
    mark: tuple[_Key, ...],
    descending: bool,
) -> int:
    low, high = 0, len(everything)
    while low < high:
        middle = (low + high) // 2
        here = key(everything[middle])
        before = here >= mark if descending else here <= mark
        low, high = (middle + 1, high) if before else (low, middle)
    return low
