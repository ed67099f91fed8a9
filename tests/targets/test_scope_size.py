"""What a scope costs: a /8 in kilobytes, every address once, and thousands of entries."""

from __future__ import annotations

import tracemalloc

from targets.entries import Deny, Entry, govern
from targets.planning import narrow
from targets.scope import Scope


def test_a_slash_8_in_a_bitmap() -> None:
    """An index in sixteen, and every index near a hole, marks an allowed address of its own."""
    scope = Scope([Entry.of("10.0.0.0/8")], [Deny.of("10.20.30.0/24"), Deny.of("10.255.0.1")])
    assert len(scope) == 2**24 - 257
    holes = {*range(0x141E00, 0x141F00), 0xFF0001}
    asked = {
        *range(0, len(scope), 16),
        *range(0x141000, 0x143000),
        *range(0xFEF000, 0xFF1000),
        len(scope) - 1,
    }
    seen = bytearray(2**24)
    pick, permits = scope.pick, scope.permits
    for index in asked:
        target = pick(index)
        seen[target[1] - 0x0A000000] += 1
        assert permits(target, 0.0)
    assert seen.count(1) == len(asked)
    assert seen.count(0) == 2**24 - len(asked)
    assert not any(seen[hole] for hole in holes)
    whole = Scope([Entry.of("10.0.0.0/8")])
    for offset in (*range(0x141D00, 0x142000), *range(0xFF0000, 0xFF0004)):
        assert scope.permits(whole.pick(offset), 0.0) == (offset not in holes)


def test_a_slash_8_costs_kilobytes() -> None:
    allow, denied = [Entry.of("10.0.0.0/8")], [Deny.of("10.20.30.0/24")]
    Scope(allow, denied)
    tracemalloc.start()
    scope = Scope(allow, denied)
    scope.digest  # noqa: B018 — computing it must not expand anything either
    used, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 8192
    assert peak < 32768
    assert len(scope) == 2**24 - 256


def test_many_entries_stay_in_order() -> None:
    scope = Scope([Entry.of(f"10.{i >> 8}.{i & 255}.0/25", owner=str(i)) for i in range(5000)])
    assert len(scope) == 5000 * 128
    for index in range(0, len(scope), 997):
        target = scope.pick(index)
        assert scope.owner_of(target.address, 4).owner == str(index // 128)


def test_governors_of_ranges_that_cross() -> None:
    """The narrower governs where two cross; of two equally narrow ones, the first."""
    wide, narrow, equal = (
        Entry.of("10.0.0.0-10.0.0.9"),
        Entry.of("10.0.0.6-10.0.0.12"),
        Entry.of("10.0.0.11-10.0.0.17"),
    )
    base = 0x0A000000
    assert [(first - base, last - base, item) for first, last, item in govern([wide, narrow, equal], 4)] == [
        (0, 5, wide),
        (6, 12, narrow),
        (13, 17, equal),
    ]


def test_narrowing_by_thousands_of_targets_is_not_quadratic() -> None:
    """16,384 TARGETs into 5,000 entries: minutes if every TARGET walked every entry."""
    scope = Scope([Entry.of(f"10.{i >> 8}.{i & 255}.0/25", owner=str(i)) for i in range(5000)])
    texts = [f"10.{i >> 10 & 15}.{i >> 2 & 255}.{i & 3}:27017" for i in range(16384)]
    assert len(narrow(scope, texts)) == 16384
