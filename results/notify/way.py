"""A way over which a letter goes, as its sender sees it, and the two ends that are no arrival."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.notify.letter import Letter


class NotSentError(Exception):
    """The other side cannot have the letter; says why. It may be sent again."""


class UnclearError(Exception):
    """The other side may have the letter or not; says why. It is not sent again by itself."""


class Said(NamedTuple):
    """What the other side said when it took a letter; `refused`: for whom it did not, and why."""

    text: str
    refused: tuple[str, ...] = ()


class Way(Protocol):
    """One of folder, SMTP, webhook. `place`: where it leads to, without a secret."""

    name: str
    place: str

    async def send(self, letter: Letter, handing_over: Callable[[], None]) -> Said:
        """Send one letter and return what the other side said of it.

        `handing_over` is called once everything is ready and before the other side can have it; it makes that
        durable. Raises `NotSentError` and `UnclearError`, and nothing else for what happens on the way.
        """
        ...

    async def close(self) -> None:
        """Let go of what is open."""
        ...
