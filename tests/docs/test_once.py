"""No page says what another one says in the same words, and none says it twice: of two, one grows old."""

from __future__ import annotations

import re
from collections import defaultdict

from tests.support.doc_pages import ROOT, TOLD, name_of, prose

MADE = {"docs/settings.md", "docs/verdicts.md", *map(name_of, (ROOT / "docs" / "commands").iterdir())}
"""Made of the code, each part from its own place."""
PAGES = {name_of(page): prose(page) for page in TOLD if name_of(page) not in MADE}
ALSO = {"README.md"}
"""It says at the front what pages say in their place."""
LONG = 60  # characters of a sentence that nobody writes twice by accident


def test_no_sentence_stands_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for page, text in PAGES.items():
        flowing = re.sub(r"\s+", " ", re.sub(r"^\|.*$", ".", text, flags=re.MULTILINE))
        rows = re.findall(r"^\| (?!---).*\|$", text, re.MULTILINE)
        for said in [*re.split(r"(?<=[.:;!?]) ", flowing), *rows]:
            if len(said) > LONG and page not in ALSO:
                places[said].append(page)
    assert {said: pages for said, pages in places.items() if len(pages) > 1} == {}


def test_no_option_has_two_rows() -> None:
    """A word of an option may have a row of its own."""
    for page, text in PAGES.items():
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            first = re.findall(r"^\| (?:`-\w`, )?`(--[a-z-]+)(?: [A-Z][^`]*)?` \|", table, re.MULTILINE)
            assert len(first) == len(set(first)), page
