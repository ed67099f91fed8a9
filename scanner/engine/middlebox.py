"""Boxes on the way that complete every handshake: behind one, real servers are invisible."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from targets.grammar import format_address
from targets.target import prefix_key, prefix_keys, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from targets.scope import Target
    from targets.target import PrefixKey

MASK_LINES = 16  # lines written of mute hosts in one prefix before the rest are only counted
MASK_HOSTS = 64  # accepted connections in one prefix from which a middlebox is suspected
MASK_SHARE = 0.9  # share of them that said nothing


class MiddleboxWatch:
    """Prefixes in which everything accepts and nothing speaks: a box on the way completes the handshakes."""

    def __init__(self) -> None:
        self._accepted: Counter[PrefixKey] = Counter()
        self._mute: Counter[PrefixKey] = Counter()

    def note(self, target: Target, mute: bool) -> bool:
        """Count one accepted connection. False when its line would only repeat what the prefix shows."""
        key = prefix_key(target.version, target.address)
        self._accepted[key] += 1
        if not mute:
            return True
        self._mute[key] += 1
        return self._mute[key] <= MASK_LINES

    def note_many(self, targets: Iterable[Target]) -> None:
        """Count accepted connections that were not mute."""
        self._accepted.update(prefix_keys(targets))

    def state(self) -> list[tuple[int, int, int, int]]:
        """Family, prefix, accepted and mute of each prefix in which somebody was mute; for a checkpoint."""
        return [(*prefix_of(key), self._accepted[key], mute) for key, mute in self._mute.items()]

    def restore(self, state: list[tuple[int, int, int, int]]) -> None:
        """Go on counting where an earlier start of the run was."""
        for version, prefix, accepted, mute in state:
            key = prefix_key(version, prefix, 32, 128)
            self._accepted[key] += accepted
            self._mute[key] += mute

    def masked(self) -> list[str]:
        """Prefixes in which real servers may be invisible, each with its count."""
        found = []
        for key, mute in self._mute.items():
            accepted = self._accepted[key]
            if accepted >= MASK_HOSTS and mute >= MASK_SHARE * accepted:
                prefix = _prefix_text(*prefix_of(key))
                found.append(f"{prefix}: {mute} of {accepted} accepted and said nothing")
        return sorted(found)


def _prefix_text(version: int, prefix: int) -> str:
    if version == 4:
        return f"{format_address(4, prefix << 8)}/24"
    return f"{format_address(6, prefix << 64)}/64"
