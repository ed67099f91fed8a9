"""Lists of text: plain ones, and those that other programs write for grep or for a screen."""

from __future__ import annotations

import io

import pytest

from targets.errors import ScopeError
from targets.grammar import format_span
from targets.sources.lines import read_lines
from targets.sources.read import read_claims
from targets.sources.reading import Trouble
from tests.support.lists import Counting, claims, refused


def test_plain_lists() -> None:
    text = (
        "\ufeff# ours\n10.1.2.3 # web\n 10.1.2.3:27018\r\n[fd00::1]:27017\n10.0.0.0/24\n10.0.0.1-10.0.0.5\n\n"
    )
    assert claims(text) == [
        ("10.1.2.3", None),
        ("10.1.2.3", 27018),
        ("fd00::1", 27017),
        ("10.0.0.0/24", None),
        ("10.0.0.1-10.0.0.5", None),
    ]
    assert claims("") == []
    assert claims(text.encode("utf-16")) == claims(text)
    assert claims("10.1.2.3\r10.1.2.4\r") == [("10.1.2.3", None), ("10.1.2.4", None)]
    assert claims("10.1.2.3\n\ufeff10.1.2.4") == [("10.1.2.3", None), ("10.1.2.4", None)]


def test_masscan_list() -> None:
    text = (
        "#masscan\nopen tcp 27017 10.1.2.3 1795490538\nclosed tcp 1 10.1.2.4 1\nbanner tcp 1 10.1.2.3 1 x y\n"
        "open icmp 0 10.1.2.3 1\nup arp 0 10.1.2.3 1\nopen tcp 27017 fd00::1 1\nopen tcp 0 10.1.2.3 1\n"
    )
    expected = [("10.1.2.3", 27017), ("fd00::1", 27017)]
    assert claims(text + "open udp 5 10.1.2.5 1\n# end\n") == expected
    assert claims(text + text) == expected * 2
    assert refused("#masscan\nopen tcp\n") == "in:2: 'open tcp' is no line of masscan -oL; correct this line"
    warnings: list[str] = []
    assert claims(text + "open tcp 27017 10.1.2.", warnings) == expected
    assert warnings == ["in:9: the last line is torn; what comes before it is used"]


def test_masscan_screen() -> None:
    assert claims(
        "Discovered open port 27017/tcp on 10.1.2.3                                 \n"
        "Discovered open port 0/icmp on 10.1.2.3 \n"
        "Discovered closed port 27018/tcp on 10.1.2.3\n"
        "Discovered open port 53/udp on 10.1.2.3\n"
        "Discovered up port 0/arp on 10.1.2.9 (00:11:22:33:44:55) unknown\n"
        "Discovered open port 27018/tcp on fd00::1\n"
        "Banner on port 27017/tcp on 10.1.2.3: [mongodb] x\n"
    ) == [("10.1.2.3", 27017), ("fd00::1", 27018)]


def test_grep_of_nmap() -> None:
    text = (
        "# Nmap 7.93 scan initiated Sat Nov 28 20:45:01 2026 as: nmap -oG - 10.1.2.0/24\n"
        "Host: 10.1.2.3 (db.example.com)\tStatus: Up\n"
        "Host: 10.1.2.3 (db.example.com)\tPorts: 1/closed/tcp//tcpmux///, "
        "27017/open/tcp//mongodb//MongoDB 4.4, or 5 (x)/, 27018/open/udp/////, 27019/open|filtered/tcp/////"
        "\tIgnored State: closed (99)\n"
        "Host: 10.1.2.4 ()\tStatus: Up\n"
        "Host: 10.1.2.4 ()\tPorts: \tIgnored State: closed (100)\n"
        "Host: 10.1.2.5 ()\tStatus: Down\n"
        "Host: fd00::1 ()\tStatus: Up\n"
        "Host: fd00::1 ()\tPorts: 27017/open/tcp/////\n"
    )
    assert claims(text + "# Nmap done at Sat Nov 28 20:45:01 2026\n") == [
        ("10.1.2.3", 27017),
        ("fd00::1", 27017),
    ]
    assert claims(text + "Host: 10.1.2.6 ()\tStatus: Up") == claims(text)  # its ports were to follow
    (claim, *_) = read_claims(io.BytesIO(text.encode()), "in", print)
    assert (claim.provenance, claim.names) == ("in:3", ("db.example.com",))
    found = "# Nmap 7.93\nHost: 10.1.2.3 ()\tStatus: Up\nHost: 10.1.2.4 ()\tStatus: Up\n# Nmap done\n"
    assert claims(found) == [("10.1.2.3", None), ("10.1.2.4", None)]
    assert refused("Host: 10.1.2.3 ()\tPorts: 27017/open\n").startswith(
        "in:1: '27017/open' is no port of -oG"
    )
    assert refused("Host: 10.1.2.3\n").endswith("is no line of -oG; name what nmap -oX or masscan -oJ wrote")


def test_grep_of_masscan() -> None:
    assert claims(
        "# Masscan 1.3.2 scan initiated Sat Nov 28 20:45:01 2026\n"
        "# Ports scanned: TCP(1;27017-27017) UDP(0;) SCTP(0;) PROTOCOLS(0;)\n"
        "Timestamp: 1795490538\tHost: 10.1.2.3 ()\tPorts: 27017/open/tcp//mongod//\n"
        "Host: 10.1.2.4 ()\tPorts: 27017/closed/tcp//mongod//\n"
        "Host: 10.1.2.3 ()\tPort: 27017\tService: mongodb\tBanner: x\n"
        "Timestamp: 1795490538\tHost: 10.1.2.5 ()\tPorts: 0/open/icmp////\n"
        "# Masscan done at Sat Nov 28 20:45:01 2026\n"
    ) == [("10.1.2.3", 27017)]


def test_rustscan() -> None:
    assert claims("10.1.2.3 -> [22,27017]\nfd00::1 -> [27017]\n10.1.2.4 -> []\n") == [
        ("10.1.2.3", 22),
        ("10.1.2.3", 27017),
        ("fd00::1", 27017),
    ]


def test_naabu() -> None:
    """Behind a port it names who delivers the content, or what serves there."""
    assert claims(
        "10.1.2.3:27017\n10.1.2.4:443 [cloudflare]\n10.1.2.5:27017 [mongodb MongoDB/4.4] [x]\n"
    ) == [
        ("10.1.2.3", 27017),
        ("10.1.2.4", 443),
        ("10.1.2.5", 27017),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.1\n", "in:1: '10.1' is a shortened or numeric form of an address; "),
        ("db.example.com\n", "in:1: 'db.example.com' is a name, not an address; write its addresses"),
        ("db.example.com:27017\n", "in:1: 'db.example.com' is a name, not an address; write its addresses"),
        (b"\xff\n", "in:1: '\ufffd' has characters outside ASCII"),
        (b"\xff\xfe1\x00\x00\xd8\n\x00", "in:1: '1\ufffd' has characters outside ASCII"),
        (b"10.0.0.1\x00\n", "in:1: holds a NUL character, so it is no text"),
        (
            "10.0.0.1 [10.0.0.2]\n",
            "in:1: '10.0.0.1 [10.0.0.2]' has blanks inside; write one address, CIDR or ",
        ),
        (
            "10.0.0.1 10.0.0.2\n",
            "in:1: '10.0.0.1 10.0.0.2' has blanks inside; write one address, CIDR or range a ",
        ),
        ("10.0.0.1\x07 27017\n", "in:1: '10.0.0.1\\x07 27017' has blanks inside; write one address"),
        ("10.0.0.1 27017\n", "in:1: '10.0.0.1 27017' has a blank before its port; write 10.0.0.1:27017"),
        ("fd00::1 27017\n", "in:1: 'fd00::1 27017' has a blank before its port; write [fd00::1]:27017"),
        ("10.20.0.0 255.255.255.0\n", "in:1: '10.20.0.0/255.255.255.0' has no prefix length from 0 to 32 "),
        (
            "10.0.0.1,10.0.0.2\n",
            "in:1: '10.0.0.1,10.0.0.2' has several columns or targets; write one target a",
        ),
        ("10.0.0.1:27017,27018\n", "in:1: '10.0.0.1:27017,27018' has several columns or targets"),
        ("10.0.0.1:0\n", "in:1: '0' is not a port; write a number from 1 to 65535"),
        (
            "fd00::1:9001\n",
            "in:1: 'fd00::1:9001' may be an address, or fd00::1 with port 9001; write [fd00::1]",
        ),
        (
            "fd00::1:27017\n",
            "in:1: 'fd00::1:27017' is IPv6 with a port and without brackets; write [fd00::1]:2",
        ),
        ("fd00::1:9001 [cdn]\n", "in:1: 'fd00::1:9001' may be an address, or fd00::1 with port 9001"),
        (
            "mongodb://u:secret@10.0.0.1:27017/x\n",
            "in:1: a mongodb:// URI is no target; write 10.0.0.1:27017 al",
        ),
        ("ftp://10.0.0.1:27017 [200]\n", "in:1: a ftp:// URI is no target; write 10.0.0.1:27017 alone"),
        ("http://u:secret@10.0.0.1:27017\n", "in:1: a http:// URI is no target; write 10.0.0.1:27017 alone"),
        (
            "Starting Nmap 7.93 ( https://nmap.org )\n",
            "in:1: 'Starting Nmap 7.93 ( https://nmap.org )' is nmap",
        ),
        (
            "# Nmap 7.93\nNmap scan report for 10.0.0.1\n",
            "in:2: 'Nmap scan report for 10.0.0.1' is nmap's nor",
        ),
        (
            "#masscan\nTCP open\t  mongod[27017]\t\tfrom 10.0.0.1  ttl 64\n",
            "in:2: 'TCP open\\t  mongod[27017]",
        ),
        (
            "Open 10.0.0.1:27017\n",
            "in:1: 'Open 10.0.0.1:27017' is RustScan's screen, which is for people; use",
        ),
        (
            "10.0.0.1:27017 \x1b[32mopen\x1b[0m\n",
            "in:1: '10.0.0.1:27017 \\x1b[32mopen\\x1b[0m' is a screen wit",
        ),
        ("Starting masscan 1.3.2\n", "in:1: 'Starting masscan 1.3.2' is masscan's messages, which"),
        (b"\x1f\x8b\x08\x00", "in: is compressed by gzip; pipe it through `gzip -dc`"),
        (b"PK\x03\x04\x14\x00", "in: is a zip archive or a spreadsheet; unpack it, or save it as CSV"),
        (b"masscan/1.1\x00\x00", "in: is masscan's binary output; turn it with `masscan --readscan FILE -oJ"),
    ],
)
def test_lines_that_are_none(text: str | bytes, message: str) -> None:
    told = refused(text)
    assert told.startswith(message)
    assert "secret" not in told


def test_a_line_that_cannot_be_used_costs_no_other() -> None:
    told: list[str] = []
    text = f"10.1.2.3\n10.1\n\0\n{'x' * 3_000_000}\n10.1.2.4\nfd00::1:9001\n10.1.2.5\n"
    assert [address for address, _ in claims(text, told)] == ["10.1.2.3", "10.1.2.4", "10.1.2.5"]
    assert [line.partition(" ")[0] for line in told] == ["in:2:", "in:3:", "in:4:", "in:6:"]
    assert "the line is longer than 1,048,576 characters; take it out (left out)" in told[2]


def test_a_note_in_another_encoding_costs_no_line() -> None:
    told: list[str] = []
    assert claims(b"10.1.2.3 # M\xfcnchen\n10.1.2.4 # K\xf6ln\n", told) == [
        ("10.1.2.3", None),
        ("10.1.2.4", None),
    ]
    assert told == ["in:1: byte 0xfc is not UTF-8, here first; save the list as UTF-8"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["10.1.2.3:27017\r\n", "ip,port\r\n10.1.2.3,27017", "1.2.3.4\r\n# é\r\n"])
def test_utf_16_without_a_mark(codec: str, text: str) -> None:
    assert claims(text.encode(codec)) == claims(text)


def test_urls_of_httpx() -> None:
    reading = read_claims(
        io.BytesIO(
            b"https://10.1.2.3:27017 [200] [It looks like you are trying to access MongoDB]\n"
            b"http://10.1.2.4\nhttps://[fd00::1]/x?y#z\nhttp://[fd00::1]:27017/ [404]\n"
        ),
        "in",
        print,
    )
    assert [(format_span(claim.span), claim.port) for claim in reading] == [
        ("10.1.2.3", 27017),
        ("10.1.2.4", 80),
        ("fd00::1", 443),
        ("fd00::1", 27017),
    ]
    assert str(reading.format) == "httpx URLs"
    assert refused("https://db.example.com:27017 [200]\n").startswith("in:1: 'db.example.com' is a name")


def test_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Counting(b"# ", b"#")
    with pytest.raises(ScopeError, match="in:1: the line is longer than 1,048,576 characters; name a list"):
        list(read_claims(stream, "in", print))  # type: ignore[arg-type]  # it can be read
    assert stream.count <= 2 * 1024 * 1024
    monkeypatch.setattr("targets.sources.lines.MAX_LINES", 2)
    with pytest.raises(ScopeError, match="more than 2 lines; split the list"):
        list(read_lines(io.BytesIO(b"a\nb\nc\n"), Trouble("in", print)))


def test_a_place_that_is_no_utf_16_costs_its_line_alone() -> None:
    pieces = [
        "10.1.2.3\r\n".encode("utf-16"),
        b"\x00\xd8A\x00",
        "\r\n10.1.2.4\r\n".encode("utf-16-le"),
        b"\x00",
    ]
    told: list[str] = []
    assert claims(b"".join(pieces), told) == [("10.1.2.3", None), ("10.1.2.4", None)]
    assert [text.partition(" ")[0] for text in told] == ["in:2:", "in:4:"]
