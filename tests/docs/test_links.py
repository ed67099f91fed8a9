"""Every link of every page leads to a file and a heading that are there, and every page is led to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.support.doc_pages import PAGES, ROOT, anchors, links, name_of

if TYPE_CHECKING:
    from pathlib import Path


def outside(link: str) -> bool:
    """Whether a link leads away from the repository."""
    return "://" in link or link.startswith("mailto:")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if outside(link):
            assert link.startswith("https://"), f"{link} is no https address"
            continue
        file, _, anchor = link.partition("#")
        there = (page.parent / unquote(file)).resolve() if file else page
        if not there.is_relative_to(ROOT) or not there.exists():
            broken.append(f"{link}: there is no such file")
        elif anchor and (there.suffix != ".md" or anchor not in anchors(there)):
            broken.append(f"{link}: there is no such heading")
    assert not broken


def test_every_page_is_led_to_from_the_index() -> None:
    """Directly, or from a page that is."""
    index = ROOT / "docs" / "README.md"
    led, left = {index}, [index]
    while left:
        page = left.pop()
        targets = {
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if not outside(link)
        }
        fresh = {each for each in targets if each.suffix == ".md" and each.is_file()} - led
        led |= fresh
        left += sorted(fresh)
    decisions = {page for page in PAGES if page.parent.name == "decisions"}
    unled = set(PAGES) - led - decisions - {ROOT / "README.md"}
    assert {name_of(page) for page in unled} == set()


def test_the_readme_leads_to_the_index_and_the_tour() -> None:
    assert {"docs/README.md", "docs/tour.md", "docs/why.md"} <= set(links(ROOT / "README.md"))
