"""CSV of zmap, naabu and others: columns in any order, headers again, cells without a column."""

from __future__ import annotations

import pytest

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
        ("ip,port\n10.0.0.1,27017\ndb,27017\n", "in:3: 'db' is a name, not an address"),
        ("ip,port\n,27017\n", "in:2: has no address"),
        ("ip,port,port\n10.0.0.1,27017,1\n", "in:1: two columns are called port; name each column once"),
        ("ip,note\n10.0.0.1," + "x" * 200_000 + "\n", "in:2: 0 cells under 2 columns"),
        (
            "10.0.0.1,27017\n",
            "in:1: '10.0.0.1,27017' has several columns or targets; write one target a line",
        ),
    ],
)
def test_rows_that_do_not_fit(text: str, message: str) -> None:
    assert refused(text).startswith(message)
