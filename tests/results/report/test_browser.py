"""Reports in a real browser: nothing is logged, nobody is asked, no name does anything, all widths hold."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from results.report.content import Dossier
from results.report.dossier_page import dossier_page
from results.report.exposure_table import MOST_STATIC
from results.report.overview_page import overview
from tests.support import browser as browsers
from tests.support.browser import PHONE, SCREEN
from tests.support.invented import content, looks
from tests.support.pages import HOSTILE, OUTSIDE, hostile_content, hostile_dossier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.browser import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

_CONTRAST = """
const light = (part) => {
  part /= 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
};
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const shade = (colour) => {
  const [red, green, blue] = numbers(colour);
  return 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
};
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const colour = numbers(getComputedStyle(element).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return getComputedStyle(element).backgroundColor;
  }
  return "rgb(255, 255, 255)";
};
const low = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.data.trim() || /SCRIPT|STYLE/.test(element.tagName) || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const front = shade(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
  const back = shade(ground(element));
  const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${node.data.trim().slice(0, 40)}`);
}
return low;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    browsers.needed()
    with browsers.browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    report = content(MOST_STATIC + 120)
    one = max(report.exposures, key=lambda each: len(report.changes[each.exposure_id]))
    changes = report.changes[one.exposure_id]
    made = {
        "report": overview(report),
        "dossier": dossier_page(Dossier(now=report.now, exposure=one, changes=changes, looks=looks(one))),
        "hostile-report": overview(hostile_content()),
        "hostile-dossier": dossier_page(hostile_dossier()),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


NAMES = ("report", "dossier", "hostile-report", "hostile-dossier")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_logged_and_nobody_is_asked(page: Page, files: dict[str, Path], name: str) -> None:
    page.open(files[name])
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.run("document.querySelectorAll('button, summary, th, td').forEach((each) => each.click())")
    page.run("document.querySelectorAll('[onmouseover], img, iframe, object').forEach((each) => each.foo())")
    assert page.console() == []
    assert page.requests() == [files[name].as_uri()]
    assert not [line for line in page.asked if OUTSIDE in line]
    assert page.run("return window.alerted") is None


@pytest.mark.parametrize("name", ["hostile-report", "hostile-dossier"])
def test_names_are_shown_and_do_nothing(page: Page, files: dict[str, Path], name: str) -> None:
    page.open(files[name])
    shown = page.run("return document.body.innerText")
    assert "<script>alert(1)</script>" in shown
    assert "\\u202e" in shown
    assert "\u202e" not in shown
    assert page.run("return document.scripts.length") == (2 if name == "hostile-report" else 1)
    assert (
        page.run("return document.querySelectorAll('img, iframe, object, embed, link, base, form').length")
        == 0
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "dossier"])
def test_text_stands_out(page: Page, files: dict[str, Path], name: str, scheme: str) -> None:
    page.open(files[name], scheme=scheme)
    assert page.run(_CONTRAST) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [PHONE, (768, 1024), SCREEN], ids=["phone", "tablet", "screen"])
def test_no_page_scrolls_sideways(
    page: Page, files: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    page.open(files[name], width=size[0], height=size[1])
    assert page.run("return document.documentElement.scrollWidth") <= size[0]


def test_the_button_turns_light_into_dark_and_back(page: Page, files: dict[str, Path]) -> None:
    page.open(files["report"])
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = page.run(ground)
    page.run("document.getElementById('theme').click()")
    assert page.run(ground) != before
    page.run("document.getElementById('theme').click()")
    assert page.run(ground) == before


def shown_rows(page: Page) -> list[str]:
    found: list[str] = page.run(
        "return [...document.querySelectorAll('#rows > tr')].map((row) => row.cells[2].innerText)"
    )
    return found


def test_the_table_is_sorted_filtered_and_paged(page: Page, files: dict[str, Path]) -> None:
    page.open(files["report"])
    first = shown_rows(page)
    assert len(first) == 100
    page.run("document.getElementById('next').click()")
    assert not set(first) & set(shown_rows(page))
    page.run("document.querySelectorAll('#exposures th button')[5].click()")
    head = page.run("return document.querySelector('#exposures th[aria-sort]').getAttribute('aria-sort')")
    assert head == "descending"
    sizes = page.run(
        "return [...document.querySelectorAll('#rows > tr')].map((row) => row.cells[5].innerText)"
    )
    assert sizes[0].endswith("GB")
    page.run(
        "const words = document.getElementById('words'); words.value = 'shop open';"
        "words.dispatchEvent(new Event('input'))"
    )
    owners = page.run("return [...document.querySelectorAll('#rows > tr')].map((row) => row.innerText)")
    assert owners
    assert all("shop" in each and "open" in each for each in owners)
    status = page.run("return document.getElementById('more').textContent")
    assert re.match(rf"\d+ of {MOST_STATIC + 120} exposures", status)


def test_script_makes_the_rows_that_stand_in_the_page(page: Page, files: dict[str, Path]) -> None:
    """Two writers of one table, in Python and in the page, which must never part."""
    for name in ("report", "hostile-report"):
        page.open(files[name])
        made = rows_in(page)
        page.without_script(True)
        try:
            page.open(files[name])
            assert len(made) in (100, len(HOSTILE))
            assert rows_in(page)[: len(made)] == made
            assert page.run("return document.getElementById('tools').hidden")
        finally:
            page.without_script(False)


_ROWS = """
const plain = (node) => node.nodeType === 3 ? node.data : [node.nodeName,
  [...node.attributes].map((each) => `${each.name}=${each.value}`).sort(), [...node.childNodes].map(plain)];
return JSON.stringify([...document.querySelectorAll('#rows > tr')].map(plain));
"""


def rows_in(page: Page) -> list[Any]:
    found: list[Any] = json.loads(page.run(_ROWS))
    return found


def test_paper(page: Page, files: dict[str, Path], tmp_path: Path) -> None:
    for name in ("hostile-report", "dossier"):
        page.open(files[name], scheme="dark")
        pdf = page.paper(tmp_path / f"{name}.pdf")
        sizes = set(re.findall(rb"/MediaBox ?\[ ?0 0 ([\d.]+) ([\d.]+)", pdf))
        assert {(round(float(width)), round(float(height))) for width, height in sizes} == {(595, 842)}
    page.open(files["report"])
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert len(shown_rows(page)) == MOST_STATIC
    page.run("dispatchEvent(new Event('afterprint'))")
    assert len(shown_rows(page)) == 100


def test_keyboard_reaches_the_content(page: Page, files: dict[str, Path]) -> None:
    page.open(files["report"])
    page.run("document.querySelector('.skip').focus()")
    left = page.run("return document.querySelector('.skip').getBoundingClientRect().left")
    assert left >= 0
    page.run("document.querySelector('.skip').click()")
    assert page.run("return document.activeElement.id") == "content"
