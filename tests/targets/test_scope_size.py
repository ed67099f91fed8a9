"""What a scope costs: a /8 in kilobytes, every address once, and thousands of entries."""

from __future__ import annotations

import tracemalloc

from targets.entries import Deny, Entry, govern
from targets.scope import Scope


def test_a_slash_8_in_a_bitmap() -> None:
    """Every address of 10.0.0.0/8 minus deny is picked exactly once, and nothing else."""
    scope = Scope([Entry.of("10.0.0.0/8")], [Deny.of("10.20.30.0/24"), Deny.of("10.255.0.1")])
    assert len(scope) == 2**24 - 257
    seen = bytearray(2**24)
    pick, base = scope.pick, 0x0A000000
    for index in range(len(scope)):
        seen[pick(index)[1] - base] += 1
    expected = bytearray(b"\x01") * 2**24
    expected[0x141E00:0x141F00] = bytes(256)
    expected[0xFF0001] = 0
    assert seen == expected
    for offset in (*range(0x141D00, 0x142000), 0xFF0000, 0xFF0001, 0xFF0002):
        target = Scope([Entry.of("10.0.0.0/8")]).pick(offset)
        assert scope.permits(target, 0.0) == bool(expected[offset])


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
        assert scope.index_of(target) == index
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
