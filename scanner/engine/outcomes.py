"""Whom a probe tells how its targets ended, and who may go on with a conversation in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from results.verdict import Verdict
    from scanner.contact import Ending, LocalFault, Token
    from scanner.engine.conversation import Conversation
    from scanner.network.connect.base import Link
    from targets.scope import Target


class Outcomes(Protocol):
    """Who wants to know how a target ended: the engine."""

    def on_answer(self, target: Target, token: Token, talk: Conversation) -> None:
        """The target accepted a connection; the conversation holds the facts."""

    def on_witness(self, token: Token) -> None:
        """A witness (see `scanner.contact.witness`) accepted a connection; nothing was said on it."""

    def on_no_connection(self, target: Target, token: Token, outcome: Verdict, detail: str) -> None:
        """The target never accepted a connection."""

    def on_refused(self, batch: list[tuple[Token, Target, float]]) -> None:
        """Nobody listens on these targets: (token, target, seconds until the refusal came)."""

    def on_local_fault(self, target: Target, token: Token, fault: LocalFault, detail: str) -> None:
        """This machine could not ask."""

    def on_bug(self, target: Target, token: Token, error: Exception) -> None:
        """Our own code failed while the target was asked: that says nothing about the target."""


class Hands(Protocol):
    """Who may go on with a conversation instead: workers."""

    def worth(self, data: bytes) -> bool:
        """Whether much more will be asked after this first answer."""

    def take(self, link: Link, talk: Conversation, data: bytes, ending: Ending | None) -> bool:
        """Whether they take this connection, with the first answer that came on it, or how it ended without
        one. It is not the caller's then."""
