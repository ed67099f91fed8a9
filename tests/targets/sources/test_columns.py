"""CSV of zmap, naabu and others: columns in any order, headers again, cells without a column."""

from __future__ import annotations

import io

import pytest

from targets.errors import ScopeError
from targets.sources.read import read_claims
from tests.support.lists import claims, refused

ONE = [("10.1.2.3", 27017)]


@pytest.mark.parametrize(
    "text",
    [
        "saddr,sport\n10.1.2.3,27017\n",
        "timestamp_str, saddr, sport\n2026, 10.1.2.3, 27017\n",
        "sport,saddr\r\n27017,10.1.2.3\r\n",
        "\ufeffIP;Port\r\n10.1.2.3;27017\r\n",
        "port\tip\n27017\t10.1.2.3\n",
        '"ip","port"\n"10.1.2.3","27017"\n',
        "# found on Monday\n\nip,port\n\n10.1.2.3,27017\n# end\n",
        "ip,port,\n10.1.2.3,27017,\n",
        "ip,port\n10.1.2.3,27017,,\n",
        "saddr,sport,classification,success\n10.1.2.3,27017,synack,1\n10.1.2.4,27017,rst,0\n",
        "data,ip,ip_str,port,transport\nx,167838211,10.1.2.3,27017,tcp\nx,1,10.1.2.4,27017,udp\n",
        'ip,ports\n10.1.2.3,"27017"\n',
    ],
)
def test_columns_in_any_order(text: str) -> None:
    assert claims(text) == ONE


def test_zmap_with_one_column() -> None:
    assert claims("10.1.2.3\n10.1.2.4\n") == [("10.1.2.3", None), ("10.1.2.4", None)]
    assert claims("saddr\n10.1.2.3\n") == [("10.1.2.3", None)]


def test_a_header_may_come_again_and_change() -> None:
    """naabu has written one for every host; files behind each other have other columns."""
    assert claims("ip,port\n10.1.2.3,27018\nip,port\n10.1.2.3,27017\n") == [
        ("10.1.2.3", 27018),
        ("10.1.2.3", 27017),
    ]
    assert claims("ip,port\n10.1.2.3,27018\nsport;saddr\n27017;10.1.2.4\n") == [
        ("10.1.2.3", 27018),
        ("10.1.2.4", 27017),
    ]


def test_naabu() -> None:
    """It names the first of the columns that have no name, and leaves cells for all of them."""
    header = "host,ip,port,protocol,tls,cdn,cdn-name,timestamp,mac_address,,cpes\n"
    cells = ",false,false,,2026-02-01 13:24:26 +0000 UTC,,,,,,,,,,,,,,,,,0,\n"
    assert claims(
        header + f"db,10.1.2.3,27017,tcp{cells}db,10.1.2.4,53,udp{cells},10.1.2.5,0,tcp{cells}"
    ) == [
        ("10.1.2.3", 27017),
        ("10.1.2.5", None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ip,port\n10.0.0.1\n", "in:2: 1 cells under 2 columns; write one cell for each column"),
        ("ip,port\n10.0.0.1,27017,x\n", "in:2: 3 cells under 2 columns"),
        ("a,,ip,port\nx,y,z,10.0.0.1,27017\n", "in:2: 5 cells under 4 columns"),
        ("ip,port\n10.0.0.1,70000\n", "in:2: '70000' is not a port"),
        ("ip,port\n,27017\n", "in:2: has no address"),
        ("ip,port,port\n10.0.0.1,27017,1\n", "in:1: two columns are called port; name each column once"),
        (
            "10.0.0.1,27017\n",
            "in:1: '10.0.0.1,27017' has several columns or targets; write one target a line",
        ),
    ],
)
def test_rows_that_do_not_fit(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_a_row_that_cannot_be_used_costs_no_other() -> None:
    told: list[str] = []
    text = "ip,port\ndb,27017\n10.1.2.3,27017\n10.1.2.3\n10.1.2.4,0.5\n10.1.2.3,27018\n"
    assert claims(text, told) == [("10.1.2.3", 27017), ("10.1.2.3", 27018)]
    assert told == [
        "in:2: 'db' is a name, not an address; write its addresses (left out)",
        "in:4: 1 cells under 2 columns; write one cell for each column (left out)",
        "in:5: '0.5' is not a port; write a number from 1 to 65535 (left out)",
    ]


def test_quoted_cells_with_ends_of_lines() -> None:
    """NetBox's comments, and what Excel saves. A row is told by its first line."""
    text = (
        'ip,note,port\r\n10.1.2.3,"a\r\n\r\n  b, ""c""",27017\r\n10.1.2.4,"d\r\ne",x\r\n10.1.2.5,f,27018\r\n'
    )
    told: list[str] = []
    assert claims(text, told) == [("10.1.2.3", 27017), ("10.1.2.5", 27018)]
    assert told == ["in:5: 'x' is not a port; write a number from 1 to 65535 (left out)"]
    assert claims(f'ip,note\n10.1.2.3,"{"x" * 500_000}\n{"y" * 500_000}"\n10.1.2.4,\n') == [
        ("10.1.2.3", None),
        ("10.1.2.4", None),
    ]


@pytest.mark.parametrize("more", ["", "\n# end", "\n" + "10.1.2.5,\n" * 200_000], ids=["", "end", "many"])
def test_a_quote_without_an_end_takes_no_row_away(more: str) -> None:
    told: list[str] = []
    got = claims(f'ip,note\n10.1.2.3,"\n10.1.2.4,x{more}', told)
    assert got[0] == ("10.1.2.4", None)
    assert len(got) == 1 + more.count("10.1.2.5")
    assert told == ["in:2: a quoted cell has no end; close its quote (left out)"]


@pytest.mark.parametrize(
    "text", ["sep=;\r\nip;port\r\n", '\ufeff"sep=;"\nIP;Port\n', "# x\nSEP=|\nip|port\n"]
)
def test_excel_says_what_stands_between_cells(text: str) -> None:
    between = "|" if "|" in text else ";"
    assert claims(f"{text}10.1.2.3{between}27017\n") == ONE


def test_whose_columns_they_are_is_told() -> None:
    for header, name in (
        ("saddr,sport", "zmap CSV"),
        ("host,ip,port,protocol,tls,cdn,cdn-name,timestamp", "naabu CSV"),
        ("timestamp,port,url,input,host,status_code", "httpx CSV"),
        ("ip,port", "CSV"),
    ):
        reading = read_claims(io.BytesIO(header.encode() + b"\n"), "in", print)
        assert list(reading) == []
        assert str(reading.format) == name


def test_a_quote_without_an_end_does_not_take_the_rows_up_to_the_next_quote() -> None:
    """Behind a quote that ends a cell of several lines a divider comes, or the row's end."""
    told: list[str] = []
    text = 'ip,port,note\n10.1.2.3,1,"a\n10.1.2.4,2,b\n10.1.2.5,3,"c, d"\n10.1.2.6,4,"e\nf"\n'
    assert claims(text, told) == [("10.1.2.4", 2), ("10.1.2.5", 3), ("10.1.2.6", 4)]
    assert told == ["in:2: a quoted cell has no end; close its quote (left out)"]


def test_what_is_told_of_a_list_is_one_line_without_control_characters() -> None:
    told: list[str] = []
    with pytest.raises(ScopeError) as refusal:
        list(read_claims(io.BytesIO(b"header-net\x1b[31m,address*\nnet\x07,x\n"), "a\nb", told.append))
    assert str(refusal.value).startswith("a\\nb:2: ")
    assert all(text.isprintable() for text in [*told, str(refusal.value)])


def test_two_stray_quotes_take_no_row_between_them() -> None:
    """What they seem to enclose gives claims by itself: it is no comment."""
    heard: list[str] = []
    text = 'ip,port,note\n10.0.0.1,27017,"a\n10.0.0.2,27017,b\n10.0.0.3,27017,c"\n10.0.0.4,27017,d\n'
    assert claims(text, heard) == [("10.0.0.2", 27017), ("10.0.0.3", 27017), ("10.0.0.4", 27017)]
    assert heard == ["in:2: a quoted cell has no end; close its quote (left out)"]


def test_a_comment_of_several_lines_is_one_cell() -> None:
    text = 'ip,port,note\n10.0.0.1,27017,"one, two, three\nfour\n\nfive, six, seven"\n10.0.0.4,27017,d\n'
    assert claims(text) == [("10.0.0.1", 27017), ("10.0.0.4", 27017)]
