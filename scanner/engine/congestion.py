"""What outcomes say about the network: signs of congestion and loss, for the pace, the caps of prefixes and
the rounds in which targets are asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import LOST_AFTER
from scanner.engine.unanswered import SILENT, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.contact import Token
    from scanner.engine.conversation import Answered, Conversation
    from scanner.engine.pace import Pace, PrefixCaps
    from scanner.engine.repetition import Repetition
    from targets.scope import Target
    from targets.target import PrefixKey


class CongestionFeedback:
    """Passes each outcome on to whoever draws a conclusion from it. Tokens are the engine's."""

    def __init__(self, pace: Pace, caps: PrefixCaps, repetition: Repetition) -> None:
        self._pace = pace
        self._caps = caps
        self._repetition = repetition

    def answered(self, talk: Conversation) -> None:
        """A server talked, whoever asked it."""
        self._pace.observe_round_trip(talk.connect_seconds)
        self._pace.stress.timeouts_after_answers += talk.fell_silent

    def accepted(self, target: Target, token: Token, lost: bool) -> None:
        """A target accepted a connection; `lost` when something was lost on the way."""
        key = self._caps.key(target[0], target[1])
        self._caps.observe(key, lost)
        self._repetition.answered(token, key, lost)

    def answered_many(self, tokens: list[Token], batch: list[Answered]) -> None:
        """What `answered` and `accepted` do, for servers that did not fall silent."""
        keys = self._caps.keys([target for target, _, _ in batch])
        self._caps.observe_many(keys)
        waited = [talk.connect_seconds for _, _, talk in batch]
        self._pace.observe_round_trips(waited)
        self._repetition.answered_many(tokens, keys, self._late(keys, waited))

    def refused_many(
        self, tokens: Sequence[Token], targets: Sequence[Target], waited: Sequence[float]
    ) -> None:
        """So many targets refused, each so many seconds after it was asked."""
        keys = self._caps.keys(targets)
        self._caps.observe_many(keys)
        self._repetition.refused_many(tokens, keys, self._late(keys, waited))
        self._pace.stress.refused += len(tokens)

    def _late(self, keys: list[PrefixKey], waited: Sequence[float]) -> list[PrefixKey]:
        """The prefixes of those that answered a second SYN, for the first was lost: noted as such."""
        if max(waited) <= LOST_AFTER:  # as in nearly every turn
            return []
        late = [key for key, seconds in zip(keys, waited, strict=True) if seconds > LOST_AFTER]
        for key in late:
            self._caps.note_loss(key)
        return late

    def unanswered(self, target: Target, token: Token, outcome: Verdict, waited: float) -> Verdict:
        """A target accepted no connection; `waited` seconds until that was known. Returns its outcome."""
        if outcome is Verdict.REFUSED:
            self.refused_many([token], [target], [waited])
            return outcome
        key = self._caps.key(target[0], target[1])
        if outcome is Verdict.UNREACHABLE:
            # After seconds it was nobody's refusal: an address resolution ended, here or at a router.
            self._pace.stress.unreachable += waited <= LOST_AFTER
            return self._repetition.not_accepted(token, key, UNREACHABLE)
        return self._repetition.not_accepted(token, key, SILENT)
