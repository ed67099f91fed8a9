"""The pages of docs/siem: ten lines to the first event, settings that are accepted, and no file left over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from scanner.setup.config_file import read_config
from tests.support.siem import SIEM

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(SIEM.glob("*.md"))
PRODUCTS = [page for page in PAGES if page.name != "README.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE_DOCUMENT = re.compile(r"<<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)")


def first_steps(page: Path) -> list[str]:
    """The lines to type, up to the first event."""
    section = re.search(r"^## To the first .*?\n(.*?)^## ", page.read_text(), re.MULTILINE | re.DOTALL)
    assert section
    code = "".join(block for _, block in BLOCK.findall(section[1]))
    return [line for line in code.replace("\\\n", "").splitlines() if line.strip()]


def examples(page: Path) -> list[str]:
    """What goes into the configuration, on this page."""
    found = []
    for kind, block in BLOCK.findall(page.read_text()):
        found += [block] if kind == "toml" else HERE_DOCUMENT.findall(block)
    return found


@pytest.mark.parametrize("page", PRODUCTS, ids=lambda page: page.stem)
def test_it_is_ten_lines_to_the_first_event(page: Path) -> None:
    """Commands and settings together."""
    assert 0 < len(first_steps(page)) <= 10


@pytest.mark.parametrize("page", PRODUCTS, ids=lambda page: page.stem)
def test_its_settings_are_accepted(page: Path, tmp_path: Path) -> None:
    """By the reader of the configuration itself."""
    for number, text in enumerate(examples(page)):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        assert len(read_config(file).settings.sink) == 1
    assert examples(page) or page.stem == "grafana"


def test_every_kind_of_sink_for_a_siem_has_an_example(tmp_path: Path) -> None:
    """But the webhook, which is for what is made to order, and the journal, which is read on the machine."""
    kinds = set()
    for page in PRODUCTS:
        for text in examples(page):
            file = tmp_path / "mongosweep.toml"
            file.write_text(text)
            kinds |= {sink.kind for sink in read_config(file).settings.sink}
    assert kinds == {"splunk", "elastic", "sentinel", "syslog", "file"}


def test_every_page_and_every_file_is_led_to_and_exists() -> None:
    """From the README to the pages, from a page to its files."""
    led = {(SIEM / link).resolve() for page in PAGES for link in LINK.findall(page.read_text())}
    missing = [path for path in led if not path.exists()]
    assert missing == []
    there = {path for path in SIEM.rglob("*") if path.is_file() and path.name != "README.md"}
    assert there - led == set()


@pytest.mark.parametrize("file", ["splunk/savedsearches.conf", "sentinel/alert-silent.kql"])
def test_a_round_of_verify_is_no_complete_sweep(file: str) -> None:
    """It asks only what was open: that it was complete stills no alert for a sweep that is missing."""
    asked = [line for line in (SIEM / file).read_text().splitlines() if '"complete"' in line]
    assert asked
    assert all(re.search(r'NOT purpose="verify"|Purpose == "sweep"', line) for line in asked)
