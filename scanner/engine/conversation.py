"""What one target's links have in common: who asks, and what was said so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.contact import Token
    from scanner.engine.response_cache import CachedResponse
    from scanner.engine.written import Written
    from scanner.mongo.dialogue import Dialogue
    from scanner.mongo.facts import Own
    from scanner.mongo.fingerprint import Fingerprint
    from scanner.mongo.sizes_by_kind import Sizes, SizesAsked
    from scanner.network.connect.tls import TlsLayer
    from targets.scope import Target

    Answered = tuple[Target, Token, "Conversation"]  # who, the engine's token, what was said


class Conversation:
    """What one target's links have in common: its dialogue, and the TLS layer of the current connection."""

    # What most targets never have stands here: an object is made for every one that answers.
    begun = False
    fingerprint: Fingerprint | None = None  # of the first answer, while it is the only one
    cached: CachedResponse | None = None  # what came of the same answer before
    own: Own | None = None  # the first answer, where its kind is known and no more is asked than sizes
    sizes_asked: SizesAsked | None = None  # of such a server, and not answered yet
    sizes: Sizes | None = None  # what it answered
    opening_bytes = 0  # that were sent for it
    written: Written | None = None  # what a worker made of it: then nothing else is known here
    tls: TlsLayer | None = None
    want_tls: tuple[bool, bool] = (False, False)  # (TLS, legacy TLS) for the next connection
    connections = 1
    cut_at = 0.0  # when its time was over; 0.0 = it ended otherwise
    fell_silent = False  # it did not accept another connection after it had accepted one
    weight = 0  # bytes that it holds; see `MemoryBudget`
    waited = False  # for memory of ours, and nothing was heard since
    dialogue: Dialogue  # from `begun` on; a server that answers as one before it needs none

    def __init__(self, opened_at: float, connect_seconds: float) -> None:
        self.opened_at = opened_at
        self.connect_seconds = connect_seconds
        self.closed_at = opened_at + connect_seconds

    @property
    def is_known(self) -> bool:
        """Whether there was no need of a dialogue: its first answer, or its kind, is known."""
        return self.cached is not None or self.own is not None

    @property
    def is_plain(self) -> bool:
        """Whether a line can hold all that came: it was in another record, or is of a kind. Numbers of its
        own may add up to what no reader takes."""
        return self.sizes is None and self.is_known
