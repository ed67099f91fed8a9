"""The page `scope`: which addresses may be asked, whose they are, until when, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from scanner.service.view.scope import SOON_DAYS, scope_view
from scanner.service.web.context import CONTEXT, COVERAGE, READER
from scanner.service.web.pages.paging import page_of
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from scanner.service.view.scope import Allowed

MOST_NAMED = 12
"""So many entries are named where something is missing of them."""

GAP_WORDS = {
    "open-outside": (
        "open, and outside the scope",
        "Nobody may ask them, so nothing proves them closed. Allow their addresses, or settle it by hand.",
    ),
    "ended": (
        "authorisation has ended",
        "Nobody asks them any more. Write a later end once they are authorised again, or remove the entry.",
    ),
    "ends-soon": (
        f"authorisation ends within {SOON_DAYS} days",
        "Ask whoever authorised them before sweeps leave them out.",
    ),
    "never-covered": (
        "never covered, or not all of it",
        "No complete sweep ever asked some of their targets.",
    ),
    "not-scheduled": (
        "in no schedule",
        "Only a sweep started by hand asks them. Name their site or owner in a [[schedule]].",
    ),
    "no-owner": ("without an owner", "An exposure there is nobody's. Write one into the entry."),
    "no-contact": ("whose owner has no contact", "Write one, and they can be told of what is open."),
    "nothing-left": (
        "of which nothing is left",
        "Deny entries, or more specific ones, take all of their addresses. Remove them, or narrow those.",
    ),
    "no-end": (
        "authorised without an end",
        "Nobody is asked again whether they may still be swept. Write the day on which it expires.",
    ),
}
"""What is missing, after a count of entries or exposures; and what to do."""


@needs(Role.VIEW)
async def page(request: web.Request) -> web.StreamResponse:
    """The page."""
    context = request.app[CONTEXT]
    snapshot = await request.app[READER].current()
    if context.scope is None:
        return render(request, "scope.html", view=None, at=snapshot.at)
    schedules = context.config.settings.schedule if context.config else ()
    coverage = await request.app[COVERAGE].current(snapshot.runs, context.scope, snapshot.at)
    view = scope_view(context.scope, snapshot.open, schedules, coverage, snapshot.at)
    words = request.query.get("q", "").strip()
    shown = page_of([each for each in view.allowed if _matches(each, words)], request)
    return render(
        request,
        "scope.html",
        view=view,
        at=snapshot.at,
        rows=shown,
        words=words,
        gap_words=GAP_WORDS,
        most_named=MOST_NAMED,
        source=context.config.path if context.config else "",
        scheduled=bool(schedules),
    )


def _matches(entry: Allowed, words: str) -> bool:
    text = " ".join(
        (entry.entry, entry.owner, entry.site, entry.contact, entry.authorised_by, *entry.schedules)
    ).casefold()
    return all(word in text for word in words.casefold().split())


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/scope", page)]
