"""Which exposures a page shows, in which order, and which part of them: read from its address and written
back into the addresses of its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import asdict, replace

from results.text import visible
from results.verdict import Severity
from scanner.service.view.search import Order, Search, found
from scanner.service.web.derived import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from results.ledger.tracked import ReachWord, TrackedExposure
    from scanner.service.view.snapshot import Snapshot

ON_A_PAGE = 50
LONGEST_SEARCH = 200  # characters

VIEWS: dict[str, tuple[str, Callable[[TrackedExposure], bool]]] = {
    "open": ("Not closed", lambda each: each.is_open),
    "overdue": ("Overdue", lambda each: each.overdue),
    "new": ("New or reopened", lambda each: each.state in ("new", "reopened")),
    "unreachable": ("Unreachable", lambda each: each.state == "unreachable"),
    "accepted": ("Accepted", lambda each: each.state == "accepted"),
    "closed": ("Proved closed", lambda each: each.state == "closed"),
    "all": ("All", lambda _: True),
}
"""By their word in an address: what a view is called, and what it takes."""

SORTS: dict[str, tuple[str, Order]] = {
    "where": ("up", "place"),
    "owner": ("up", "owner"),
    "state": ("up", "state"),
    "size": ("down", "bytes"),
    "open": ("up", "first_seen_open"),
    "due": ("up", "due_at"),
}
"""By their word in an address: which way is meant first, and by what it sorts. Else gravity decides."""


REACHES: dict[str, str] = {
    "internet": "the internet",
    "all_vantages": "every vantage",
    "differs": "some vantages",
    "one_vantage": "one vantage only",
    "unknown": "not known",
}
"""By their word in an address: from where an exposure is open."""


class BadSelectionError(ValueError):
    """An address that no link of ours has; the message says what to write instead."""


class Selection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked for; every field is its word in an address. `severity`: at least as grave. `way` is `up`
    or `down`, "" the way that is meant first. `page` counts from 1."""

    q: str = ""
    view: str = "open"
    severity: str = ""
    owner: str = ""
    site: str = ""
    reach: str = ""
    sort: str = ""
    way: str = ""
    page: int = 1

    def link(self, **changes: object) -> str:
        """The query of an address with these changes, such as `?view=closed`; the first page of it."""
        changed = replace(self, **{"page": 1, **changes})
        given = {key: value for key, value in asdict(changed).items() if value != getattr(_PLAIN, key)}
        return f"?{urlencode(given, errors='replace')}"

    def sorted_by(self, sort: str) -> str:
        """The query that sorts by a column, the other way where it does already."""
        first = SORTS[sort][0]
        if self.sort != sort:
            return self.link(sort=sort, way="")
        now = self.way or first
        return self.link(sort=sort, way="up" if now == "down" else "down")

    def direction(self, sort: str) -> str:
        """What a column says of itself to a screen reader (`aria-sort`)."""
        if self.sort != sort:
            return "none"
        return "ascending" if (self.way or SORTS[sort][0]) == "up" else "descending"

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out beside the view."""
        return bool(self.q or self.severity or self.owner or self.site or self.reach)


_PLAIN = Selection()


class Found(NamedTuple):
    """`rows` are on this page, number `first` to `last` of `total`. `counts`: by view, with the same
    search."""

    rows: list[TrackedExposure]
    first: int
    last: int
    total: int
    page: int
    pages: int
    counts: dict[str, int]


def read_selection(query: Mapping[str, str]) -> Selection:
    """What an address asks for. Raises `BadSelectionError`."""
    given = {key: query[key] for key in Selection.__struct_fields__ if key in query}
    _one_of("view", given, VIEWS)
    _one_of("sort", given, ["", *SORTS])
    _one_of("way", given, ["", "up", "down"])
    _one_of("severity", given, ["", *(each.value for each in Severity)])
    _one_of("reach", given, ["", *REACHES])
    if len(given.get("q", "")) > LONGEST_SEARCH:
        raise BadSelectionError(f"q is too long to search for; write {LONGEST_SEARCH} characters at most.")
    page = given.pop("page", "1")
    if not (page.isascii() and page.isdigit() and int(page[:9]) > 0 and len(page) < 9):
        raise BadSelectionError(f"page is {visible(page, 40)}; write a number from 1 on.")
    return Selection(**given, page=int(page))


def _one_of(name: str, given: Mapping[str, str], words: Iterable[str]) -> None:
    words = list(words)
    if name in given and given[name] not in words:
        allowed = ", ".join(word for word in words if word)
        raise BadSelectionError(f"{name} is {visible(given[name], 40)}; write one of {allowed}.")


def select(snapshot: Snapshot, selection: Selection) -> Found:
    """The exposures of one page."""
    everything = found(_search(selection), snapshot)
    counts = {name: sum(map(takes, everything)) for name, (_, takes) in VIEWS.items()}
    takes = VIEWS[selection.view][1]
    chosen = [each for each in everything if takes(each)]
    pages = max(1, -(-len(chosen) // ON_A_PAGE))
    page = min(selection.page, pages)
    begin = (page - 1) * ON_A_PAGE
    rows = chosen[begin : begin + ON_A_PAGE]
    return Found(rows, begin + bool(rows), begin + len(rows), len(chosen), page, pages, counts)


def _search(selection: Selection) -> Search:
    """The same without the view."""
    first, order = SORTS.get(selection.sort, ("up", "gravity"))
    return Search(
        q=selection.q,
        severity=Severity(selection.severity) if selection.severity else None,
        owner=() if not selection.owner else ("" if selection.owner == NOBODY else selection.owner,),
        site=(selection.site,) if selection.site else (),
        reach=(cast("ReachWord", selection.reach),) if selection.reach else (),
        sort=order,
        descending=(selection.way or first) == "down",
    )
