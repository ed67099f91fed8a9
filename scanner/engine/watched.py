"""Places that were found open before: of each that is asked there is a line, whatever came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from results.record import Reason
from targets.target import prefix_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from results.record import Observation
    from scanner.engine.middlebox import MiddleboxWatch
    from targets.scope import Target


class Watched:
    """The watched targets of a run, and what those said that may have been said by a box on the way."""

    def __init__(self, targets: frozenset[Target] = frozenset()) -> None:
        self.targets = targets
        self._doubtful: dict[Target, Observation] = {}

    def __contains__(self, target: Target) -> bool:
        return target in self.targets

    def note(self, target: Target, seen: Observation | None) -> None:
        """A line of a watched target is written. `seen`: the observation, None for one that speaks MongoDB's
        protocol, which no box on the way does for it."""
        if seen is None:
            self._doubtful.pop(target, None)
        else:
            self._doubtful[target] = seen

    def speak(self, targets: Iterable[Target]) -> None:
        """All of these speak MongoDB's protocol."""
        if self._doubtful:
            for target in targets:
                self._doubtful.pop(target, None)

    def masked(self, middleboxes: MiddleboxWatch) -> Iterator[Observation]:
        """What is known at the end: observations in masked prefixes once more, saying so. Each once."""
        masks = middleboxes.masks()
        doubtful, self._doubtful = self._doubtful, {}
        for target, seen in doubtful.items():
            words = masks.get(prefix_key(target.version, target.address))
            if words is not None:
                evidence = [*seen.evidence, Reason(code="masked-prefix", detail=words)]
                yield msgspec.structs.replace(seen, evidence=evidence)
