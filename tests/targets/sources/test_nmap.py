"""nmap's XML: what it claims, and what is used of a report that is damaged, cut off, or one of several."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import ScopeError
from targets.sources.read import read_claims
from tests.support.lists import Counting, claims, refused

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
<host><status state="up"/><address addr="10.1.2.6" addrtype="ipv4"/>
<ports><extraports state="closed" count="1000"/></ports></host>
<runstats><finished exit="success"/></runstats></nmaprun>
"""
FOUND = [("10.1.2.3", 27017), ("fd00::7", None)]


def host(address: str, more: str = "") -> str:
    return f'<host><status state="up"/><address addr="{address}" addrtype="ipv4"/>{more}</host>\n'


def report(*hosts: str) -> str:
    return '<?xml version="1.0"?>\n<nmaprun scanner="nmap">\n' + "".join(hosts) + "</nmaprun>\n"


def serving(name: str) -> str:
    """A port whose service is called so."""
    service = f'<state state="open"/><service name="{name}"/>'
    return f'<ports><port protocol="tcp" portid="445">{service}</port></ports>'


def test_nmap() -> None:
    assert claims(NMAP) == FOUND
    first = next(read_claims(io.BytesIO(NMAP.encode()), "scan.xml", print))
    assert first.provenance == "scan.xml (host 1)"


def test_a_host_whose_ports_are_all_closed_is_no_claim_for_every_port() -> None:
    assert claims(report(host("10.1.2.6", '<ports><extraports state="closed"/></ports>'))) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_report_that_windows_saved(encoding: str) -> None:
    assert claims(NMAP.replace("\n", "\r\n").encode(encoding)) == FOUND


def test_names_are_kept() -> None:
    names = "".join(f'<hostname name="{name}" type="PTR"/>' for name in ("DB.example.com.", "a b", "db.lan"))
    (claim,) = read_claims(
        io.BytesIO(report(host("10.1.2.3", f"<hostnames>{names}</hostnames>")).encode()), "in", print
    )
    assert claim.names == ("db.example.com", "db.lan")


@given(st.integers(150, len(NMAP) - 2))
def test_a_report_that_breaks_off_gives_what_it_has(cut: int) -> None:
    warnings: list[str] = []
    found = claims(NMAP[:cut], warnings)
    assert found == FOUND[: len(found)]
    if not NMAP[:cut].rstrip().endswith("</nmaprun>"):
        assert len(warnings) == 1
        assert "the report breaks off at line" in warnings[0]


@pytest.mark.parametrize(
    "name",
    [
        "0M&#1;",
        "0M&#x1;",
        "0M&#xFFFF;&#xD800;",
        "\x01",
        b"\xff\xfe".decode("utf-8", "surrogateescape"),
        "R & D",
        "caf&eacute;",
        "&#x110000;",
    ],
)
def test_a_character_that_xml_forbids_costs_no_host(name: str) -> None:
    """nmap has written names of services as it received them."""
    warnings: list[str] = []
    text = report(host("10.1.2.1"), host("10.1.2.2", serving(name)), host("10.1.2.3"))
    found = claims(text.encode("utf-8", "surrogateescape"), warnings)
    assert found == [("10.1.2.1", None), ("10.1.2.2", 445), ("10.1.2.3", None)]
    assert len(warnings) == 1
    assert warnings[0].startswith("in:4: ")
    assert warnings[0].endswith(" that XML forbids, here first; the rest of the report is used")


def test_a_forbidden_character_in_an_address_is_no_other_address() -> None:
    assert refused(report(host("10.1.2.1&#1;"))).startswith("in:3: '10.1.2.1\ufffd' has characters outside")


@pytest.mark.parametrize("size", [16, 64, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 90])
def test_a_reference_between_two_buffers(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.sources.nmap.BUFFER", size)
    text = report(host("10.1.2.1", serving("&#x1;&#38;&lt;&#x41;")), host("10.1.2.3"))
    warnings: list[str] = []
    assert claims(text + text, warnings) == [("10.1.2.1", 445), ("10.1.2.3", None)] * 2
    assert [warning.split(";")[0] for warning in warnings] == [
        "in:3: 2 characters that XML forbids, here first"
    ]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ('<host><address addr="10.1.2.2" <</host>\n', "not well-formed (invalid token)"),
        ("<host></ports></host>\n", "mismatched tag"),
        ('<host a="1" a="2"></host>\n', "duplicate attribute"),
    ],
)
def test_a_damaged_host_is_left_out_and_named(broken: str, reason: str) -> None:
    warnings: list[str] = []
    assert claims(report(host("10.1.2.1"), broken, host("10.1.2.3")), warnings) == [
        ("10.1.2.1", None),
        ("10.1.2.3", None),
    ]
    assert warnings == [f"in:4: not valid XML: {reason}; correct this place, or scan again (left out)"]


def test_many_damaged_places_are_counted() -> None:
    warnings: list[str] = []
    assert len(claims(report(*[host("10.1.2.1"), "<host></ports></host>\n"] * 20), warnings)) == 20
    assert len(warnings) == 11
    assert warnings[-1] == "in: 20 lines or records in all cannot be used and are left out"


def test_a_host_that_cannot_be_used_costs_no_other() -> None:
    many = "".join(f'<address addr="10.0.0.{n}" addrtype="ipv4"/>' for n in range(1, 30))
    port = '<ports><port protocol="tcp" portid="70000"><state state="open"/></port></ports>'
    bad = [host("10.1"), host("10.1.2.9", many), host("10.1.2.8", port)]
    warnings: list[str] = []
    assert claims(report(host("10.1.2.1"), *bad, host("10.1.2.3")), warnings) == [
        ("10.1.2.1", None),
        ("10.1.2.3", None),
    ]
    assert [warning.partition(";")[0] for warning in warnings] == [
        "in:4: '10.1' is a shortened or numeric form of an address",
        "in:5: a host has more than 16 addresses",
        "in:6: '70000' is not a port",
    ]


def test_a_tag_that_is_too_long_costs_no_other_host() -> None:
    long = host("10.1.2.2", f'<script output="{"x" * 2**21}"/>')
    warnings: list[str] = []
    assert claims(report(host("10.1.2.1"), long, *[host("10.1.2.3")] * 1000), warnings)[-1][0] == "10.1.2.3"
    assert warnings == [
        "in:4: a tag is longer than 1,048,576 bytes; correct this place, or scan again (left out)"
    ]


def test_reports_behind_each_other() -> None:
    """As `cat *.xml` and nmap's own --append-output give them; one of a stopped scan among them."""
    assert claims(NMAP + NMAP) == FOUND * 2
    assert claims("\n \n" + NMAP + "\n\n\ufeff" + NMAP) == FOUND * 2
    warnings: list[str] = []
    first = report(host("10.1.2.1"), host("10.1.2.2"))
    cut = first.index("10.1.2.2")
    assert claims(first[:cut] + "\n" + NMAP, warnings) == [("10.1.2.1", None), *FOUND]
    assert warnings == ["in: the report breaks off at line 4; what comes before it is used"]
    warnings.clear()
    assert claims(first + "<nmaprun>" + host("10.1.2.9") + "</nmaprun>", warnings)[-1] == ("10.1.2.9", None)
    assert len(warnings) == 1


def test_masscans_xml() -> None:
    """It says ipv4 of IPv6 too, and knows neither a state of hosts nor a document type."""
    port = '<ports><port protocol="{}" portid="{}"><state state="open" reason="x"/></port></ports>'
    text = '<?xml version="1.0"?>\r\n<!-- masscan v1.0 scan -->\r\n<nmaprun scanner="masscan">\r\n' + "".join(
        f'<host endtime="1"><address addr="{address}" addrtype="ipv4"/>{port.format(*which)}</host>\r\n'
        for address, which in (
            ("10.1.2.3", ("tcp", 27017)),
            ("fd00::7", ("tcp", 27018)),
            ("10.1.2.4", ("icmp", 0)),
            ("10.1.2.5", ("udp", 53)),
        )
    )
    assert claims(text + "</nmaprun>\r\n") == [("10.1.2.3", 27017), ("fd00::7", 27018)]


def test_nmap_with_an_entity_is_refused() -> None:
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE nmaprun [<!ENTITY a "ha">]>\n<nmaprun/>'
    assert refused(bomb) == "in:2: declares the entity 'a', which no scanner does; name a file of nmap's own"
    outside = '<!DOCTYPE nmaprun [<!ENTITY a SYSTEM "file:///etc/passwd">]><nmaprun>&a;</nmaprun>'
    assert "declares the entity 'a'" in refused(outside)
    everywhere = '<!DOCTYPE nmaprun [<!ATTLIST host a CDATA "ha">]><nmaprun/>'
    assert refused(everywhere) == "in:1: declares attributes of <host>; name a file of nmap's own"


def test_other_xml_is_refused() -> None:
    assert (
        refused("<html></html>") == "in:1: is XML of another kind (<html>); name the file that nmap -oX wrote"
    )
    assert refused("<nmaprun>\n<a></b>") == (
        "in:2: not valid XML: mismatched tag; correct this place, or scan again"
    )
    assert refused("<nma prun") == ("in:1: not valid XML: unclosed token; name the file that nmap -oX wrote")
    assert refused("<nmaprun>\n" + host("10.1")).startswith("in:2: '10.1' is a shortened or numeric form")
    port = '<ports><port protocol="tcp" portid="70000"><state state="open"/></port></ports>'
    assert refused("<nmaprun>\n" + host("10.0.0.1", port)) == (
        "in:2: '70000' is not a port; write a number from 1 to 65535"
    )
    many = "".join(f'<address addr="10.0.0.{n}" addrtype="ipv4"/>' for n in range(1, 30))
    assert "a host has more than 16 addresses" in refused("<nmaprun>" + host("10.0.0.99", many))


@pytest.mark.parametrize(
    ("beginning", "then", "message"),
    [
        (b'<nmaprun args="', b"a", "a tag is longer than 1,048,576 bytes"),
        (b'<nmaprun args="', b">", "a tag is longer than 1,048,576 bytes"),
        (b"<nmaprun><!--", b"a", "a tag is longer than 1,048,576 bytes"),
        (b"<nmaprun ", b"a='' b='' ", "a tag is longer than"),
        (b"<nmaprun>", b"<a>", "has tags that nmap does not write"),
        (b"<", b"a", "a tag is longer than 1,048,576 bytes"),
    ],
)
def test_what_is_too_long_is_refused_early(beginning: bytes, then: bytes, message: str) -> None:
    """A parser that looked for the end of such a tag began it anew at each buffer: 150 MB took a minute."""
    stream = Counting(beginning, then)
    with pytest.raises(ScopeError, match=message):
        list(read_claims(stream, "in", lambda text: None))  # type: ignore[arg-type]  # it can be read
    assert stream.count <= 2 * 1024 * 1024


def test_names_of_tags_without_end_are_refused() -> None:
    assert "has tags that nmap does not write" in refused(
        "<nmaprun>" + "".join(f"<a{n}/>" for n in range(2000)) + "</nmaprun>"
    )


def test_what_is_told_of_many_reports_is_counted() -> None:
    told: list[str] = []
    assert claims('<?xml version="1.0"?><nmaprun><host>' * 200, told) == []
    assert len(told) == 51
    assert told[-1] == "in: and 150 more of this kind"
