"""The frame of every page: assets by their content, text that cannot become markup, errors as pages."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from results.files import StorageRefusedError
from results.report.markup import Visible, tag
from scanner.service.web.assets import address_of, assets
from scanner.service.web.render import _environment
from scanner.service.web.visitor import Role, needs
from scanner.service.web.words import AsTyped
from tests.support.page_app import StandingReader, client, page_app, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE = '<img src=x onerror="1">\x1b[2J\u202e'


def raising(error: Callable[[], BaseException]) -> ModuleType:
    """A room whose page raises."""

    @needs(Role.VIEW)
    async def handler(request: web.Request) -> web.StreamResponse:
        raise error()

    room = ModuleType("room")
    room.routes = lambda: [web.get("/page", handler)]  # type: ignore[attr-defined]
    return room


async def answer(
    tmp_path: Path, room: ModuleType, path: str = "/page", role: Role | None = Role.VIEW
) -> tuple[int, str, dict[str, str]]:
    async with client(page_app([room], StandingReader(snapshot_of([]), tmp_path), tmp_path, role)) as page:
        got = await page.get(path)
        return got.status, await got.text(), dict(got.headers)


def put_in(value: object) -> str:
    return _environment().from_string('<p title="{{ it }}">{{ it }}</p>').render(it=value)


def test_text_is_made_visible_and_escaped_once() -> None:
    """Whatever stands in a template without a filter."""
    inside = "&lt;img src=x onerror=&#34;1&#34;&gt;\\x1b[2J\\u202e"
    assert put_in(HOSTILE) == f'<p title="{inside}">{inside}</p>'
    assert put_in(Visible("\\x1b")) == '<p title="\\x1b">\\x1b</p>', "what is visible is not escaped again"
    assert put_in(AsTyped("a\\b<")) == '<p title="a\\b&lt;">a\\b&lt;</p>', "a form gives back what was typed"
    assert put_in(None) == '<p title="-">-</p>'
    assert _environment().from_string("{{ it }}").render(it=tag("b", HOSTILE)).startswith("<b>&lt;img")


def test_a_value_that_is_not_there_is_an_error_and_no_blank() -> None:
    with pytest.raises(Exception, match="'it' is undefined"):
        _environment().from_string("{{ it }}").render()


def test_no_template_switches_escaping_off_or_carries_a_script_or_style_of_its_own() -> None:
    """The policy of the page forbids both, and names in it came from servers."""
    loader = _environment().loader
    assert loader is not None
    names = loader.list_templates()
    assert "base.html" in names
    for name in names:
        source, _, _ = loader.get_source(_environment(), name)
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", source), name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals|js:", source), name
        assert not re.search(r"<script(?! src=\"\{\{ asset\()", source), name
        assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", source), name


async def test_an_asset_is_kept_for_good_under_its_content_and_nowhere_else(tmp_path: Path) -> None:
    for name, asset in assets().items():
        status, text, headers = await answer(tmp_path, NOTHING, address_of(name), role=None)
        assert status == 200
        assert text.encode() == asset.body
        assert headers["Content-Type"].startswith(asset.content_type)
        assert "immutable" in headers["Cache-Control"]
    status, _, headers = await answer(tmp_path, NOTHING, "/static/0000000000000000/page.css")
    assert status == 404
    assert "immutable" not in headers.get("Cache-Control", "")
    status, _, _ = await answer(tmp_path, NOTHING, "/static/0000000000000000/..%2Fapp.py")
    assert status == 404


NOTHING = ModuleType("nothing")
NOTHING.routes = list  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (web.HTTPNotFound, 404, "There is no such page"),
        (lambda: web.HTTPNotFound(text="No exposure is called mx_<b>."), 404, "mx_&lt;b&gt;."),
        (web.HTTPForbidden, 403, "Your role does not allow this"),
        (lambda: web.HTTPTooManyRequests(headers={"Retry-After": "7"}), 429, "Too many tries"),
        (lambda: StorageRefusedError(Path("ledger"), "locked", "wait"), 503, "locked"),
    ],
)
async def test_an_error_is_a_page_that_says_what_to_do(
    tmp_path: Path, error: Callable[[], BaseException], status: int, said: str
) -> None:
    got, text, headers = await answer(tmp_path, raising(error))
    assert got == status
    assert said in text
    assert 'href="/"' in text
    if status == 429:
        assert headers["Retry-After"] == "7"


async def test_a_defect_shows_a_number_and_the_log_has_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        status, text, _ = await answer(tmp_path, raising(lambda: KeyError("a secret of the inside")))
    assert status == 500
    assert "a secret of the inside" not in text
    assert "Traceback" not in text
    found = re.search(r"number ([0-9a-f]{8})", text)
    assert found
    assert found[1] in caplog.text
    assert "a secret of the inside" in caplog.text


async def test_a_page_names_nobody_but_itself_and_says_where_one_is(tmp_path: Path) -> None:
    """Nobody signed in sees no navigation; everybody can skip it."""
    _, text, _ = await answer(tmp_path, raising(web.HTTPNotFound))
    assert '<a class="skip" href="#content">' in text
    assert 'name="csrf" value="the-token"' in text
    assert "http" not in re.sub(r"http-equiv", "", text)
    _, text, _ = await answer(tmp_path, raising(web.HTTPNotFound), role=None)
    assert "<nav" not in text
