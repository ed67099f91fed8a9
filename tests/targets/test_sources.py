"""Lists and other scanners' output: what they claim, and what is refused with its place."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import ScopeError
from targets.grammar import format_span
from targets.sources.lines import read_lines
from targets.sources.read import read_claims


def claims(text: str | bytes, warnings: list[str] | None = None) -> list[tuple[str, int | None]]:
    raw = text.encode() if isinstance(text, str) else text
    heard: list[str] = [] if warnings is None else warnings
    found = [(format_span(c.span), c.port) for c in read_claims(io.BytesIO(raw), "in", heard.append)]
    assert warnings is not None or not heard
    return found


def refused(text: str | bytes) -> str:
    with pytest.raises(ScopeError) as caught:
        claims(text)
    return str(caught.value)


NMAP = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -oX -" version="7.93" xmloutputversion="1.05">
<host><status state="up" reason="user-set"/>
<address addr="10.1.2.3" addrtype="ipv4"/><address addr="00:11:22:33:44:55" addrtype="mac"/>
<ports><port protocol="tcp" portid="27017"><state state="open"/><service name="mongod" method="table"/></port>
<port protocol="tcp" portid="27018"><state state="closed"/></port>
<port protocol="udp" portid="27019"><state state="open"/></port></ports></host>
<host><status state="down"/><address addr="10.1.2.4" addrtype="ipv4"/></host>
<host><status state="up"/><address addr="fd00::7" addrtype="ipv6"/></host>
<host><status state="up"/><address addr="10.1.2.5" addrtype="ipv4"/><ports><extraports state="closed"/>
<port protocol="tcp" portid="1"><state state="filtered"/></port></ports></host>
<runstats><finished exit="success"/></runstats></nmaprun>
"""


def test_nmap() -> None:
    assert claims(NMAP) == [("10.1.2.3", 27017), ("fd00::7", None)]
    first = next(read_claims(io.BytesIO(NMAP.encode()), "scan.xml", print))
    assert first.provenance == "scan.xml (host 1)"


@given(st.integers(150, len(NMAP) - 2))
def test_an_nmap_report_that_breaks_off_gives_what_it_has(cut: int) -> None:
    warnings: list[str] = []
    found = claims(NMAP[:cut], warnings)
    assert found == claims(NMAP)[: len(found)]
    if not NMAP[:cut].rstrip().endswith("</nmaprun>"):
        assert len(warnings) == 1
        assert "the report breaks off at line" in warnings[0]


def test_nmap_with_an_entity_is_refused() -> None:
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE nmaprun [<!ENTITY a "ha">]>\n<nmaprun/>'
    assert refused(bomb) == "in:2: declares the entity 'a', which no scanner does; name a file of nmap's own"
    outside = '<!DOCTYPE nmaprun [<!ENTITY a SYSTEM "file:///etc/passwd">]><nmaprun>&a;</nmaprun>'
    assert "declares the entity 'a'" in refused(outside)


def test_other_xml_is_refused() -> None:
    assert (
        refused("<html></html>") == "in:1: is XML of another kind (<html>); name the file that nmap -oX wrote"
    )
    assert refused("<nmaprun>\n<a></b>") == (
        "in:2: not valid XML: mismatched tag; name the file that nmap -oX wrote"
    )
    host = '<nmaprun>\n<host><status state="up"/><address addr="{}" addrtype="ipv4"/>{}</host></nmaprun>'
    assert refused(host.format("10.1", "")).startswith("in:2: '10.1' is a shortened or numeric form")
    port = '<ports><port protocol="tcp" portid="70000"><state state="open"/></port></ports>'
    assert refused(host.format("10.0.0.1", port)) == (
        "in:2: '70000' is not a port; write a number from 1 to 65535"
    )


def test_masscan_json() -> None:
    record = (
        '{"ip": "10.1.2.3", "timestamp": "1795490538", "ports": '
        '[{"port": 27017, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 64}]}'
    )
    closed = record.replace('"open"', '"closed"')
    udp = record.replace('"tcp"', '"udp"')
    expected = [("10.1.2.3", 27017)]
    assert claims(f"[\n{record}\n,\n{closed}\n,\n{udp}\n]\n") == expected
    assert claims(f"[\n{record},\n{closed},\n{{finished: 1}}\n]\n") == expected
    assert claims(f"[{record}]\n") == expected
    warnings: list[str] = []
    assert claims(f"[\n{record},\n{closed[:40]}", warnings) == expected
    assert warnings == ["in:3: the last line is torn; what comes before it is used"]


def test_masscan_list() -> None:
    text = (
        "#masscan\nopen tcp 27017 10.1.2.3 1795490538\nclosed tcp 1 10.1.2.4 1\nbanner tcp 1 10.1.2.3 1 x y\n"
    )
    assert claims(text + "open udp 5 10.1.2.5 1\n# end\n") == [("10.1.2.3", 27017)]
    assert refused("#masscan\nopen tcp\n") == "in:2: 'open tcp' is no line of masscan -oL; correct this line"


def test_naabu() -> None:
    assert claims(
        '{"host":"db","ip":"10.1.2.3","port":27017,"protocol":"tcp","tls":false}\n'
        '{"ip":"fd00::1","port":{"Port":27018,"Protocol":0}}\n'
        '{"ip":"10.1.2.4","port":53,"protocol":"udp"}\n'
    ) == [("10.1.2.3", 27017), ("fd00::1", 27018)]
    assert claims("host,ip,port,protocol\ndb,10.1.2.3,27017,tcp\ndb,10.1.2.4,53,udp\n") == [
        ("10.1.2.3", 27017)
    ]


def test_zmap() -> None:
    assert claims("10.1.2.3\n10.1.2.4\n") == [("10.1.2.3", None), ("10.1.2.4", None)]
    assert claims("saddr\n10.1.2.3\n") == [("10.1.2.3", None)]
    assert claims("saddr,sport,classification,success\n10.1.2.3,27017,synack,1\n10.1.2.4,27017,rst,0\n") == [
        ("10.1.2.3", 27017)
    ]
    assert claims(
        '{"saddr": "10.1.2.3", "sport": 27017, "success": 1}\n{"saddr":"10.1.2.4","success":0}\n'
    ) == [("10.1.2.3", 27017)]


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.1\n10.1\n", "in:2: '10.1' is a shortened or numeric form of an address; "),
        ("db.example.com\n", "in:1: 'db.example.com' is a name, not an address; write its addresses"),
        (b"10.0.0.1\n\xff\n", "in:2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ('{"ip": 5}\n', "in:1: 5 is a int, not text; write it in quotes"),
        ('{"ip": "10.0.0.1", "port": 0}\n', "in:1: '0' is not a port; write a number from 1 to 65535"),
        ('{"port": 5}\n', "in:1: has neither ip nor saddr; name output of masscan, naabu or zmap"),
        ('[\n"x"\n]\n', "in:2: is not an object; write one object a line, as scanners do"),
        ('{"ip": \n', "in:1: not valid JSON; write one object a line, as scanners do"),
        ("ip,port\n10.0.0.1\n", "in:2: 1 cells under 2 columns; write one cell for each column"),
    ],
)
def test_bad_lines(text: str | bytes, message: str) -> None:
    assert refused(text).startswith(message)


def test_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b"#" * (1024 * 1024 + 1)) == "in:1: the line is longer than 1,048,576 bytes; name a list"
    monkeypatch.setattr("targets.sources.lines.MAX_LINES", 2)
    with pytest.raises(ScopeError, match="more than 2 lines; split the list"):
        list(read_lines(io.BytesIO(b"a\nb\nc\n"), "in"))


def test_a_stream_that_is_buffered_already() -> None:
    stream = io.BufferedReader(io.BytesIO(b"10.0.0.1\n"))
    assert [claim.provenance for claim in read_claims(stream, "stdin", print)] == ["stdin:1"]


@given(st.binary(max_size=200))
def test_any_bytes_are_claims_or_a_refusal(raw: bytes) -> None:
    with contextlib.suppress(ScopeError):
        assert all(claim.provenance for claim in read_claims(io.BytesIO(raw), "in", lambda text: None))
