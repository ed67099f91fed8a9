"""The pages of the documentation as tests read them: code blocks, code in a line, tables, links, anchors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TOLD = [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "decisions"]
"""The pages that say how things are now. A decision or a change says how they were when it was made."""

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LINK = re.compile(r"(?<!\!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: its page from the root on, the line of its fence, its language, its text."""

    page: str
    line: int
    language: str
    text: str


def name_of(page: Path) -> str:
    """A page as it is called in a report, from the root on."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        body = re.sub(rf"^{fence[1]}", "", fence[3], flags=re.MULTILINE)
        found.append(Block(name_of(page), text.count("\n", 0, fence.start()) + 1, fence[2], body))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks and comments."""
    text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return _FENCE.sub("", text)


def spans(page: Path) -> list[str]:
    """All code that stands in a line of a page; a bar of a table is what it stands for."""
    return [
        re.sub(r"\s+", " ", found[2]).replace("\\|", "|").strip() for found in _SPAN.finditer(prose(page))
    ]


def links(page: Path) -> list[str]:
    """Where a page leads to, pictures too; links that stand in code lead nowhere."""
    text = _SPAN.sub("", prose(page))
    return [*_LINK.findall(text), *_PICTURE.findall(text)]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them: small, without punctuation, dashes for blanks."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower().replace("`", "")).replace(" ", "-")
        number, name = 0, slug
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def sections(text: str) -> dict[str, str]:
    """A page's parts by their heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
