"""What the tests of the dialogue share: answers of a few servers, one call that asks, a plan that records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from scanner.contact import TlsSession
from scanner.mongo import commands
from scanner.mongo.commands import Request, client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits, Next, Reply
from scanner.mongo.judge import Judgement, judge
from tests.support.converse import TlsPeer, converse
from tests.support.scripted import CLOSE, SILENT, Script, Scripted

CLIENT = client_metadata("Example", "soc@example.com", "0.1")
HELLO = {"ismaster": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0}
OLD = HELLO | {"maxWireVersion": 2}
BUILD = {"version": "7.0.1", "ok": 1.0}
LISTED = {"databases": [{"name": "admin"}, {"name": "shop"}], "ok": 1.0}
EMPTY = {"databases": [], "ok": 1.0}
LOGIN = {"ok": 0.0, "errmsg": "command listDatabases requires authentication", "code": 13}
SILENT_TO_MSG: dict[str, Script] = {"buildInfo by OP_MSG": SILENT, "listDatabases by OP_MSG": SILENT}
MODERN: dict[str, Script] = {"isMaster": HELLO, "buildInfo": BUILD, "listDatabases": LISTED}


def make(
    depth: Depth = Depth.VERDICT, limits: Limits | None = None, plan: Any = None, loopback: bool = False
) -> Dialogue:
    factory = (lambda *_: plan) if plan is not None else None
    return Dialogue(
        client=CLIENT, depth=depth, limits=limits or Limits(), loopback=loopback, plan_factory=factory
    )


def ask(peer: Scripted, tls: TlsPeer | None = None, **more: Any) -> tuple[Dialogue, Judgement]:
    dialogue = make(**more)
    converse(dialogue, peer, tls)
    assert dialogue.next is Next.DONE
    return dialogue, judge(dialogue.facts)


def error(code: int, text: str) -> dict[str, Any]:
    return {"ok": 0.0, "errmsg": text, "code": code}


def session(**more: Any) -> TlsSession:
    return replace(TlsSession(established=True, version="TLSv1.3"), **more)


CLOSING: dict[str, Script] = {"*": CLOSE}


@dataclass
class Recorder:
    """A plan that asks a list of requests and keeps the answers."""

    requests: list[Request]
    answers: list[tuple[Request, Reply]] = field(default_factory=list)
    largest: int = 0
    flying: int = 0

    def next_requests(self, room: int) -> list[Request]:
        assert room > 0
        taken, self.requests = self.requests[:room], self.requests[room:]
        self.flying += len(taken)
        self.largest = max(self.largest, self.flying)
        return taken

    def answered(self, request: Request, reply: Reply) -> None:
        self.flying -= 1
        self.answers.append((request, reply))


STATS = [commands.db_stats(f"d{i}") for i in range(200)]
STATS_OK = {"objects": 1, "ok": 1.0}
