"""How a conversation opens: the first write, and what the answers to it teach for all that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.mongo.answers import ErrorKind, error_kind, is_handshake, refuses_client, wire_version
from scanner.mongo.commands import Request, build_info, encode, hello, is_master, list_databases
from scanner.mongo.questions import FIRST_WIRE_WITH_MSG
from scanner.mongo.wire import Opcode

if TYPE_CHECKING:
    from scanner.mongo.facts import Document, Reply
    from scanner.mongo.questions import DialogueState

CLIENTS_KEPT: Final = 8
OPENING_MESSAGES: Final = 3  # of the first write


class Opener(NamedTuple):
    """One request of the first write: where its reply goes, the request, its opcode and its bytes."""

    slot: str
    request: Request
    by: Opcode
    message: bytes


# By the identity of the document that says who asks: the same one in all conversations of a run.
_KNOWN: Final[dict[int, tuple[Document | None, tuple[Opener, ...]]]] = {}


def first_write(client: Document | None, last_id: int, *, api_version: bool) -> tuple[Opener, ...]:
    """The three requests of the opening. On a first connection they are the same bytes to every server."""
    first = last_id == 0 and not api_version
    if first and id(client) in _KNOWN:
        return _KNOWN[id(client)][1]
    asked = (
        ("hello", is_master(client), Opcode.OP_QUERY),
        ("build_info", build_info(), Opcode.OP_MSG),
        ("list_databases", list_databases(), Opcode.OP_MSG),
    )
    made = tuple(
        Opener(slot, request, by, encode(request, last_id + number, by, api_version=api_version))
        for number, (slot, request, by) in enumerate(asked, 1)
    )
    if first:
        if len(_KNOWN) >= CLIENTS_KEPT:
            _KNOWN.clear()
        _KNOWN[id(client)] = client, made  # which keeps the document, so that no other one gets its identity
    return made


def handshake_again(state: DialogueState) -> tuple[Request, Opcode]:
    """The first request of a later connection, by the opcode that worked."""
    if state.facts.hello is not None and state.facts.hello.by == Opcode.OP_MSG:
        return hello(state.client), Opcode.OP_MSG
    return is_master(state.client), Opcode.OP_QUERY


def learn(state: DialogueState, slot: str, reply: Reply) -> bool:
    """Keep what one answer says of how to go on. True when OP_MSG may stay unanswered for ever."""
    facts = state.facts
    if error_kind(reply) is ErrorKind.API_VERSION:
        facts.api_version_required = True
    if not reply.in_kind:
        facts.answers_out_of_kind = True
    if slot != "hello":
        return False
    if _handshake_failed(state, reply):
        state.client = None
    if not is_handshake(reply):
        return False
    document = reply.document or {}
    facts.max_wire_version = wire_version(document, "maxWireVersion")
    facts.min_wire_version = wire_version(document, "minWireVersion")
    if reply.by == Opcode.OP_MSG or (facts.max_wire_version or 0) >= FIRST_WIRE_WITH_MSG:
        state.opcode = Opcode.OP_MSG
        return False
    state.opcode = Opcode.OP_QUERY
    return True


def _handshake_failed(state: DialogueState, reply: Reply) -> bool:
    """Whether leaving out who asks is worth a try: it was refused, or both handshakes failed oddly."""
    both = "hello" in state.asked and error_kind(reply) is ErrorKind.OTHER
    return both or refuses_client(reply)
