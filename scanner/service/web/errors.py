"""Errors as pages: what is wrong, and what to do next. Programs get theirs from the API."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from aiohttp import web

from results.files import ResultsError
from scanner.errors import MongosweepError
from scanner.service.web.render import render

if TYPE_CHECKING:
    from scanner.service.web.visitor import Handler

_log = logging.getLogger(__name__)
_NOT_PAGES = ("/api/", "/metrics", "/healthz", "/readyz", "/events")
_TEXTS = {
    400: ("This cannot be read", "Something in the address or the form is not what the page expects."),
    401: ("Sign in first", "This page is for people who are signed in."),
    403: ("Your role does not allow this", "Ask somebody who runs this service for a role that does."),
    404: ("There is no such page", "The address may be mistyped, or what it named is no longer kept."),
    405: ("This page takes no such request", "It is opened with a link, or sent with its own form."),
    413: ("That was too much", "A form here takes 64 KiB at most. Write a shorter text."),
    421: ("Asked under another name", "The service answers only to the names in its configuration."),
    429: ("Too many tries", "Wait a little, then try again."),
    500: ("Something broke", "This is a defect of mongosweep, and nothing that you did."),
    503: ("Not to be had just now", "What this page is made of cannot be read. Nothing is lost by waiting."),
}


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler raises into a page."""
    if request.path.startswith(_NOT_PAGES):
        return await handler(request)
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        page = error_page(request, error.status, _said(error))
        for name, value in error.headers.items():
            if name not in page.headers:
                page.headers[name] = value
        return page
    except (MongosweepError, ResultsError) as error:
        return error_page(request, 503, str(error))
    except Exception:  # noqa: BLE001 - a person is told, the log has all of it
        number = secrets.token_hex(4)
        _log.exception("error %s while answering %s", number, request.match_info.route.resource)
        return error_page(request, 500, f"The log of the service tells more beside the number {number}.")


def _said(error: web.HTTPException) -> str:
    """What the handler wrote for the person; aiohttp's own words say nothing to one."""
    text = error.text or ""
    return "" if text == f"{error.status}: {error.reason}" else text


def error_page(request: web.Request, status: int, said: str = "") -> web.Response:
    """The page of an error. `said` is a sentence of its own, such as what to write instead."""
    heading, sentence = _TEXTS.get(status, _TEXTS[500 if status >= 500 else 400])
    return render(
        request, "error.html", status=status, heading=heading, sentence=sentence, said=said, code=status
    )
