"""The page of one exposure: where it stands, its story and evidence, and what people write down beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from aiohttp import web

from results.ledger import dossier as dossiers
from results.ledger.choose import named, nearest
from results.ledger.database import NoLedgerError
from results.ledger.store import UnknownExposureError
from results.report.content import Dossier
from results.report.dossier_page import dossier_body, tiles
from results.report.gather import read_dossier
from results.text import visible
from scanner.clock import timestamp
from scanner.service.view.acting import Deed, NotTakenError, check, write_down
from scanner.service.web.context import CONTEXT, READER
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs, visitor_of

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure
    from scanner.service.view.snapshot import Snapshot

_DONE = {
    "acknowledge": "It is written down that you are at it.",
    "accept": "The acceptance is written down.",
    "withdraw": "The acceptance is withdrawn.",
    "note": "The note is written down.",
}
_FIELDS = ("text", "until", "since")


@needs(Role.VIEW)
async def exposure(request: web.Request) -> web.StreamResponse:
    """One exposure, by its id, a former one, or the beginning of one."""
    snapshot = await request.app[READER].current()
    one = _wanted(snapshot, request.match_info["exposure"])
    if one.exposure_id != request.match_info["exposure"]:
        raise web.HTTPSeeOther(f"/exposures/{one.exposure_id}")
    return await _page(request, snapshot, one)


def _wanted(snapshot: Snapshot, name: str) -> TrackedExposure:
    """Raises `HTTPNotFound`, which names the nearest."""
    one = snapshot.by_id.get(name)
    if one is not None:
        return one
    found = named(name, snapshot.exposures)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(each.exposure_id for each in found[:5])
        said = f"{visible(name, 60)} may be one of {len(found):,}: {ids}."
    else:
        close = ", ".join(nearest(name, snapshot.exposures))
        said = f"No exposure is called {visible(name, 60)}." + (f" Nearest are {close}." if close else "")
    raise web.HTTPNotFound(text=said)


async def _page(
    request: web.Request,
    snapshot: Snapshot,
    one: TrackedExposure,
    *,
    refused: tuple[str, NotTakenError] | None = None,
    typed: dict[str, str] | None = None,
) -> web.Response:
    """`refused`: a deed that was not taken, and why; `typed`: what stood in its form."""
    actions, output = snapshot.actions_of(one), request.app[CONTEXT].output
    try:
        content = await request.app[READER].ask(
            lambda ledger: read_dossier(ledger, output, one, actions, snapshot.at)
        )
    except (NoLedgerError, UnknownExposureError):  # it was pruned meanwhile
        content = Dossier(now=snapshot.at, exposure=one)
    return render(
        request,
        "exposure.html",
        status=200 if refused is None else 422,
        one=one,
        snapshot=snapshot,
        headline=dossiers.headline(one),
        tiles=tiles(one),
        body=dossier_body(content),
        done=_DONE.get(request.query.get("done", ""), ""),
        deed=refused[0] if refused else "",
        wrong=refused[1] if refused else None,
        typed=typed or dict.fromkeys(_FIELDS, ""),
    )


@needs(Role.ACKNOWLEDGE)
async def act(request: web.Request) -> web.StreamResponse:
    """Acknowledge, accept, withdraw an acceptance, or note; back to the page then."""
    deed: Deed = request.match_info["deed"]  # type: ignore[assignment]  # the route takes no other
    form = await request.post()
    typed = {key: value if isinstance(value := form.get(key, ""), str) else "" for key in _FIELDS}
    snapshot = await request.app[READER].current()
    one = _wanted(snapshot, request.match_info["exposure"])
    now = timestamp(request.app[CONTEXT].clock.wall())
    try:
        checked = check(deed, one, now, **typed)
    except NotTakenError as error:
        return await _page(request, snapshot, one, refused=(deed, error), typed=typed)
    by = visitor_of(request).name
    await request.app[READER].write(lambda actions: write_down(actions, one, checked, by, now))
    raise web.HTTPSeeOther(f"/exposures/{one.exposure_id}?done={deed}#done")


def routes() -> list[web.RouteDef]:
    """Its routes."""
    deeds = "|".join(get_args(Deed))
    return [
        web.get("/exposures/{exposure}", exposure),
        web.post(f"/exposures/{{exposure}}/{{deed:{deeds}}}", act),
    ]
