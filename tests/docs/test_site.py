"""The documentation as a site: every page is reached, links and pictures are there, and nobody is asked."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

from scanner import __version__
from tests.support.doc_pages import PAGES, ROOT, name_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]

LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data", "link": "href"}
"""What a browser asks for by itself: the attribute of each element."""
STYLE = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")


class Built(NamedTuple):
    """One page: what its links lead to, what it loads, which anchors it has, and its styles."""

    links: list[str]
    loads: list[str]
    anchors: set[str]
    styles: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Built([], [], set(), "")
        self.styles = ""
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self._within = tag
        self.styles += told.get("style", "")
        if "id" in told:
            self.page.anchors.add(told["id"])
        if tag == "a" and "href" in told:
            self.page.links.append(told["href"])
        if tag in LOADED and LOADED[tag] in told:
            self.page.loads.append(told[LOADED[tag]])
        self.page.loads.extend(each.split()[0] for each in told.get("srcset", "").split(",") if each)

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.styles += data


def read(path: Path) -> Built:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page._replace(styles=reader.styles)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make site` does, once."""
    folder = tmp_path_factory.mktemp("site")
    strict = ("--quiet", "--fail-on-warning", "--keep-going")
    places = ("-c", "docs", "-d", str(folder / "read"), ".", str(folder / "built"))
    command = [sys.executable, "-m", "sphinx", *strict, "-b", "html", *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "built"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Built]:
    return {path: read(path) for path in sorted(site.rglob("*.html"))}


def test_every_page_is_built_and_reached_from_the_front(site: Path, pages: dict[Path, Built]) -> None:
    there = {site / Path(name_of(page)).with_suffix(".html") for page in PAGES}
    assert there <= {*pages}
    led, left = {site / "index.html"}, [site / "index.html"]
    while left:
        page = left.pop()
        found = {(page.parent / unquote(urlsplit(link).path)).resolve() for link in pages[page].links}
        fresh = {each for each in found if each in pages} - led
        led |= fresh
        left += fresh
    assert {path.relative_to(site) for path in there - led} == set()


def test_every_link_within_leads_to_a_file_and_a_place_that_are_there(pages: dict[Path, Built]) -> None:
    broken = []
    for page, built in pages.items():
        for link in built.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not there.is_file():
                broken.append(f"{page.name}: {link}")
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].anchors:
                broken.append(f"{page.name}: {link} has no such place")
    assert not broken


def test_nobody_is_asked(site: Path, pages: dict[Path, Built]) -> None:
    """What a page loads is in the site; what a style or a script of it loads, too."""
    for page, built in pages.items():
        for address in (*built.loads, *_of_styles(built.styles)):
            if not address.startswith(("data:", "#")):
                assert _is_within(site, page, address), f"{page.name} loads {address}"
    for sheet in site.rglob("*.css"):
        for address in _of_styles(sheet.read_text(encoding="utf-8")):
            assert address.startswith(("data:", "#")) or _is_within(site, sheet, address), (
                f"{sheet.name}: {address}"
            )
    for script in site.rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        asked = re.findall(r"""(?:fetch|import|open|src\s*=)\s*\(?\s*["'`](?:https?:)?//[^"'`]+""", text)
        assert not asked, f"{script.name} asks {asked}"


def _of_styles(text: str) -> list[str]:
    return [one or other for one, other in STYLE.findall(text)]


def _is_within(site: Path, page: Path, address: str) -> bool:
    parts = urlsplit(address)
    there = (page.parent / unquote(parts.path)).resolve()
    return not (parts.scheme or parts.netloc) and there.is_relative_to(site) and there.is_file()


def test_pictures_are_shown(pages: dict[Path, Built]) -> None:
    shown = {
        Path(address).name for built in pages.values() for address in built.loads if "_images/" in address
    }
    assert {path.name for path in (ROOT / "docs" / "pictures").iterdir()} <= shown


def test_it_can_be_searched_and_says_of_which_version_it_is(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for page in PAGES:
        assert f'"{name_of(page).removesuffix(".md")}"' in index
    assert "shadowserver" in index
    assert __version__ in re.findall(r"<title>(.*?)</title>", (site / "index.html").read_text(), re.DOTALL)[0]


def test_navigation_has_the_order_of_the_index(site: Path) -> None:
    """Beside the front page: each part under its heading, as docs/README.md has them."""
    beside = (site / "index.html").read_text(encoding="utf-8").partition('class="sidebar-tree"')[2]
    captions = re.findall(r'class="caption-text">(.*?)</span>', beside)
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert captions == re.findall(r"^## (.+)$", index, re.MULTILINE)
    first = re.findall(r"^\| \[.*?\]\((\w+)\.md\)", index, re.MULTILINE)[:5]
    places = [beside.index(f'href="docs/{name}.html"') for name in first]
    assert places == sorted(places)
