"""How a scope is cut into shards: each target in exactly one, no prefix in two, nothing that grows."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from results.covered import Covered
from scanner.fleet.division import Division, shard_name
from scanner.fleet.parts import divide, identity
from scanner.setup.settings import Settings
from targets.entries import Deny, Entry
from targets.scope import Scope


def scope_of(*cidrs: str, deny: tuple[str, ...] = (), ports: tuple[int, ...] = (27017,)) -> Scope:
    return Scope([Entry.of(cidr, owner="x") for cidr in cidrs], [Deny.of(text) for text in deny], ports=ports)


SCOPES = {
    "one /16": scope_of("10.0.0.0/16"),
    "ragged": scope_of(
        "10.0.0.7-10.0.9.200", "10.1.2.3", "172.16.5.128/25", deny=("10.0.3.0/24", "10.0.4.9")
    ),
    "ports": scope_of("10.0.0.0/22", "192.168.1.77", ports=(27017, 27018, 28017)),
    "one address": scope_of("10.9.9.9"),
    "both families": scope_of("10.0.0.0/23", "fd00:1::10-fd00:1::400", "fd00:2::7"),
}


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("size", [1, 100, 1024, 1 << 20])
def test_every_target_is_in_exactly_one_shard(name: str, size: int) -> None:
    scope = SCOPES[name]
    division = Division(scope, size, (24, 64))
    bounds = [division.bounds(number) for number in range(len(division))]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(scope) == division.targets
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    expected = [(t.version, t.address, t.port) for t in map(scope.pick, range(len(scope)))]
    found = [
        (row.version, address, port)
        for first, last in bounds
        for row in division.rows(first, last)
        for address in range(row.first, row.last + 1)
        for port in row.ports
    ]
    assert found == expected


@pytest.mark.parametrize("name", SCOPES)
def test_no_prefix_is_in_two_shards(name: str) -> None:
    division = Division(SCOPES[name], 300, (24, 64))
    seen: dict[tuple[int, int], int] = {}
    for number in range(len(division)):
        for row in division.rows(*division.bounds(number)):
            shift = 8 if row.version == 4 else 64
            for prefix in range(row.first >> shift, (row.last >> shift) + 1):
                assert seen.setdefault((row.version, prefix), number) == number


@pytest.mark.parametrize("name", SCOPES)
def test_halves_are_the_whole(name: str) -> None:
    """Cut until nothing can be cut: every piece is one address with all of its ports."""
    division = Division(SCOPES[name], 1 << 20, (24, 64))
    pieces, whole = [division.bounds(0)], []
    while pieces:
        first, last = pieces.pop()
        halves = division.halves(first, last)
        if len(halves) == 1:
            assert halves == [(first, last)]
            whole.append((first, last))
        else:
            assert [halves[0][0], halves[1][1]] == [first, last]
            assert halves[0][1] == halves[1][0]
            pieces += halves
    assert sum(last - first for first, last in whole) == division.targets
    for first, last in whole:
        rows = list(division.rows(first, last))
        assert sum(row.targets for row in rows) == last - first
        assert len(rows) == 1
        assert rows[0].first == rows[0].last


def test_any_range_of_a_large_scope_is_worked_out_at_once() -> None:
    """4,000,000,000 targets: a look at a shard costs what its rows cost."""
    scope = scope_of(
        *(f"{n}.0.0.0/8" for n in range(1, 100) if n not in (10, 127)), "10.0.0.0/8", ports=(27017, 1, 2)
    )
    division = Division(scope, 1 << 16, (24, 64))
    chance = random.Random(4)
    for _ in range(200):
        first, last = division.bounds(chance.randrange(len(division)))
        assert sum(row.targets for row in division.rows(first, last)) == last - first


def test_names_are_of_plain_letters_and_differ() -> None:
    names = [shard_name(site, 0, 9) for site in ("paris", "Paris 15e", "Paris 15f", "../..", "", "a" * 200)]
    assert names[0] == "paris_0-9"
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").replace("-", "").isalnum() for name in names)


def test_each_site_has_its_own_part_however_many_there_are() -> None:
    """One pass over the entries: a part for each of many sites is not made of all entries each time."""
    entries = [
        Entry.of(f"10.{number >> 6}.{number & 63}.0/28", owner="a", site=f"s{number % 50}")
        for number in range(500)
    ]
    scope = Scope(entries, ports=[27017, 27018])
    tallies = divide(scope, Settings(), "", 1024, 1)
    assert sum(each.division.targets for each in tallies.values()) == len(scope)
    for site, tally in tallies.items():
        own = Covered(tally.division.rows(0, tally.division.targets))
        part = Scope([each for each in entries if each.site == site], ports=[27017, 27018])
        assert own.targets == len(part)
        assert all(
            own.contains(target.ip, target.port)
            for target in (part.pick(index) for index in range(0, len(part), 7))
        )
    halves = [
        Entry.of(f"{first}/29", owner="a", site=entry.site)
        for entry in entries
        for first in (entry.text.removesuffix("/28"), entry.text.replace(".0/28", ".8"))
    ]
    again = divide(Scope(halves, ports=[27017, 27018]), Settings(), "", 512, 9)
    assert identity(again) == identity(tallies), "the same targets"
    other = Entry.of("10.0.0.0/28", owner="a", site="s1")
    moved = Scope([other, *entries[1:]], ports=[27017, 27018])
    assert identity(divide(moved, Settings(), "", 512, 9)) != identity(tallies)
