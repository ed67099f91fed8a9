"""CSV that people keep of their networks, as a spreadsheet or as an allow-list of ours."""

from __future__ import annotations

import io

import pytest

from targets.grammar import format_span
from targets.sources.read import read_claims
from tests.support.lists import claims


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cidr,owner,contact,site\n10.20.0.0/16,web platform,web-oncall@example.com,paris\n",
            "10.20.0.0/16 web platform (column owner), web-oncall@example.com, paris",
        ),
        ("Prefix;Team;E-mail;Location\n10.20.0.0/16;web;;AMS1\n", "10.20.0.0/16 web (column team), , AMS1"),
        ("subnet,description\n10.20.0.0/16,servers\n", "10.20.0.0/16  (), , "),
        ("start,end,owner\n10.20.0.1,10.20.0.9,shop\n", "10.20.0.1-10.20.0.9 shop (column owner), , "),
        ("IP Address,Owner\n10.20.0.1,shop\n", "10.20.0.1 shop (column owner), , "),
        ("ip,prefix,owner\n10.20.0.1,10.20.0.0/16,shop\n", "10.20.0.1 shop (column owner), , "),
    ],
)
def test_whose_they_are_is_read_of_a_spreadsheet(text: str, expected: str) -> None:
    reading = read_claims(io.BytesIO(text.encode()), "in", pytest.fail)
    [claim] = reading
    said = claim.said
    found = f"{format_span(claim.span)} {said.owner} ({said.owner_by}), {said.contact}, {said.site}"
    assert found == expected
    assert str(reading.format) == "CSV of prefixes"


def test_what_a_scanner_found_stays_its_list() -> None:
    assert claims("ip,port,country\n10.20.0.1,27017,FR\n") == [("10.20.0.1", 27017)]


def test_a_row_that_cannot_be_used_costs_no_other() -> None:
    told: list[str] = []
    text = "cidr,owner,exclude\n10.20.0.0/16,web,\n10.20.3.0/24,,true\n,web,\n10.21.0.0/16,web,no\n"
    reading = read_claims(io.BytesIO(text.encode()), "in", told.append)
    assert [format_span(claim.span) for claim in reading] == ["10.20.0.0/16", "10.21.0.0/16"]
    assert [line.split(";")[0] for line in told] == [
        "in:3: excludes its addresses, which no source does",
        "in:4: has no addresses",
    ]
