"""Errors for programs: `application/problem+json` (RFC 9457), which says what was wrong and what to write."""

from __future__ import annotations

import http
import logging
import secrets
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web
from msgspec import Struct

from results.files import DirectoryBusyError, ResultsError
from results.text import visible
from scanner.errors import MongosweepError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scanner.service.web.visitor import Handler

MEDIA: Final = "application/problem+json"
_FOR_PROGRAMS: Final = ("/api/", "/metrics", "/healthz", "/readyz")
_DETAIL: Final = 1000  # characters
_RETRY_SECONDS: Final = "5"
_log = logging.getLogger(__name__)


class Invalid(Struct, frozen=True, kw_only=True):
    """One thing in a request that cannot be taken: which parameter or field, and what to write there."""

    name: str
    detail: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was not answered (RFC 9457). `title` is the phrase of the status, `detail` a sentence."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    invalid: list[Invalid] = []


class ProblemError(Exception):
    """Ends a handler of the API with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        invalid: Sequence[Invalid] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.invalid = list(invalid)
        self.headers = headers or {}


def problem(
    status: int, detail: str, invalid: Sequence[Invalid] = (), headers: Mapping[str, str] | None = None
) -> web.Response:
    """The answer that says so."""
    found = [Invalid(name=visible(each.name, 100), detail=visible(each.detail, _DETAIL)) for each in invalid]
    body = Problem(
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=visible(detail, _DETAIL),
        invalid=found,
    )
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type=MEDIA, headers=dict(headers or {})
    )


def is_for_programs(path: str) -> bool:
    """Whether an address is read by programs, who get problems where people get pages."""
    return path.startswith(_FOR_PROGRAMS)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler of the API raises into a problem."""
    if not is_for_programs(request.path):
        return await handler(request)
    try:
        return await handler(request)
    except ProblemError as error:
        return problem(error.status, error.detail, error.invalid, error.headers)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {name: value for name, value in error.headers.items() if not name.startswith("Content-")}
        return problem(error.status, _said(request, error), headers=kept)
    except DirectoryBusyError as error:
        return problem(503, str(error), headers={"Retry-After": _RETRY_SECONDS})
    except (MongosweepError, ResultsError) as error:
        return problem(503, str(error))
    except Exception:  # noqa: BLE001 - a program is told, the log has all of it
        number = secrets.token_hex(4)
        _log.exception("error %s while answering %s", number, request.match_info.route.resource)
        return problem(500, f"a defect of mongosweep; its log tells more beside the number {number}")


def _said(request: web.Request, error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"this address takes {', '.join(sorted(error.allowed_methods))}"
    if error.text and error.text != f"{error.status}: {error.reason}":
        return error.text
    if error.status == 404:
        return f"nothing is at {request.path}; /api/v1/openapi.json lists what there is"
    return ""
