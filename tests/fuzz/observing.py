"""From a dialogue that is over to its record, as a sweep makes it. Nothing is asked of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scanner.engine.conversation import Conversation
from scanner.engine.observe import RunContext, observe
from tests.support.tables import scope_from_tables

if TYPE_CHECKING:
    from results.record import Observation
    from scanner.mongo.dialogue import Dialogue

NOON: Final = 1_795_521_600.0  # 2026-11-24 12:00 UTC
_ALLOW: Final = {"cidr": "127.0.0.1/32", "owner": "us", "kind": "lab"}
_SCOPE: Final = scope_from_tables([_ALLOW], source="fuzz", now=NOON)
_VANTAGE: Final = RunContext("fuzz", _SCOPE)
_TARGET: Final = _SCOPE.pick(0)


def observation(dialogue: Dialogue) -> Observation:
    """The record of what this dialogue learned."""
    talk = Conversation(0.0, 0.0)
    talk.dialogue, talk.begun = dialogue, True
    return observe(_VANTAGE, _TARGET, talk, NOON)
