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

MASK_LINES = 16  # lines written of hosts in one prefix that say the same; the rest are only counted
MASK_HOSTS = 16  # accepted connections in one prefix from which a middlebox is suspected
MASK_SHARE = 0.9  # share of them that said the same
ASKED_AGAIN = 64  # hosts of one prefix that get a second conversation


class MiddleboxWatch:
    """Prefixes in which everything accepts, and says nothing or the same: a box on the way completes the
    handshakes. `said` is what a host that is no MongoDB did, in a few words; empty for one that is."""

    def __init__(self) -> None:
        self._accepted: Counter[PrefixKey] = Counter()
        self._same: Counter[tuple[PrefixKey, str]] = Counter()
        self._conversations: Counter[PrefixKey] = Counter()
        self.left_out = 0  # lines that would only have repeated what the prefix shows

    def note(self, target: Target, said: str) -> bool:
        """Count one accepted connection. False when its line would only repeat what the prefix shows."""
        key = prefix_key(target.version, target.address)
        self._accepted[key] += 1
        if not said:
            return True
        self._same[key, said] += 1
        if self._same[key, said] <= MASK_LINES:
            return True
        self.left_out += 1
        return False

    def note_many(self, targets: Iterable[Target]) -> None:
        """Count accepted connections of MongoDB servers."""
        self._accepted.update(prefix_keys(targets))

    def worth_asking_again(self, target: Target) -> bool:
        """Whether a host that was not understood gets a second conversation: not when so many of its prefix
        have got one that a box on the way talks for them."""
        key = prefix_key(target.version, target.address)
        self._conversations[key] += 1
        return self._conversations[key] <= ASKED_AGAIN

    def state(self) -> list[tuple[int, int, str, int, int]]:
        """Family, prefix, what was said, accepted and said so, of each prefix with more than lines; for a
        checkpoint."""
        return [
            (*prefix_of(key), said, self._accepted[key], count) for (key, said), count in self._same.items()
        ]

    def restore(self, state: list[tuple[int, int, str, int, int]], left_out: int) -> None:
        """Go on counting where an earlier start of the run was."""
        self.left_out = left_out
        for version, prefix, said, accepted, count in state:
            key = prefix_key(version, prefix, 32, 128)
            self._accepted[key] = accepted
            self._same[key, said] += count

    def masked(self) -> list[str]:
        """Prefixes in which real servers may be invisible, each with its count."""
        return sorted(self.masks().values())

    def masks(self) -> dict[PrefixKey, str]:
        """The same by the keys of the prefixes."""
        found = {}
        for (key, said), count in self._same.items():
            accepted = self._accepted[key]
            if accepted >= MASK_HOSTS and count >= MASK_SHARE * accepted:
                prefix = _prefix_text(*prefix_of(key))
                found[key] = f"{prefix}: {count} of {accepted} accepted and {said}"
        return found


def _prefix_text(version: int, prefix: int) -> str:
    if version == 4:
        return f"{format_address(4, prefix << 8)}/24"
    return f"{format_address(6, prefix << 64)}/64"
