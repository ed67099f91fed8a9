"""What a run covers is its scope, exactly; what was taken out since is told, and never too little of it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from results.covered import Covered, encode, load_coverage, parse_row
from results.run import load_manifest
from scanner.network.guard import ScopeGuard
from scanner.sweep.withdrawal import Withdrawal, rows_of
from targets.entries import Deny, Entry
from targets.grammar import Span
from targets.scope import Scope
from tests.support.sweeps import scope_of, sweep
from tests.support.walk import StillClock

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE = 0x0A090000  # 10.9.0.0


def same(covered: Covered, scope: Scope) -> None:
    """Each target of the scope is covered, and nothing else."""
    assert covered.targets == len(scope)
    for index in range(len(scope)):
        target = scope.pick(index)
        assert covered.contains(target.ip, target.port)


@pytest.mark.parametrize("seed", range(5))
def test_a_scope_and_what_it_covers_hold_the_same_targets(seed: int) -> None:
    """Entries with ports of their own inside one another, denied parts, and pairs of address and port."""
    chance = random.Random(seed)
    entries = [Entry.of("10.9.0.0/23", owner="a"), Entry.of("fd00::/120", owner="b")]
    entries += [
        Entry.of(f"10.9.0.{16 * n}/28", owner="c", ports=tuple(chance.sample((1, 2, 3, 27017), 2)))
        for n in chance.sample(range(16), 5)
    ]
    denies = [Deny.of(f"10.9.{n % 2}.{chance.randrange(256)}") for n in range(20)]
    scope = Scope(entries, denies, ports=(27017, 27018))
    same(Covered(rows_of(scope)), scope)
    pairs: list[tuple[Span, int | None]] = [
        (Span(4, at, at + chance.randrange(3)), chance.choice((None, 1, 27017)))
        for at in (BASE + chance.randrange(512) for _ in range(60))
    ]
    part = scope.restrict(pairs)
    covered = Covered(rows_of(part))
    same(covered, part)
    data = encode(rows_of(part))
    assert data == encode(covered.rows())
    assert data[0] is not None
    assert data[0].targets == len(part)


def asked(scope: Scope, guard: ScopeGuard, before: Iterable[str] = ()) -> Withdrawal:
    return Withdrawal(scope, guard, list(before))


def test_a_reload_an_expiry_and_the_edges_of_links_are_told() -> None:
    clock = StillClock()
    soon = clock.time + 100
    scope = Scope([Entry.of("10.9.0.0/24", owner="a"), Entry.of("10.9.2.0/24", owner="b", expires=soon)])
    guard = ScopeGuard(scope, clock)
    withdrawal = asked(scope, guard)
    assert withdrawal.ranges() == []
    guard.narrow(scope.without([Deny.of("10.9.0.16/28")]))
    assert withdrawal.ranges() == ["10.9.0.16-10.9.0.31:27017"]
    clock.time = soon
    assert withdrawal.ranges() == ["10.9.0.16-10.9.0.31:27017", "10.9.2.0-10.9.2.255:27017"]
    edges = ScopeGuard(scope, StillClock(), edges=[Deny.of("10.9.0.0"), Deny.of("10.9.0.255")])
    assert asked(scope, edges).ranges() == ["10.9.0.0:27017", "10.9.0.255:27017"]
    before = ["10.9.0.7:27017", "192.0.2.1:27017"]
    assert asked(scope, edges, before).ranges() == ["10.9.0.0:27017", "10.9.0.7:27017", "10.9.0.255:27017"]


def test_what_an_earlier_start_withdrew_stays_withdrawn() -> None:
    scope = Scope([Entry.of("10.9.0.0/24", owner="a")])
    before = ["10.9.0.16-10.9.0.31:27017"]
    assert asked(scope, ScopeGuard(scope, StillClock()), before).ranges() == before


def test_the_directory_of_a_sweep_tells_what_it_covered(tmp_path: Path, port: int) -> None:
    whole = scope_of(port, "127.91.0.0/28", deny=("127.91.0.8/30",))
    part = whole.restrict([(Span(4, 0x7F5B0004, 0x7F5B0009), None)])
    summary, _ = sweep(part, tmp_path, whole_scope=whole)
    path = Path(summary.run_dir)
    coverage = load_coverage(path, load_manifest(path)[0])
    assert coverage is not None
    assert [str(row) for row in coverage.covered.rows()] == [f"127.91.0.4-127.91.0.7:{port}"]
    assert coverage.asked("127.91.0.7", port) is True
    assert coverage.asked("127.91.0.8", port) is False
    assert not list(map(parse_row, load_manifest(path)[0].withdrawn))
