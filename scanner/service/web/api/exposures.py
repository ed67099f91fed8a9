"""The resource `exposures`: which there are, all of one, and what people write down beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from msgspec import Meta, Struct

from results.ledger.actions import ActionRecord
from results.ledger.tracked import Change, Look, TrackedExposure
from scanner.clock import timestamp
from scanner.service.view.acting import NotTakenError, check, write_down
from scanner.service.view.search import CursorError, Search, page
from scanner.service.web.api.endpoint import NoQuery, does, reads, snapshot_of
from scanner.service.web.api.openapi import PATH_VALUES
from scanner.service.web.api.paging import After, Limit, bad_cursor
from scanner.service.web.context import CONTEXT, READER
from scanner.service.web.problems import Invalid, ProblemError
from scanner.service.web.proof import proof_of
from scanner.service.web.visitor import Role, visitor_of

if TYPE_CHECKING:
    from results.ledger.store import Ledger
    from scanner.service.view.acting import Deed

PATH_VALUES["exposure_id"] = {
    "description": "the id of an exposure, or one that it had before",
    "schema": {"type": "string", "pattern": "^[0-9a-z_]{1,64}$", "examples": ["mx_68920e6b4f44"]},
}


class ExposuresQuery(Search, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for, and how much of it."""

    limit: Limit = 100
    after: After = ""


class Exposures(Struct, frozen=True, kw_only=True):
    """Some exposures, as they are at the moment `at`; of `total` that were asked for. `next` stands for
    `after` in the request for those behind them, "" where there are none. What `runs_not_in_ledger` found,
    running ones among them, is in none of these yet."""

    at: str
    runs_not_in_ledger: int
    total: int
    next: str
    exposures: list[TrackedExposure]


class Dossier(Struct, frozen=True, kw_only=True):
    """One exposure, as it is at the moment `at`: what happened to it, every look at it, and what people did;
    each oldest first."""

    at: str
    exposure: TrackedExposure
    changes: list[Change]
    looks: list[Look]
    actions: list[ActionRecord]


_Text = Annotated[str, Meta(max_length=4000)]


class Acknowledgement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody is at it. `note`: what is being done, or by when."""

    note: Annotated[_Text, Meta(examples=["moves behind the firewall on Friday"])] = ""


class Acceptance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whoever asks answers for it staying open until the end of a day (UTC), at most a year ahead."""

    until: Annotated[
        str,
        Meta(
            pattern=r"^\d{4}-\d{2}-\d{2}$",
            examples=["2026-12-31"],
            extra_json_schema={"format": "date"},
        ),
    ]
    reason: Annotated[_Text, Meta(min_length=1, examples=["read-only copy of public data"])]


class Withdrawal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The acceptance is taken back."""

    reason: _Text = ""


class Note(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something worth remembering. `aware_since`: when the organisation knew of it, where that was not at the
    first sight."""

    text: Annotated[_Text, Meta(min_length=1, examples=["the backup of 12 March is whole"])]
    aware_since: Annotated[
        str,
        Meta(
            pattern=r"^(|\d{4}-\d{2}-\d{2}(T[0-9:.]+(Z|[+-]\d{2}:\d{2}))?)$",
            examples=["2026-03-01T09:00:00Z"],
        ),
    ] = ""


@reads("Exposures, the gravest first", ExposuresQuery, Exposures, fails=(422,))
async def _list(request: web.Request, query: ExposuresQuery) -> Exposures:
    snapshot = await snapshot_of(request)
    try:
        some = page(query, snapshot, query.limit, query.after)
    except CursorError as error:
        raise bad_cursor() from error
    unread = (await proof_of(request, snapshot)).unread_count
    return Exposures(
        at=snapshot.at,
        runs_not_in_ledger=unread,
        total=some.total,
        next=some.next,
        exposures=some.exposures,
    )


@reads("One exposure with its changes, looks and actions", NoQuery, Dossier, fails=(404,))
async def _one(request: web.Request, _: NoQuery) -> Dossier:
    snapshot = await snapshot_of(request)
    exposure = await _asked_for(request)

    def read(ledger: Ledger) -> tuple[list[Change], list[Look]]:
        return list(ledger.changes(exposure.exposure_id)), ledger.looks(exposure.exposure_id)

    changes, looks = await request.app[READER].ask(read)
    actions = snapshot.actions_of(exposure)
    return Dossier(at=snapshot.at, exposure=exposure, changes=changes, looks=looks, actions=actions)


@does(
    "Say that somebody is at it",
    Role.ACKNOWLEDGE,
    Acknowledgement,
    ActionRecord,
    status=201,
    fails=(404, 409, 422),
)
async def _acknowledge(request: web.Request, body: Acknowledgement) -> ActionRecord:
    return await _written(request, "acknowledge", text=body.note)


@does(
    "Answer for it until a day", Role.ACKNOWLEDGE, Acceptance, ActionRecord, status=201, fails=(404, 409, 422)
)
async def _accept(request: web.Request, body: Acceptance) -> ActionRecord:
    return await _written(request, "accept", text=body.reason, until=body.until)


@does(
    "Take an acceptance back", Role.ACKNOWLEDGE, Withdrawal, ActionRecord, status=201, fails=(404, 409, 422)
)
async def _withdraw(request: web.Request, body: Withdrawal) -> ActionRecord:
    return await _written(request, "withdraw", text=body.reason)


@does(
    "Write something down beside it", Role.ACKNOWLEDGE, Note, ActionRecord, status=201, fails=(404, 409, 422)
)
async def _note(request: web.Request, body: Note) -> ActionRecord:
    return await _written(request, "note", text=body.text, since=body.aware_since)


_FIELDS: dict[Deed, dict[str, str]] = {
    "acknowledge": {"text": "note"},
    "accept": {"text": "reason"},
    "withdraw": {"text": "reason"},
    "note": {"since": "aware_since"},
}
"""What `acting` calls a field otherwise than the body of a request does."""


async def _written(
    request: web.Request, deed: Deed, *, text: str, until: str = "", since: str = ""
) -> ActionRecord:
    exposure = await _asked_for(request)
    now = timestamp(request.app[CONTEXT].clock.wall())
    try:
        checked = check(deed, exposure, now, text=text, until=until, since=since)
    except NotTakenError as error:
        if not error.field:
            raise ProblemError(409, str(error)) from error
        field = _FIELDS[deed].get(error.field, error.field)
        raise ProblemError(422, f"{field}: {error}", [Invalid(name=field, detail=str(error))]) from error
    by = visitor_of(request).name
    return await request.app[READER].write(lambda actions: write_down(actions, exposure, checked, by, now))


async def _asked_for(request: web.Request) -> TrackedExposure:
    snapshot = await snapshot_of(request)
    exposure_id = request.match_info["exposure_id"]
    exposure = snapshot.by_id.get(exposure_id)
    if exposure is None:
        raise ProblemError(404, f"no exposure has the id {exposure_id}; /api/v1/exposures lists them")
    return exposure


def routes() -> list[web.RouteDef]:
    """Its routes."""
    one = "/api/v1/exposures/{exposure_id}"
    return [
        web.get("/api/v1/exposures", _list),
        web.get(one, _one),
        web.post(f"{one}/acknowledge", _acknowledge),
        web.post(f"{one}/accept", _accept),
        web.post(f"{one}/withdraw", _withdraw),
        web.post(f"{one}/note", _note),
    ]
