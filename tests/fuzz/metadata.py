"""Fuzz target `plan`: any documents as answers to the metadata plan, in any order, to the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from results.lines import MAX_LINE, MAX_OBSERVATION, to_lines
from scanner.mongo.answers import wire_version
from scanner.mongo.commands import RefusedRequest, encode, is_legacy
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Facts, Limits, Reply
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.wire import Opcode
from tests.fuzz.observing import observation
from tests.fuzz.oracle import check_requests, must
from tests.fuzz.source import Source
from tests.fuzz.talk import CLIENT, KNOWN
from tests.support.lines import read_back

if TYPE_CHECKING:
    from scanner.mongo.commands import Request

LIMITS: Final = (
    Limits(),
    Limits(databases_kept=3, databases_asked=2, collections_kept=4, collections_asked=2, cursor_rounds=2),
)
MAX_REQUESTS: Final = 1500


def run(data: bytes) -> None:
    """One input: the facts before the plan, then one answer after another until there are no more bytes."""
    source = Source(data, decoded=True)
    options = source.byte()
    facts = _facts(source, options)
    limits = LIMITS[options >> 1 & 1]
    plan = MetadataPlan(facts, limits, (Depth.COLLECTIONS, Depth.DATABASES)[options >> 2 & 1])
    asked = 0
    waiting: list[Request] = []
    while asked < MAX_REQUESTS:
        room = 1 + source.below(8)
        new = plan.next_requests(room)
        must(len(new) <= room, "more requests than there is room for")
        asked += len(new)
        waiting += new
        for request in new:
            _check(request)
        if not waiting or not source.left:
            break
        request = waiting.pop(source.below(len(waiting)))
        plan.answered(request, _reply(source, request))
    must(asked < MAX_REQUESTS, "asks without end")
    for request in waiting:
        plan.answered(request, Reply(command=request.command, error="closed"))
    _record(plan, facts)


def _facts(source: Source, options: int) -> Facts:
    known = options & 8
    hello = KNOWN[source.below(6)] if known else source.document()
    build = {"version": source.text(), "ok": 1} if known else source.document()
    listed = source.document() if options & 16 else {"databases": _names(source), "ok": 1}
    return Facts(
        hello=Reply(command="hello", document=hello, by="OP_MSG"),
        build_info=Reply(command="buildInfo", document=build, by="OP_MSG"),
        list_databases=Reply(command="listDatabases", document=listed, by="OP_MSG"),
        max_wire_version=wire_version(hello, "maxWireVersion"),
        loopback=bool(options & 32),
    )


def _names(source: Source) -> list[dict[str, object]]:
    return [
        {"name": source.text(), "sizeOnDisk": source.value(), "empty": source.value()}
        for _ in range(source.below(8))
    ]


def _reply(source: Source, request: Request) -> Reply:
    choice = source.byte()
    reply = Reply(command=request.command, by="OP_MSG")
    if choice < 90:
        reply.document = source.document()
        reply.document.setdefault("ok", 1.0)
    elif choice < 150:
        reply.document = dict(KNOWN[source.below(len(KNOWN))])
    elif choice < 200:
        batch = [source.value() for _ in range(source.below(6))]
        cursor = {
            "id": source.number(),
            "ns": f"{request.database}.$cmd.listCollections",
            "firstBatch": batch,
        }
        reply.document = {"cursor": cursor, "ok": 1}
    elif choice < 240:
        reply.document = {"ok": 0, "code": source.number(), "errmsg": source.text()}
    else:
        reply.error = "closed"
    return reply


def _check(request: Request) -> None:
    """The request can be written, or is refused in the way that the dialogue knows."""
    for opcode in (Opcode.OP_QUERY,) if is_legacy(request.command) else (Opcode.OP_QUERY, Opcode.OP_MSG):
        try:
            check_requests(encode(request, 5, opcode, api_version=True))
        except RefusedRequest as refusal:
            must("a request of" in str(refusal), "a name that the plan should have kept back:", refusal)


def _record(plan: MetadataPlan, facts: Facts) -> None:
    exposure = plan.exposure()
    must(plan.exposure() == exposure, "two looks, two exposures")
    for database in exposure.databases:
        for number in (database.size_bytes, database.documents):
            must(number is None or 0 <= number < 2**63, "a size that is none:", number)
    dialogue = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=facts.loopback)
    dialogue.facts = facts
    dialogue._plan = plan  # the one seam where a plan enters a record
    seen = observation(dialogue)
    lines = to_lines(seen)
    must(len(lines[0]) <= MAX_OBSERVATION, "an observation that is too long")
    for line in lines:
        must(line.isascii() and line.count(b"\n") == 1, "a line that is more than one")
        must(len(line) <= MAX_LINE, "a line that is too long")
    again = read_back(lines)
    must(again.verdict is seen.verdict, "a record that does not read back")
    held = again.exposure.databases if again.exposure is not None else []
    must(len(held) == len(exposure.databases), "databases that were lost on the way to the journal")
