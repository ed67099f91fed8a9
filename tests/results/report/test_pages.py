"""Pages as a parser sees them: our own script and style alone, and no name in them does anything."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from results.report.content import Content, Dossier
from results.report.dossier_page import dossier_page
from results.report.exposure_table import MOST_STATIC
from results.report.overview_page import overview
from tests.support.exposures import NOW, exposure
from tests.support.invented import content, looks
from tests.support.pages import Reader, hostile_content, hostile_dossier

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET = Content(now=NOW, exposures=[])


def invented_dossier() -> Dossier:
    report = content(40)
    one = max(report.exposures, key=lambda each: len(report.changes[each.exposure_id]))
    return Dossier(now=report.now, exposure=one, changes=report.changes[one.exposure_id], looks=looks(one))


PAGES: dict[str, Callable[[], str]] = {
    "nothing": lambda: overview(QUIET),
    "overview": lambda: overview(content(40)),
    "more than are shown": lambda: overview(content(MOST_STATIC + 20)),
    "hostile overview": lambda: overview(hostile_content()),
    "dossier": lambda: dossier_page(invented_dossier()),
    "hostile dossier": lambda: dossier_page(hostile_dossier()),
    "bare dossier": lambda: dossier_page(Dossier(now=NOW, exposure=exposure())),
}
_ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "script"),
    *("h1", "h2", "p", "a", "b", "i", "br", "bdi", "span", "div", "code", "pre", "ul", "ol", "li"),
    *("dl", "dt", "dd", "table", "caption", "colgroup", "col", "thead", "tbody", "tr", "th", "td"),
    *("button", "label", "input", "select", "option", "details", "summary"),
    *("svg", "desc", "defs", "pattern", "rect", "path", "line", "circle", "text"),
}


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    made: str = PAGES[request.param]()
    return made


def test_only_known_elements_and_no_handler(page: str) -> None:
    for name, attributes in Reader(page).elements:
        assert name in _ALLOWED
        for key, value in attributes.items():
            assert not key.startswith("on")
            assert key not in ("src", "style", "action", "formaction", "srcdoc", "xlink:href")
            assert key != "href" or value == "#content"


def test_only_our_own_style_and_script(page: str) -> None:
    reader = Reader(page)
    policy = next(
        each["content"]
        for each in reader.named("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    scripts = [
        text
        for text, attributes in zip(reader.raw["script"], reader.named("script"), strict=True)
        if attributes.get("type") != "application/json"
    ]
    assert len(scripts) == len(reader.raw["style"]) == 1
    for kind, text in (("script", scripts[0]), ("style", reader.raw["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_nothing_hidden_and_nobody_asked(page: str) -> None:
    assert page.isprintable() or {
        character for character in page if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
    } == {"\n"}
    assert "http://outside.example" not in Reader(page).raw["style"][0]
    page.encode()  # a lone surrogate would be an error


def test_accessible(page: str) -> None:
    reader = Reader(page)
    assert reader.named("html") == [{"lang": "en"}]
    names = [name for name, _ in reader.elements]
    assert [names.count(name) for name in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name, attributes in reader.elements:
        for reference in (attributes.get("aria-labelledby") or "").split():
            assert reference in ids
        if name == "th":
            assert attributes.get("scope") in ("row", "col")
        if name == "svg" and "x" not in attributes and "y" not in attributes:
            assert attributes.get("aria-hidden") == "true" or attributes.get("role") == "img"


def test_the_same_bytes_for_the_same_content() -> None:
    for make in PAGES.values():
        assert make() == make()


def test_the_gravest_are_in_the_page_and_the_others_in_its_data() -> None:
    report = content(MOST_STATIC + 20)
    page = overview(report)
    reader = Reader(page)
    rows = [each for each in reader.named("tr") if each.get("role") == "row"]
    assert len(rows) == MOST_STATIC + 1
    assert "And 20 more, none of them graver" in page
    data = next(
        json.loads(text)
        for text, attributes in zip(reader.raw["script"], reader.named("script"), strict=True)
        if attributes.get("type") == "application/json"
    )
    assert [row[0] for row in data["rows"]] == [each.exposure_id for each in report.exposures]


def test_what_is_not_known_is_said() -> None:
    assert "Nothing that the ledger knows is open; what no run covered, it cannot know." in overview(QUIET)
    once = replace(exposure(), opened_after="", open_at_least_seconds=0, documents=None, bytes=None)
    page = dossier_page(Dossier(now=NOW, exposure=once))
    assert "Since when it was open before the first look." in page
    assert "How much there is in all: the server did not tell." in page
