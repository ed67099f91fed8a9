"""Which exposures a page shows: read from an address, written back into links, counted by view."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.verdict import Severity
from scanner.service.web.selection import (
    ON_A_PAGE,
    SORTS,
    VIEWS,
    BadSelectionError,
    Selection,
    read_selection,
    select,
)
from tests.support.exposures import SHOP, WEB, exposure
from tests.support.page_app import snapshot_of

CLOSED = exposure(
    "10.20.1.4", state="closed", closed_before="2026-03-08T09:00:00.000Z", closed_how="refused-twice"
)
ONES = [
    exposure("10.20.1.9", bytes=5),
    exposure("10.20.1.10", bytes=9, severity=Severity.HIGH, owner=SHOP, overdue=True),
    exposure(
        "10.20.1.2", bytes=None, severity=Severity.LOW, state="unreachable", hostnames=["old.example.com"]
    ),
    exposure("2001:db8::5", bytes=7, severity=Severity.LOW, state="new", owner=WEB, reach="internet"),
    CLOSED,
]
SNAPSHOT = snapshot_of(ONES)


def shown(**given: object) -> list[str]:
    return [each.place.ip for each in select(SNAPSHOT, Selection(**given)).rows]  # type: ignore[arg-type]


def test_what_a_view_and_a_search_take() -> None:
    assert shown() == ["10.20.1.9", "10.20.1.10", "10.20.1.2", "2001:db8::5"]
    assert shown(view="overdue") == ["10.20.1.10"]
    assert shown(view="closed") == ["10.20.1.4"]
    assert shown(severity="high") == ["10.20.1.9", "10.20.1.10"], "at least as grave"
    assert shown(owner="shop") == ["10.20.1.10"]
    assert shown(owner="sho") == [], "an owner by the whole name"
    assert shown(reach="internet") == ["2001:db8::5"]
    assert shown(q="OLD.example 10.20") == ["10.20.1.2"], "each word, in any case"
    found = select(SNAPSHOT, Selection(q="10.20.1."))
    assert found.counts == {
        "open": 3,
        "overdue": 1,
        "new": 0,
        "unreachable": 1,
        "accepted": 0,
        "closed": 1,
        "all": 4,
    }


def test_the_order_of_a_column_and_the_other_way() -> None:
    assert shown(sort="where", view="all") == [
        "10.20.1.2",
        "10.20.1.4",
        "10.20.1.9",
        "10.20.1.10",
        "2001:db8::5",
    ]
    assert shown(sort="size")[0] != "10.20.1.2", "the biggest first; none is known of it"
    first = Selection(sort="size")
    assert first.direction("size") == "descending"
    turned = read_selection(dict(parse_qsl(first.sorted_by("size")[1:])))
    assert turned.direction("size") == "ascending"
    assert [each.place.ip for each in select(SNAPSHOT, turned).rows] == shown(sort="size")[::-1]


def test_every_page_is_bounded_and_a_page_behind_the_last_is_the_last() -> None:
    many = snapshot_of(
        [exposure(f"10.20.{number // 250}.{number % 250}") for number in range(ON_A_PAGE * 2 + 3)]
    )
    last = select(many, Selection(page=9999))
    assert (last.page, last.pages, last.first, last.last, last.total) == (3, 3, 101, 103, 103)
    assert select(many, Selection()).rows == many.exposures[:ON_A_PAGE]
    nothing = select(snapshot_of([]), Selection(page=2))
    assert (nothing.first, nothing.last, nothing.total, nothing.page) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"view": "opne"}, "view is opne; write one of open, overdue,"),
        ({"sort": "name"}, "sort is name; write one of where,"),
        ({"severity": "\x1b[2J"}, "severity is \\x1b[2J; write one of critical,"),
        ({"page": "0"}, "write a number from 1 on"),
        ({"page": "٣"}, "write a number from 1 on"),
        ({"page": "1" * 5000}, "write a number from 1 on"),
        ({"q": "x" * 201}, "200 characters at most"),
    ],
)
def test_an_address_that_no_link_has_says_what_to_write(query: dict[str, str], said: str) -> None:
    with pytest.raises(BadSelectionError) as refused:
        read_selection(query)
    assert said in str(refused.value)


@given(
    st.builds(
        Selection,
        q=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
        view=st.sampled_from(sorted(VIEWS)),
        severity=st.sampled_from(["", "high"]),
        owner=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
        sort=st.sampled_from(["", *SORTS]),
        way=st.sampled_from(["", "up", "down"]),
        page=st.integers(1, 999_999),
    )
)
def test_a_link_means_what_it_was_made_of(selection: Selection) -> None:
    """Whatever a person typed goes through the address unharmed."""
    link = selection.link(page=selection.page)
    assert read_selection(dict(parse_qsl(link[1:], keep_blank_values=True))) == selection
    assert link.isascii()
    assert link[0] == "?"
