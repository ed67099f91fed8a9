"""Whom the engine works with: the one who writes down what was found, and the one who holds prefixes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from results.verdict import Verdict
    from scanner.engine.probe import Conversation
    from targets.scope import Target

    Answered = tuple[Target, Any, Conversation]  # who, the engine's token, what was said


class Journalist(Protocol):
    """Who writes down what was found. `settle` must be called exactly once for each `record`."""

    @property
    def everything(self) -> bool:
        """Whether there is a line for every target, the silent ones too."""

    @property
    def asking(self) -> int:
        """How many open servers wait for their second opinion."""

    def record(
        self, target: Target, token: Any, talk: Conversation, settle: Callable[[Any, str], None]
    ) -> None:
        """A server answered. `settle(token, verdict)` when its line is written (or held to be needless)."""

    def record_twins(
        self, batch: list[Answered], settle: Callable[[list[Any], Counter[str]], None]
    ) -> list[Answered]:
        """What `record` does, for servers whose twin is known, and all of a turn at once; `settle(tokens,
        verdicts)` when their lines are written. Returns those that are for `record`. When it raises, nothing
        was recorded."""

    def flush(self) -> None:
        """Write what was recorded since the last call, in one go, and settle it. Called once a turn."""

    def record_silence(self, target: Target, outcome: Verdict, detail: str) -> None:
        """A target did not accept a connection; a line only when every outcome is wanted."""


class Held(Protocol):
    """Prefixes that must not be touched now."""

    @property
    def holding(self) -> bool:
        """Whether there are any."""

    def holds(self, version: int, address: int) -> bool:
        """Whether this address is in a blackout window."""
