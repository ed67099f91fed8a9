"""Every refusal of an allow-list, word for word: place, reason and what to write instead."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from targets.entries import Entry
from targets.errors import ScopeError
from targets.load import load_scope, require_targets
from targets.scope import Scope

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_798_000_000.0  # 2026-12-23
PUBLIC = 'authorised_by = "CHG-1"\nexpires = 2027-06-01\n'


def refused(path: Path, **options: object) -> str:
    with pytest.raises(ScopeError) as caught:
        load_scope(path, now=NOW, **options)  # type: ignore[arg-type]  # forwarded as they are
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text.replace(str(path.parent) + os.sep, "")


TABLES = {
    # what is wrong with a key or a value
    '[[allow]]\ncidr = "10.0.0.0/8"\nownr = "x"\n': (
        "a.toml:3: unknown key 'ownr' in [[allow]]; did you mean owner?"
    ),
    '[[deny]]\ncidr = "10.0.0.0/8"\nzzz = 1\n': (
        "a.toml:3: unknown key 'zzz' in [[deny]]; write one of cidr, reason, expires"
    ),
    '[[alow]]\ncidr = "10.0.0.0/8"\n': "a.toml:1: unknown key 'alow' in an allow-list; did you mean allow?",
    "[sweep]\nrate = 1\n": (
        "a.toml:1: unknown key 'sweep' in an allow-list; name a whole configuration with --config"
    ),
    'allow = "10.0.0.0/8"\n': "a.toml:1: allow is not a list of tables; write [[allow]]",
    '\n[[allow]]\nowner = "x"\n': 'a.toml:2: [[allow]] has no cidr; write cidr = "10.20.0.0/16"',
    "[[allow]]\ncidr = []\n": 'a.toml:2: cidr is an empty list; write cidr = "10.20.0.0/16"',
    "[[allow]]\ncidr = 10\n": 'a.toml:2: cidr = 10 is not text; write cidr = "10.20.0.0/16"',
    '[[allow]]\ncidr = "10.0.0.1/8"\n': (
        "a.toml:2: '10.0.0.1/8' has host bits set; write 10.0.0.0/8 for the network or 10.0.0.1 alone"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\n[[deny]]\nreason = "x"\ncidr = [\n  "10.0.0.1",\n  "10.0.0.01",\n]\n': (
        "a.toml:5: '10.0.0.01' has an octet with a leading zero, which some programs read as octal; "
        "write 10.0.0.1"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nowner = 7\n': (
        'a.toml:3: owner = 7 is not text; write it in quotes, as in owner = "…"'
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nowner = "a\\u001bb"\n': (
        "a.toml:3: owner is too long or holds control characters; write at most 1024 in one line"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nlabels = ["x"]\n': (
        "a.toml:3: labels = ['x'] is not a table of texts; write labels = {env = \"prod\"}"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nports = [0]\n': (
        "a.toml:3: ports = [0] is not a list of ports; "
        "write 1 to 64 numbers from 1 to 65535, as in ports = [27017]"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nports = 27017\n': (
        "a.toml:3: ports = 27017 is not a list of ports; "
        "write 1 to 64 numbers from 1 to 65535, as in ports = [27017]"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nkind = "prod"\n': (
        "a.toml:3: kind = 'prod' is not known; write kind = \"lab\" for loopback, or nothing"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nexpires = 5\n': (
        "a.toml:3: expires = 5 is no date; "
        "write a date, as in expires = 2027-01-01, or a time with its zone, 2027-01-01T18:00:00Z"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nexpires = "soon"\n': (
        "a.toml:3: expires = 'soon' is no date; "
        "write a date, as in expires = 2027-01-01, or a time with its zone, 2027-01-01T18:00:00Z"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\nexpires = 2027-01-01T18:00:00\n': (
        "a.toml:3: expires = 2027-01-01T18:00:00 has no time zone; "
        "write a date, as in expires = 2027-01-01, or a time with its zone, 2027-01-01T18:00:00Z"
    ),
    # what is over
    '[[allow]]\ncidr = "10.0.0.0/8"\nexpires = 2026-12-01\n': (
        "a.toml:2: the entry 10.0.0.0/8 expired on 2026-12-01 00:00 UTC; "
        "write a later expires once it is authorised again, or remove the entry"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\n[[deny]]\ncidr = "10.0.0.1"\nexpires = 2026-12-01T12:00:00+02:00\n': (
        "a.toml:4: the deny of 10.0.0.1 expired on 2026-12-01 10:00 UTC; "
        "write a later date, or remove the entry if the addresses may be probed again"
    ),
    # what is not proven ours
    '[[allow]]\ncidr = "11.0.0.0/24"\n': (
        "a.toml:2: 11.0.0.0/24 is public address space without authorisation; "
        'write authorised_by = "CHG-1234" and expires = 2027-01-01'
    ),
    '[[allow]]\ncidr = "11.0.0.0/24"\nauthorised_by = "CHG-1"\n': (
        "a.toml:2: 11.0.0.0/24 is public address space without authorisation; write expires = 2027-01-01"
    ),
    '[[allow]]\ncidr = "2606:4700::/120"\nexpires = 2027-06-01\n': (
        "a.toml:2: 2606:4700::/120 is public address space without authorisation; "
        'write authorised_by = "CHG-1234"'
    ),
    '[[allow]]\ncidr = "9.255.255.255-10.0.0.9"\n': (
        "a.toml:2: 9.255.255.255-10.0.0.9 is public address space without authorisation; "
        'write authorised_by = "CHG-1234" and expires = 2027-01-01'
    ),
    '[[allow]]\ncidr = "100.64.0.0/24"\n': (
        "a.toml:2: 100.64.0.0/24 is carrier-grade NAT space (RFC 6598) without authorisation; "
        'write authorised_by = "CHG-1234" and expires = 2027-01-01'
    ),
    '[[allow]]\ncidr = "198.18.0.0/24"\n': (
        "a.toml:2: 198.18.0.0/24 is benchmarking space (RFC 2544) without authorisation; "
        'write authorised_by = "CHG-1234" and expires = 2027-01-01'
    ),
    # what is never probed
    f'[[allow]]\ncidr = "0.0.0.0/0"\n{PUBLIC}': (
        "a.toml:2: 0.0.0.0/0 is the whole Internet; write the prefixes that are yours"
    ),
    f'[[allow]]\ncidr = "::/0"\n{PUBLIC}': (
        "a.toml:2: ::/0 is the whole Internet; write the prefixes that are yours"
    ),
    '[[allow]]\ncidr = "127.0.0.1"\n': (
        "a.toml:2: 127.0.0.1 is loopback (RFC 1122 3.2.1.3); "
        'write kind = "lab" if servers on this machine are meant'
    ),
    '[[allow]]\ncidr = "::1"\n': (
        'a.toml:2: ::1 is loopback (RFC 4291 2.5.3); write kind = "lab" if servers on this machine are meant'
    ),
    '[[allow]]\ncidr = "10.0.0.0/24"\nkind = "lab"\n': (
        'a.toml:2: kind = "lab" is for loopback alone, and 10.0.0.0/24 is not inside 127.0.0.0/8 or ::1; '
        'remove kind = "lab", or write a loopback address'
    ),
    '[[allow]]\ncidr = "126.0.0.0-127.0.0.1"\nkind = "lab"\n': (
        'a.toml:2: kind = "lab" is for loopback alone, and 126.0.0.0-127.0.0.1 is not inside '
        '127.0.0.0/8 or ::1; remove kind = "lab", or write a loopback address'
    ),
    f'[[allow]]\ncidr = "126.0.0.0-127.0.0.1"\n{PUBLIC}': (
        "a.toml:2: 126.0.0.0-127.0.0.1 holds 127.0.0.0/8, loopback (RFC 1122 3.2.1.3), "
        "which is never probed; write ranges that leave it out"
    ),
    f'[[allow]]\ncidr = "192.0.0.0/16"\n{PUBLIC}': (
        "a.toml:2: 192.0.0.0/16 holds 192.0.0.0/24, IETF protocol assignments (RFC 6890 2.1), "
        "which is never probed; write ranges that leave it out"
    ),
    f'[[allow]]\ncidr = "169.254.169.254"\n{PUBLIC}': (
        "a.toml:2: 169.254.169.254 is link-local space (RFC 3927), which is never probed; remove the entry"
    ),
    f'[[allow]]\ncidr = "224.0.0.1"\n{PUBLIC}': (
        "a.toml:2: 224.0.0.1 is multicast space (RFC 5771), which is never probed; remove the entry"
    ),
    f'[[allow]]\ncidr = "255.255.255.255"\n{PUBLIC}': (
        "a.toml:2: 255.255.255.255 is limited broadcast space (RFC 919), "
        "which is never probed; remove the entry"
    ),
    f'[[allow]]\ncidr = "0.0.0.0"\n{PUBLIC}': (
        'a.toml:2: 0.0.0.0 is "this network" space (RFC 791 3.2, '
        "RFC 1122 3.2.1.3), which is never probed; remove the entry"
    ),
    f'[[allow]]\ncidr = "240.0.0.1"\n{PUBLIC}': (
        "a.toml:2: 240.0.0.1 is reserved space (RFC 1112 4), which is never probed; remove the entry"
    ),
    f'[[allow]]\ncidr = "fe80::1"\n{PUBLIC}': (
        "a.toml:2: fe80::1 is link-local space (RFC 4291 2.5.6), which is never probed; remove the entry"
    ),
    f'[[allow]]\ncidr = "2001:db8::1"\n{PUBLIC}': (
        "a.toml:2: 2001:db8::1 is documentation space (RFC 3849), which is never probed; remove the entry"
    ),
    # IPv4 inside IPv6
    f'[[allow]]\ncidr = "::ffff:10.0.0.1"\n{PUBLIC}': (
        "a.toml:2: ::ffff:10.0.0.1 is the IPv4-mapped form of 10.0.0.1; "
        "write the IPv4 address itself (10.0.0.1) if it is yours"
    ),
    f'[[allow]]\ncidr = "2002:a00:1::/120"\n{PUBLIC}': (
        "a.toml:2: 2002:a00:1::/120 holds 6to4 forms, as of 10.0.0.1; "
        "write the IPv4 address itself (10.0.0.1) if it is yours"
    ),
    '[[allow]]\ncidr = "fd00::5efe:a00:1"\n': (
        "a.toml:2: fd00::5efe:a00:1 is the ISATAP form of 10.0.0.1; "
        "write the IPv4 address itself (10.0.0.1) if it is yours"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\n[[deny]]\ncidr = "::ffff:10.0.0.0/120"\n': (
        "a.toml:4: ::ffff:10.0.0.0/120 is the IPv4-mapped form of IPv4 addresses, which are probed as IPv4; "
        "write 10.0.0.0/24"
    ),
    # too much
    '[[allow]]\ncidr = "fd00::/64"\n': (
        "a.toml:2: fd00::/64 has 2**64 addresses, too many to sweep; "
        "write prefixes up to /108, or name lists of the addresses in use in [ipv6] candidates"
    ),
    f'[[allow]]\ncidr = "12.0.0.0/7"\n{PUBLIC}': (
        "a.toml:2: 12.0.0.0/7 has 33,554,432 addresses, more than max_targets = 16,777,216; "
        "write narrower prefixes, or max_targets = 33554432"
    ),
    f'[[allow]]\ncidr = "10.0.0.0/8"\n[[allow]]\ncidr = "11.0.0.0/24"\n{PUBLIC}': (
        "a.toml:2: the scope has 16,777,472 addresses, more than max_targets = 16,777,216 "
        "(this entry is the largest); write narrower prefixes, or max_targets = 16777472"
    ),
    # contradictions
    '[[allow]]\ncidr = "10.0.0.0/24"\nowner = "a"\n[[allow]]\nowner = "b"\ncidr = "10.0.0.0/24"\n': (
        "a.toml:6: 10.0.0.0/24 is allowed on line 2 already, with owner 'a'; "
        "write one entry for it, or a narrower range for one of the two"
    ),
    '[[allow]]\ncidr = "10.0.0.0/24"\n[[allow]]\nowner = "b"\ncidr = "10.0.0.0/24"\n': (
        "a.toml:5: 10.0.0.0/24 is allowed on line 2 already, with no owner; "
        "write one entry for it, or a narrower range for one of the two"
    ),
    '[[allow]]\ncidr = "10.0.0.0/24"\n[[allow]]\nports = [1]\ncidr = "10.0.0.0/24"\n': (
        "a.toml:5: 10.0.0.0/24 is allowed on line 2 already, with other ports; "
        "write one entry for it, or a narrower range for one of the two"
    ),
    '[[allow]]\ncidr = "10.0.0.5-10.0.0.9"\nowner = "a"\n[[allow]]\nowner = "b"\ncidr = "10.0.0.0/29"\n': (
        "a.toml:6: 10.0.0.0/29 crosses 10.0.0.5-10.0.0.9 of line 2, with owner 'a'; "
        "write ranges that do not overlap, or one inside the other"
    ),
    # names
    '[[allow]]\ncidr = "db.example.com"\n': (
        "a.toml:2: 'db.example.com' is a name, and names are not resolved here; write its addresses"
    ),
    '[[allow]]\ncidr = "10.0.0.0/8"\n[[deny]]\ncidr = "db.example.com"\n': (
        "a.toml:4: 'db.example.com' is a name, and a name may move; write its addresses"
    ),
    # nothing left
    "# nothing yet\n": (
        "a.toml: the scope is empty: nothing may be probed; "
        'write an [[allow]] entry for each range that is yours, as in cidr = "10.20.0.0/16"'
    ),
    '[[allow]]\ncidr = "10.0.0.0/24"\n[[deny]]\ncidr = "10.0.0.0/8"\n': (
        "a.toml: the deny entries take away every allowed address; remove or narrow one of them"
    ),
    # no TOML
    '[[allow]]\ncidr = "10.0.0.0\n': "a.toml:2: not valid TOML: Illegal character '\\n'; correct this line",
    '[[allow]]\ncidr = """10\n': "a.toml:2: not valid TOML: Unterminated string; correct this line",
    "a = " + "[" * 20000: "a.toml: is nested too deeply; write [[allow]] and [[deny]] alone",
}


@pytest.mark.parametrize(("text", "message"), TABLES.items(), ids=[str(n) for n in range(len(TABLES))])
def test_toml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    assert message == refused(path)


LISTS = {
    ("a.csv", "owner,site\nx,y\n"): (
        "a.csv:1: no column holds addresses; write a header with a cidr column, or start and end"
    ),
    ("a.csv", "cidr,ownr\n10.0.0.0/8,x\n"): "a.csv:1: unknown column 'ownr'; did you mean owner?",
    ("a.csv", "cidr,ip\n10.0.0.0/8,x\n"): "a.csv:1: two columns say cidr; keep one of them",
    ("a.csv", "cidr,owner\n10.0.0.0/8,x\n10.0.0.0/8\n"): (
        "a.csv:3: 1 cells under 2 columns; write one cell for each column"
    ),
    ("a.csv", 'cidr\n"10.0.0.0/8\n'): "a.csv:3: not valid CSV: unexpected end of data; correct this line",
    ("a.csv", "cidr,exclude\n10.0.0.0/8,maybe\n"): (
        "a.csv:2: exclude = 'maybe' is neither true nor false; write true or false"
    ),
    ("a.csv", "cidr,ports\n10.0.0.0/8,27017 x\n"): (
        "a.csv:2: ports = [27017, 'x'] is not a list of ports; "
        "write 1 to 64 numbers from 1 to 65535, as in ports = [27017]"
    ),
    ("a.csv", "start,end\n10.0.0.9,10.0.0.1\n"): (
        "a.csv:2: '10.0.0.9-10.0.0.1' runs backwards; write 10.0.0.1-10.0.0.9"
    ),
    ("a.csv", "cidr,owner\n,x\n"): 'a.csv:2: [[allow]] has no cidr; write cidr = "10.20.0.0/16"',
    ("a.tsv", "cidr\towner\n10.0.0.1\ta\n10.0.0.1\tb\n"): (
        "a.tsv:3: 10.0.0.1 is allowed on line 2 already, with owner 'a'; "
        "write one entry for it, or a narrower range for one of the two"
    ),
    ("a.txt", "10.0.0.0/8\n\n10.1 # x\n"): (
        "a.txt:3: '10.1' is a shortened or numeric form of an address; write all four octets in decimal"
    ),
    ("a.txt", "10.0.0.0/8\n!\n"): 'a.txt:2: an empty text is no address; write one, as in "10.20.0.0/16"',
    ("a.list", "11.0.0.1\n"): (
        "a.list:1: 11.0.0.1 is public address space without authorisation; "
        'write authorised_by = "CHG-1234" and expires = 2027-01-01'
    ),
    ("a.txt", " \n"): (
        'a.txt: is empty; write an [[allow]] entry for each range that is yours, as in cidr = "10.20.0.0/16"'
    ),
    ("a.txt", "10.0.0.1\0\n"): "a.txt:1: holds a NUL character, so it is no text; name a text file",
}


@pytest.mark.parametrize(("case", "message"), LISTS.items(), ids=[str(n) for n in range(len(LISTS))])
def test_csv_and_plain_text(tmp_path: Path, case: tuple[str, str], message: str) -> None:
    path = tmp_path / case[0]
    path.write_text(case[1], encoding="utf-8")
    assert message == refused(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert (
        refused(missing) == "none.toml: there is no such file; write the path of an allow-list,"
        " or let `mongosweep scope import` write it"
    )
    assert refused(tmp_path / "a\0b.toml").endswith("make it readable for this user")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert refused(folder) == "folder: is not a regular file; write its content to a file and name that"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert refused(fifo) == "fifo: is not a regular file; write its content to a file and name that"
    inside = tmp_path / "a.txt" / "b.txt"
    (tmp_path / "a.txt").write_text("10.0.0.1\n")
    with pytest.raises(ScopeError, match=r"cannot be read: Not a directory"):
        load_scope(inside, now=NOW)


def test_a_file_that_everybody_can_write_to(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("10.0.0.1\n")
    path.chmod(0o666)
    assert "can be written by everybody, so it proves nothing; run chmod o-w " in refused(path)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"10.0.0.1\n# caf\xe9\n")
    assert refused(path) == "a.txt:2: byte 0xe9 is not UTF-8; save the file as UTF-8"


def test_files_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"10.0.0.1\n" * (2**24 // 9 + 1))
    assert refused(path) == "a.txt: is larger than 16,777,216 bytes; split it, or write CIDRs in it"
    monkeypatch.setattr("targets.load.MAX_LINES", 3)
    path.write_bytes(b"10.0.0.1\n" * 4)
    assert refused(path) == "a.txt:3: more than 3 lines; write CIDRs, or split the file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("10.0.0.1\n")
    path.chmod(0)
    assert refused(path) == "a.txt: cannot be read: Permission denied; make it readable for this user"


def test_a_raised_ceiling_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("10.0.0.0/24\n")
    assert "more than max_targets = 255;" in refused(path, max_targets=255)
    assert len(load_scope(path, now=NOW, max_targets=256)) == 256


def test_an_empty_scope_is_for_who_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("")
    scope = load_scope(path, now=NOW, allow_empty=True)
    assert len(scope) == 0
    with pytest.raises(ScopeError, match="the scope is empty: nothing may be probed"):
        require_targets(scope, "a.toml")
    require_targets(Scope([Entry.of("10.0.0.1")]), "a.toml")
