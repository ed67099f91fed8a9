"""Allow-lists that are in order: what each form of file says, and that all three say the same."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from targets.errors import ScopeError
from targets.load import load_scope
from tests.support.tables import scope_from_tables

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_798_000_000.0


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


TOML = """
[[allow]]
cidr = "10.20.0.0/16"
owner = "web platform"
contact = "web-oncall@example.com"
site = "paris"
labels = { env = "prod", tier = "1" }

[[allow]]
cidr = ["10.30.0.1", "10.30.1.0-10.30.1.9", "fd00::/120"]
ports = [27018, 27017, 27018]

[[allow]]
cidr = "11.0.0.0/24"
authorised_by = "CHG-1234"
expires = 2027-06-01

[[allow]]
cidr = "127.1.0.0/16"
kind = "lab"

[[deny]]
cidr = "10.20.30.0/24"
reason = "medical devices"
"""


def test_toml(tmp_path: Path) -> None:
    path = write(tmp_path, "scope.toml", TOML)
    scope = load_scope(path, now=NOW)
    web, one, some, six, public, lab = scope.entries
    assert (web.owner, web.contact, web.site) == ("web platform", "web-oncall@example.com", "paris")
    assert dict(web.labels) == {"env": "prod", "tier": "1"}
    assert (web.line, web.source, web.expires, web.kind) == (3, str(path), math.inf, "estate")
    assert [entry.ports for entry in (one, some, six)] == [(27017, 27018)] * 3
    assert public.expires == datetime(2027, 6, 1, tzinfo=UTC).timestamp()
    assert public.authorised_by == "CHG-1234"
    assert lab.kind == "lab"
    assert [(item.deny.reason, item.addresses) for item in scope.excluded] == [("medical devices", 256)]
    assert scope.address_count == 65536 - 256 + 1 + 10 + 256 + 256 + 65536
    assert len(scope) == scope.address_count + 1 + 10 + 256
    assert scope.expires == public.expires


def test_the_three_forms_say_the_same(tmp_path: Path) -> None:
    toml = write(
        tmp_path,
        "a.toml",
        '[[allow]]\ncidr = "10.1.0.0/24"\n[[allow]]\ncidr = "10.2.0.0-10.2.0.9"\n'
        '[[deny]]\ncidr = "10.1.0.7"\nreason = "no"\n',
    )
    table = write(
        tmp_path,
        "a.csv",
        "start;end;exclude;reason\n10.1.0.0;10.1.0.255;;\n10.2.0.0;10.2.0.9;no;\n10.1.0.7;;yes;no\n",
    )
    plain = write(tmp_path, "a.txt", "\ufeff10.1.0.0/24   # web\r\n\r\n10.2.0.0-10.2.0.9\n! 10.1.0.7 # no\n")
    scopes = [load_scope(path, now=NOW) for path in (toml, table, plain)]
    assert len({scope.digest for scope in scopes}) == 1
    assert [scope.excluded[0].deny.reason for scope in scopes] == ["no"] * 3


def test_csv_carries_everything_that_toml_does(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.csv",
        "# exported\nNetwork,Team,Site,Tags,Port,authorized_by,expires,note,kind\n"
        '10.1.0.0/24,web,paris,"env=prod, tier1",27017/27018,,,"two\nlines",\n'
        "\n"
        "11.0.0.0/24,edge,,,,CHG-9,2027-06-01T12:00:00+02:00,,\n"
        "127.0.0.0/24,,,,,,,,lab\n",
    )
    web, edge, lab = load_scope(path, now=NOW).entries
    assert (web.owner, web.site, dict(web.labels), web.ports) == (
        "web",
        "paris",
        {"env": "prod", "tier1": ""},
        (27017, 27018),
    )
    assert edge.expires == datetime(2027, 6, 1, 10, tzinfo=UTC).timestamp()
    assert (edge.authorised_by, edge.line) == ("CHG-9", 6)
    assert lab.kind == "lab"


def test_tables_that_somebody_else_parsed() -> None:
    places: list[tuple[str | int, ...]] = []

    def line_of(place: tuple[str | int, ...]) -> int:
        places.append(place)
        return 41

    scope = scope_from_tables(
        [{"cidr": "10.0.0.0/24", "owner": "a"}],
        [],
        source="mongosweep.toml",
        line_of=line_of,
        now=NOW,
        ports=(1, 2),
    )
    assert len(scope) == 512
    assert scope.entries[0].line == 41
    assert places == [("allow", 0, "cidr")]
    with pytest.raises(ScopeError) as caught:
        scope_from_tables([{"cidr": "10.0.0.1/24"}], source="mongosweep.toml", line_of=line_of, now=NOW)
    assert str(caught.value).startswith(
        "mongosweep.toml:41: '10.0.0.1/24' has host bits set; write 10.0.0.0/24"
    )
    error = caught.value
    assert (error.path, error.line, error.reason) == (
        "mongosweep.toml",
        41,
        "'10.0.0.1/24' has host bits set",
    )


def test_without_line_numbers_the_file_is_named() -> None:
    with pytest.raises(ScopeError, match=r"^tables: 10\.0\.0\.0/24 is allowed on another entry already"):
        scope_from_tables(
            [{"cidr": "10.0.0.0/24", "owner": "a"}, {"cidr": "10.0.0.0/24"}], source="tables", now=NOW
        )


def test_repetitions_are_merged() -> None:
    tables = [{"cidr": "10.0.0.0/24", "owner": "a"}, {"cidr": "10.0.0.0-10.0.0.255", "owner": "a"}]
    scope = scope_from_tables(tables, source="tables", now=NOW)
    assert len(scope.entries) == 1


def test_ranges_may_cross_when_it_makes_no_difference() -> None:
    tables = [{"cidr": "10.0.0.0-10.0.0.9", "owner": "a"}, {"cidr": "10.0.0.5-10.0.0.19", "owner": "a"}]
    assert len(scope_from_tables(tables, source="tables", now=NOW)) == 20


def test_entries_may_be_nested_with_other_owners_at_any_depth() -> None:
    tables = [{"cidr": f"10.0.0.0/{length}", "owner": str(length)} for length in range(32, 7, -1)]
    scope = scope_from_tables(tables, source="tables", now=NOW)
    assert scope.owner_of(0x0A000000).owner == "32"
    assert scope.owner_of(0x0A000003).owner == "30"
    assert scope.owner_of(0x0AFFFFFF).owner == "8"


def test_private_and_loopback_space_may_be_one_range_with_public_space_only_when_authorised() -> None:
    table = {"cidr": "9.255.255.255-10.0.0.9", "authorised_by": "CHG-1", "expires": "2027-06-01"}
    assert len(scope_from_tables([table], source="tables", now=NOW)) == 11


def test_twenty_thousand_lines(tmp_path: Path) -> None:
    text = "".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(0, 40_000, 2))
    scope = load_scope(write(tmp_path, "a.txt", text), now=NOW)
    assert len(scope) == 20_000
    assert scope.pick(19_999).ip == "10.0.156.62"
