"""The walk by blocks is the walk of the order, step for step; the marks are a set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.order import Order
from scanner.network.syn.marks import Marks, distinct
from scanner.network.syn.messages import OrderParameters
from scanner.network.syn.walk import MOST_TARGETS, Walk


def blocks(walk: Walk, count: int) -> list[int]:
    found: list[int] = []
    while not walk.ended:
        found += walk.take(count).tolist()
    return found


def parameters_of(order: Order, shards: int = 1) -> OrderParameters:
    return OrderParameters(order.size, order.prime, order.generator, order.start, order.shard, shards)


@given(st.integers(1, 3000), st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 64))
def test_blocks_are_the_order(size: int, seed: int, shards: int, block: int) -> None:
    union: list[int] = []
    for shard in range(shards):
        order = Order(size=size, seed=seed, shard=shard, shards=shards)
        mine = blocks(Walk(parameters_of(order, shards), 50), block)
        assert mine == [index for _, index in order.walk()]
        union += mine

    assert sorted(union) == list(range(size))


def test_a_walk_goes_on_from_a_position() -> None:
    order = Order(size=1000, seed=7)

    late = Walk(parameters_of(order)._replace(first=600), 100)

    assert blocks(late, 100) == [index for _, index in order.walk(after=599)]


def test_a_restarted_walk_is_the_same_again() -> None:
    walk = Walk(parameters_of(Order(size=500, seed=1)), 64)
    first = blocks(walk, 64)
    walk.restart()

    assert blocks(walk, 13) == first


def test_the_largest_order_does_not_overflow() -> None:
    size = MOST_TARGETS
    order = Order(size=size, seed=3)
    walk = Walk(parameters_of(order), 512)

    some = walk.take(512).tolist()

    expected = [order.at(position) for position in range(512)]
    assert some == [index for index in expected if index is not None]
    with pytest.raises(ValueError, match="use shards"):
        Walk(parameters_of(order)._replace(size=size + 1), 512)


@given(st.lists(st.lists(st.integers(0, 200), max_size=40), max_size=8))
def test_marks_are_a_set_that_says_what_is_new(batches: list[list[int]]) -> None:
    marks, model = Marks(201), set[int]()
    for batch in batches:
        column = np.array(batch, dtype=np.uint64)
        assert marks.add(column).tolist() == sorted(set(batch) - model)
        model |= set(batch)
        assert marks.has(column).all()
        assert distinct(column).tolist() == sorted(set(batch))

    assert {index for index in range(201) if index in marks} == model
