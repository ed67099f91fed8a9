"""The order: every index exactly once, whatever the size, the seed, the shards, and where it goes on."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.order import Order, OrderCursor, is_prime, prime_factors

SMALL_PRIMES = [
    2,
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    73,
    79,
    83,
    89,
    97,
]


def visited(order: Order, after: int = -1) -> list[int]:
    return [index for _, index in order.walk(after)]


def test_primes_are_primes() -> None:
    assert [n for n in range(100) if is_prime(n)] == SMALL_PRIMES
    assert is_prime(2**61 - 1)
    assert not is_prime(3215031751)  # a strong pseudoprime to bases 2, 3, 5 and 7


@given(st.integers(2, 10**9))
def test_factors_divide_and_are_prime(n: int) -> None:
    factors = prime_factors(n)
    assert all(n % factor == 0 and is_prime(factor) for factor in factors)
    rest = n
    for factor in factors:
        while rest % factor == 0:
            rest //= factor
    assert rest == 1


def test_every_size_up_to_a_thousand_is_a_permutation() -> None:
    for size in range(1, 1001):
        assert sorted(visited(Order(size, seed=size))) == list(range(size))


@pytest.mark.parametrize("size", [2**16, 2**20 - 1, 2**20, 2**20 + 1, 1_000_003])
def test_large_spaces_are_visited_exactly_once(size: int) -> None:
    seen = bytearray(size)
    for _, index in Order(size, seed=7).walk():
        seen[index] += 1
    assert seen.count(1) == size


@settings(max_examples=200)
@given(st.integers(1, 5000), st.integers(0, 2**64), st.integers(1, 9))
def test_shards_partition_the_space(size: int, seed: int, shards: int) -> None:
    parts = [Order(size, seed, shard, shards) for shard in range(shards)]
    walks = [visited(part) for part in parts]
    assert sorted(index for walk in walks for index in walk) == list(range(size))
    assert [part.count() for part in parts] == [len(walk) for walk in walks]


@given(st.integers(1, 3000), st.integers(0, 99), st.integers(1, 4), st.data())
def test_going_on_from_any_position_visits_the_rest(
    size: int, seed: int, shards: int, data: st.DataObject
) -> None:
    order = Order(size, seed, data.draw(st.integers(0, shards - 1)), shards)
    walk = list(order.walk())
    cut = data.draw(st.integers(0, len(walk)))
    after = walk[cut - 1][0] if cut else -1
    assert list(order.walk(after)) == walk[cut:]
    strides, taken = OrderCursor(order, after), list[tuple[int, int]]()
    while not strides.ended:
        taken += zip(*strides.take(data.draw(st.integers(1, 200))), strict=True)
    assert taken == walk[cut:]


@given(st.integers(1, 3000), st.integers(0, 99))
def test_a_position_names_the_same_index_for_ever(size: int, seed: int) -> None:
    order = Order(size, seed)
    assert all(order.at(position) == index for position, index in order.walk())


def test_the_seed_changes_the_order() -> None:
    assert visited(Order(1000, seed=1)) != visited(Order(1000, seed=2))
    assert visited(Order(1000, seed=1)) == visited(Order(1000, seed=1))


def test_neighbours_are_not_visited_together() -> None:
    """In a /16, two consecutive targets share a /24 about as often as chance has it."""
    walk = visited(Order(65536, seed=3))
    together = sum(a >> 8 == b >> 8 for a, b in itertools.pairwise(walk))
    assert together < 4 * 65536 / 256


def test_impossible_orders_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Order(0, seed=1)
    with pytest.raises(ValueError, match="does not exist"):
        Order(10, seed=1, shard=3, shards=3)
