"""The documentation as a site: `make site` builds the pages of this folder, and those at the root, into
build/site. They stay as people read them beside the code: the navigation is made from docs/README.md, whose
tables say which pages there are and in which order. What is built asks nobody for anything.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from scanner import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).resolve().parents[1]
INDEX: Final = "docs/README"
LISTED: Final = frozenset({"docs/commands", "docs/decisions"})
"""Folders with so many pages of a kind that they would bury the others: their README leads to them."""
LINK: Final = re.compile(r"\]\(([^():#\s]+)\.md\)")

project = "mongosweep"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "bench/*.md"]
exclude_patterns = [
    ".*",
    "build",
    "dist",
    "runs",
    "tests",
    "deploy",
    "scanner",
    "targets",
    "results",
    "mongosweep",
]
myst_heading_anchors = 6  # named as GitHub names them, so that a link to a heading leads there in both
html_theme = "furo"
html_title = f"mongosweep {version}"
html_copy_source = False
html_show_copyright = False
html_use_index = False


def _led_to(text: str, page: str) -> list[str]:
    """The pages that a text in `page` leads to, without their ending and each once, from the root on."""
    folder = (ROOT / page).parent
    found = [(folder / f"{link}.md").resolve() for link in LINK.findall(text)]
    names = [path.relative_to(ROOT).with_suffix("").as_posix() for path in found if path.is_file()]
    return [name for name in dict.fromkeys(names) if name != page]


def _tree(pages: Iterable[str], caption: str = "") -> str:
    """A part of the navigation, which is shown beside every page and not in its text."""
    head = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *head, "", *(f"/{page}" for page in pages), "```", ""])


def _beside(page: str) -> list[str]:
    """The pages of a folder that has a README: those that it leads to, in its order, then the others."""
    folder = PurePosixPath(page).parent
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    there = {f"{folder}/{path.stem}" for path in (ROOT / folder).glob("*.md")} - {page}
    first = [name for name in _led_to(text, page) if name in there]
    return [*first, *sorted(there - {*first})]


def _navigation() -> str:
    """The parts of the index under its own headings. What it does not lead to is led to by a page that it
    does lead to, and stands at the end."""
    parts = re.split(r"^## (.+)$", (ROOT / f"{INDEX}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed: list[str] = [INDEX]
    made = _tree([INDEX])
    for caption, text in zip(parts[1::2], parts[2::2], strict=True):
        pages = [page for page in _led_to(text, INDEX) if page not in listed]
        listed += pages
        if caption == parts[-2]:
            there = [*(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md")]
            names = {path.relative_to(ROOT).with_suffix("").as_posix() for path in there}
            pages += sorted(names - {*listed})
        made += _tree(pages, caption)
    return made


def _add_navigation(_: Sphinx, page: str, content: list[str]) -> None:
    if page == root_doc:
        content[0] += _navigation()
    elif page == INDEX:
        return
    elif (folder := str(PurePosixPath(page).parent)) in LISTED:
        content[0] = content[0] if page.endswith("/README") else f"---\norphan: true\n---\n\n{content[0]}"
    elif page == f"{folder}/README":
        content[0] += _tree(_beside(page))


def _add_front_page(app: Sphinx, error: Exception | None) -> None:
    """Whoever opens the folder, or its address without a page, sees the README."""
    if error is None:
        shutil.copyfile(Path(app.outdir) / f"{root_doc}.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    """What Sphinx calls once before it reads."""
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _add_front_page)
