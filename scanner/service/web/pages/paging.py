"""Lists that are cut into pages by `?page=N`: for what is in memory anyway and does not grow without end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

T = TypeVar("T")
SIZE = 100  # rows


class Cut(NamedTuple, Generic[T]):
    """One page: rows `first` to `last` (from 1) of `total`. `back` and `on` are addresses, "" for none."""

    rows: Sequence[T]
    first: int
    last: int
    total: int
    back: str
    on: str


def page_of(rows: Sequence[T], request: web.Request, size: int = SIZE) -> Cut[T]:
    """The page that a request wants, the first one where it says nothing usable."""
    text = request.query.get("page", "1")
    asked = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
    last_page = max(1, -(-len(rows) // size))
    number = min(max(asked, 1), last_page)
    begin = (number - 1) * size
    shown = rows[begin : begin + size]
    return Cut(
        rows=shown,
        first=begin + 1 if shown else 0,
        last=begin + len(shown),
        total=len(rows),
        back=_address(request, number - 1) if number > 1 else "",
        on=_address(request, number + 1) if number < last_page else "",
    )


def _address(request: web.Request, number: int) -> str:
    """The same address with another page; its other parameters were parsed, and are written anew."""
    return str(request.rel_url.update_query(page=str(number)))
