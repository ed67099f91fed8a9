"""The order of `scanner.engine.order` as a vector: the same walk through the cyclic group, a block of steps
at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scanner.network.syn.cookie import U64
    from scanner.network.syn.messages import OrderParameters

# One product of two residues has to fit into 64 bits.
MOST_TARGETS = (1 << 32) - 100


class Walk:
    """Blocks of the walk. `position` is that of the next step; `positions` is the length of the whole
    walk."""

    def __init__(self, parameters: OrderParameters, block: int) -> None:
        if parameters.size > MOST_TARGETS:
            raise ValueError(f"{parameters.size} targets in one go: at most {MOST_TARGETS}; use shards")
        self._parameters = parameters
        self.positions = parameters.prime - 1
        stride = pow(parameters.generator, parameters.stride, parameters.prime)
        powers = np.empty(block, dtype=np.uint64)
        powers[0] = 1
        filled = 1
        while filled < block:
            more = min(filled, block - filled)
            jump = np.uint64(pow(stride, filled, parameters.prime))
            powers[filled : filled + more] = powers[:more] * jump % np.uint64(parameters.prime)
            filled += more
        self._powers = powers
        self._stride = stride
        self.restart()

    def restart(self) -> None:
        """Go back to the first step."""
        self.go_on(self._parameters.first)

    def go_on(self, position: int) -> None:
        """Stand before the step at `position`, which a walk of the same steps has come to."""
        parameters = self._parameters
        self.position = position
        self._element = (
            parameters.start * pow(parameters.generator, position, parameters.prime) % parameters.prime
        )

    @property
    def ended(self) -> bool:
        """True when every step has been taken."""
        return self.position >= self.positions

    def take(self, count: int) -> U64:
        """The indices of the next `count` steps (at most one block); fewer where steps are stepped over."""
        parameters = self._parameters
        left = -(-(self.positions - self.position) // parameters.stride)
        count = min(count, left, len(self._powers))
        elements = self._powers[:count] * np.uint64(self._element) % np.uint64(parameters.prime)
        self._element = self._element * pow(self._stride, count, parameters.prime) % parameters.prime
        self.position += count * parameters.stride
        if parameters.size < self.positions:
            elements = elements[elements <= np.uint64(parameters.size)]
        return elements - np.uint64(1)
