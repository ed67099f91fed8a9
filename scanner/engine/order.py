"""A keyed permutation of the index space, as a walk through a cyclic group; and its shards.

The walk visits g^k * s mod P for k = 0, 1, 2, …, where P is the smallest prime above the number of targets,
g a generator of its multiplicative group and s a start, both drawn from the seed. Each residue 1..P-1 comes
exactly once; the few above the number of targets are stepped over. So the state of a sweep is one integer
(the position k), neighbours in the address space are far apart in time, and a shard is the positions of one
residue class. The idea is ZMap's (Durumeric, Wustrow, Halderman, USENIX Security 2013, section 4.1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STRIDE = 1024  # steps that `Order.walk` works out at once

# Deterministic for every n below 3.3e24 (Sorenson and Webster, 2015).
_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


def is_prime(n: int) -> bool:
    """Miller–Rabin with fixed witnesses; exact for n below 3.3e24."""
    if n < 2:
        return False
    for p in _WITNESSES:
        if n % p == 0:
            return n == p
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd //= 2
        twos += 1
    for witness in _WITNESSES:
        x = pow(witness, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime_factors(n: int) -> list[int]:
    """The distinct prime factors of n, by trial division: n is a sweep's size, so its root is small."""
    factors = []
    candidate = 2
    while candidate * candidate <= n:
        if n % candidate == 0:
            factors.append(candidate)
            while n % candidate == 0:
                n //= candidate
        candidate += 1 if candidate == 2 else 2
    if n > 1:
        factors.append(n)
    return factors


def _draw(seed: int, what: str, attempt: int, below: int) -> int:
    """A number in [1, below) that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{seed}/{what}/{attempt}/{below}".encode()).digest()
    return 1 + int.from_bytes(digest, "big") % (below - 1) if below > 1 else 1


def shared_seed(scope_digest: str) -> int:
    """The seed of all parts of one sweep, wherever they run: it follows from their scope."""
    return int(scope_digest[:15], 16)


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which `size` indices are visited, or shard `shard` of `shards` of it.

    `positions` is the length of the whole walk; positions of this shard are `shard`, `shard + shards`, ….
    Raises ValueError for a size below 1 or a shard that does not exist.
    """

    size: int
    seed: int
    shard: int = 0
    shards: int = 1
    prime: int = field(init=False)
    generator: int = field(init=False)
    start: int = field(init=False)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("an order needs at least one target")
        if not 0 <= self.shard < self.shards:
            raise ValueError(f"shard {self.shard} of {self.shards} does not exist")
        prime = self.size + 1
        while not is_prime(prime):
            prime += 1
        object.__setattr__(self, "prime", prime)
        object.__setattr__(self, "generator", self._find_generator(prime))
        object.__setattr__(self, "start", _draw(self.seed, "start", 0, prime))

    def _find_generator(self, prime: int) -> int:
        factors = prime_factors(prime - 1)
        attempt = 0
        while True:
            candidate = _draw(self.seed, "generator", attempt, prime)
            if all(pow(candidate, (prime - 1) // factor, prime) != 1 for factor in factors):
                return candidate
            attempt += 1

    @property
    def positions(self) -> int:
        """How many steps the whole walk has, all shards together."""
        return self.prime - 1

    def count(self) -> int:
        """How many indices this shard visits: exact, by arithmetic on the steps that are stepped over."""
        if self.shards == 1:
            return self.size
        return self.count_until(self.positions - 1)

    def count_until(self, position: int) -> int:
        """How many indices this shard has visited when the walk has come to `position` (-1: none)."""
        mine = len(range(self.shard, position + 1, self.shards))
        steps = (self.position_of(element) for element in range(self.size + 1, self.prime))
        return mine - sum(step <= position and step % self.shards == self.shard for step in steps)

    def position_of(self, element: int) -> int:
        """The step at which the walk stands on `element` (baby-step giant-step; for the few stepped over)."""
        wanted = element * pow(self.start, -1, self.prime) % self.prime
        order = self.positions
        width = int(order**0.5) + 1
        baby: dict[int, int] = {}
        value = 1
        for step in range(width):
            baby.setdefault(value, step)
            value = value * self.generator % self.prime
        stride = pow(self.generator, -width, self.prime)
        value = wanted
        for giant in range(width + 1):
            if value in baby:
                return (giant * width + baby[value]) % order
            value = value * stride % self.prime
        raise AssertionError("every element of the group is a power of its generator")

    def at(self, position: int) -> int | None:
        """The index visited at a position of the walk, or None where the walk steps over it."""
        element = self.start * pow(self.generator, position, self.prime) % self.prime
        return element - 1 if element <= self.size else None

    def first_after(self, position: int) -> int:
        """The first position of this shard behind another one (-1: the first of all)."""
        if position < self.shard:
            return self.shard
        return self.shard + ((position - self.shard) // self.shards + 1) * self.shards

    def walk(self, after: int = -1) -> Iterator[tuple[int, int]]:
        """Yield (position, index) of this shard in order, beginning behind the position `after`."""
        cursor = OrderCursor(self, after)
        while not cursor.ended:
            yield from zip(*cursor.take(STRIDE), strict=True)


class OrderCursor:
    """Where a walk through an order stands; hands out its next steps as columns."""

    def __init__(self, order: Order, after: int = -1) -> None:
        self._order = order
        self._position = order.first_after(after)
        self._element = order.start * pow(order.generator, self._position, order.prime) % order.prime
        self._step = pow(order.generator, order.shards, order.prime)

    @property
    def ended(self) -> bool:
        """Whether no step is left."""
        return self._position >= self._order.positions

    def take(self, count: int) -> tuple[list[int], list[int]]:
        """Positions and indices of the next steps, `count` at most; fewer where steps are stepped over."""
        position, element, step = self._position, self._element, self._step
        prime, size, stride = self._order.prime, self._order.size, self._order.shards
        left = -(-(self._order.positions - position) // stride)
        positions, indices = [], []
        for _ in range(min(count, left)):
            if element <= size:
                positions.append(position)
                indices.append(element - 1)
            element = element * step % prime
            position += stride
        self._position, self._element = position, element
        return positions, indices
