"""Messages, put together from the actions that tell of their stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.actions import ActionRecord, Stage


class Message(NamedTuple):
    """A message: the action that intended it, its last stage, since when, and what was said of that."""

    intended: ActionRecord
    stage: Stage
    at: str
    detail: str

    @property
    def may_have_arrived(self) -> bool:
        """Whether sending it again could make a second copy."""
        return self.stage in ("handing-over", "unclear", "done")


def messages(records: Iterable[ActionRecord]) -> dict[str, Message]:
    """Every message by its id, in the order in which they were first intended."""
    found: dict[str, Message] = {}
    for record in records:
        if record.message_id:
            message = follow(found.get(record.message_id), record)
            if message is not None:
                found[record.message_id] = message
    return found


def follow(before: Message | None, record: ActionRecord) -> Message | None:
    """A message after one more of its stages; None where it was never intended."""
    if before is None and record.stage != "intended":
        return None
    intended = record if before is None or record.stage == "intended" else before.intended
    return Message(intended, record.stage, record.at, record.detail)
