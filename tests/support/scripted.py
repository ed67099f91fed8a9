"""A server made of a dictionary: what it answers to each command, document by document, encoded by `bson`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bson

from tests.support.replay import Answer, Message, parse, reply_to, split

SILENT = b""
CLOSE = None
# A document, raw bytes, SILENT, CLOSE, or a function of the request that gives one of these.
Said = dict[str, Any] | bytes | None
Script = Said | Callable[[Message], Said] | list[Said]


@dataclass
class Scripted:
    """Answers by `command by FORM`, `command`, or `*`. Of a list: each in turn, the last one for ever."""

    script: dict[str, Script]
    closes_at_once: bool = False
    greeting: bytes = b""
    seen: list[Message] = field(default_factory=list)
    connections: int = 0

    def connect(self) -> Answer:
        """A new connection."""
        self.connections += 1
        return Answer(b"", self.closes_at_once)

    def commands(self) -> list[str]:
        """What was asked, with the form."""
        return [f"{m.command} by {_form(m)}" for m in self.seen]

    def answer(self, request: bytes) -> Answer:
        """The replies to the whole messages in `request`, in order, up to a close."""
        if self.greeting:
            return Answer(self.greeting, closed=False)
        replies = b""
        for raw in split(request):
            message = parse(raw)
            assert message is not None
            self.seen.append(message)
            said = self._say(message)
            if said is CLOSE:
                return Answer(replies, closed=True)
            if isinstance(said, dict):
                said = reply_to(message, bson.encode(said), flags=2 if "$err" in said else 8)
            replies += said
        return Answer(replies, closed=False)

    def _say(self, message: Message) -> Said:
        for key in (f"{message.command} by {_form(message)}", message.command, "*"):
            if key in self.script:
                said = self.script[key]
                if isinstance(said, list):
                    said = said.pop(0) if len(said) > 1 else said[0]
                return said(message) if callable(said) else said
        return {"ok": 0.0, "errmsg": f"no such command: '{message.command}'", "code": 59}


def _form(message: Message) -> str:
    return "OP_QUERY" if message.opcode == 2004 else "OP_MSG"
