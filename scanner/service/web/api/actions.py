"""The resource `actions`: what people did and who was told, newest first, and whether the chain is whole."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from results.ledger.action import AUDIT, ActionKind, ActionRecord
from scanner.service.web.api.endpoint import reads, snapshot_of
from scanner.service.web.api.paging import After, Limit, bad_cursor
from scanner.service.web.visitor import Role, visitor_of


class ActionsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which actions, and how many."""

    kind: Annotated[tuple[ActionKind, ...], Meta(description="any of these kinds")] = ()
    by: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="who did it, by the whole name", examples=["web on-call"]),
    ] = None
    exposure_id: Annotated[
        Annotated[str, Meta(max_length=64)] | None,
        Meta(description="those that are about this exposure", examples=["mx_68920e6b4f44"]),
    ] = None
    limit: Limit = 100
    after: After = ""


class ActionLine(Struct, frozen=True, kw_only=True):
    """One action. `number`: its place among those that can be read, from 1. `proven`: its place in the chain
    is; what is not counts for nothing."""

    number: int
    proven: bool
    action: ActionRecord


class Actions(Struct, frozen=True, kw_only=True):
    """Some actions, newest first: what visitors of the page did or were refused only where the role is
    operate. `next` stands for `after` in the request for older ones, "" where there are none. `broken`: where
    their chain is and why, "" where it is whole."""

    at: str
    next: str
    broken: str
    actions: list[ActionLine]


@reads("What people did, and who was told", ActionsQuery, Actions, fails=(422,))
async def _list(request: web.Request, query: ActionsQuery) -> Actions:
    snapshot = await snapshot_of(request)
    number = len(snapshot.actions)
    if query.after:
        if not query.after.isascii() or not query.after.isdigit() or not 0 < int(query.after) <= number + 1:
            raise bad_cursor()
        number = int(query.after) - 1
    proven = len(snapshot.actions) - snapshot.unproven
    about = None
    if query.exposure_id is not None:
        exposure = snapshot.by_id.get(query.exposure_id)
        names = [exposure.exposure_id, *exposure.former_ids] if exposure else [query.exposure_id]
        about = frozenset(names)
    may_audit = visitor_of(request).role >= Role.OPERATE
    found: list[ActionLine] = []
    while number > 0 and len(found) < query.limit:
        record = snapshot.actions[number - 1]
        if _takes(query, record, about) and (may_audit or record.kind not in AUDIT):
            found.append(ActionLine(number=number, proven=number <= proven, action=record))
        number -= 1
    more = str(number + 1) if number > 0 else ""
    return Actions(at=snapshot.at, next=more, broken=snapshot.doubt, actions=found)


def _takes(query: ActionsQuery, record: ActionRecord, about: frozenset[str] | None) -> bool:
    return (
        (not query.kind or record.kind in query.kind)
        and (query.by is None or record.by == query.by)
        and (about is None or not about.isdisjoint(record.exposure_ids))
    )


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/api/v1/actions", _list)]
