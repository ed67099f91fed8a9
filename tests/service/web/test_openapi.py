"""The OpenAPI document: every resource is in it, and every schema is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from results.ledger.overlay import Deadlines
from scanner.clock import SystemClock
from scanner.service.view.reader import Reader
from scanner.service.web.api.endpoint import DESCRIPTION
from scanner.service.web.api.openapi import document
from scanner.service.web.app import application
from scanner.service.web.context import Context
from scanner.service.web.problems import is_for_programs
from scanner.service.web.visitor import ROLE_ATTRIBUTE
from tests.support.page import FakeService

if TYPE_CHECKING:
    from aiohttp import web

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "api.md"


@pytest.fixture
def app(tmp_path: Path) -> web.Application:
    context = Context(output=tmp_path, config=None, scope=None, clock=SystemClock())
    return application(context, Reader(tmp_path, Deadlines()), FakeService())


def operations(app: web.Application) -> dict[tuple[str, str], dict[str, Any]]:
    """By method and path."""
    paths = document(app)["paths"]
    return {(method.upper(), path): about for path, found in paths.items() for method, about in found.items()}


def test_every_resource_for_programs_is_in_it_and_says_its_role(app: web.Application) -> None:
    found = operations(app)
    served = {
        (route.method, route.resource.canonical): route
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD" and is_for_programs(route.resource.canonical)
    }
    assert found.keys() == served.keys()
    for key, route in served.items():
        assert hasattr(route.handler, DESCRIPTION), key
        role = getattr(route.handler, ROLE_ATTRIBUTE)
        assert found[key].get("x-role") == (role.name.lower() if role is not None else None), key
        assert (found[key].get("security") == []) == (role is None), key


def test_no_two_operations_share_an_id_and_every_parameter_is_described(app: web.Application) -> None:
    found = operations(app)
    ids = [about["operationId"] for about in found.values()]
    assert len(ids) == len(set(ids))
    for key, about in found.items():
        assert about["summary"], key
        for parameter in about["parameters"]:
            assert parameter["description"], (key, parameter["name"])
            jsonschema_rs.meta.validate(parameter["schema"])


def test_every_schema_is_one_and_every_reference_leads_somewhere(app: web.Application) -> None:
    found = document(app)
    schemas = found["components"]["schemas"]
    for schema in schemas.values():
        jsonschema_rs.meta.validate(schema)
    named = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(found)))
    assert named <= schemas.keys()
    assert {"TrackedExposure", "Problem"} <= named


def test_the_manual_tells_of_every_resource(app: web.Application) -> None:
    manual = MANUAL.read_text()
    for method, path in operations(app):
        assert f"`{method} {path}`" in manual, f"{method} {path}"
