"""Every setting that a page names exists, and every block of TOML is a configuration that is taken."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from scanner.setup.config_file import read_config
from scanner.setup.manual import settings_page
from scanner.setup.scope_request import full_scope
from targets.errors import ScopeError
from tests.support.doc_pages import TOLD, blocks, name_of, sections, spans

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.doc_pages import Block

AT = 1_795_521_600.0  # 2026-11-24, before any entry of an example expires
TOML = [block for page in TOLD for block in blocks(page) if block.language == "toml"]
ALLOW = {
    "cidr",
    "owner",
    "contact",
    "site",
    "ports",
    "labels",
    "authorised_by",
    "expires",
    "kind",
    "inventory",
}
KEYS: dict[str, set[str]] = {"allow": ALLOW, "deny": {"cidr", "reason", "expires"}}
for heading, text in sections(settings_page()).items():
    (section,) = re.findall(r"\[\[?(\w+)\]", heading)
    KEYS.setdefault(section, set()).update(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
KEYS["sink"].add("kind")
OF_OTHERS = {"[answers]": "results/codes.toml"}
RESERVED = {"docs/usage.md", "docs/scope.md"}
"""Pages with an example of public addresses, in those that are reserved for examples and in no scope."""


@pytest.mark.parametrize("block", TOML, ids=lambda block: f"{block.page}:{block.line}")
def test_it_is_a_configuration(block: Block, tmp_path: Path) -> None:
    """By the reader of the configuration; its entries make a scope."""
    path = tmp_path / "mongosweep.toml"
    path.write_text(block.text, encoding="utf-8")
    config = read_config(path)
    if "[[allow]]" not in block.text or config.settings.ipv6.candidates or config.settings.inventory:
        return
    reserved = block.page in RESERVED and "expires" in block.text
    with pytest.raises(ScopeError, match="documentation") if reserved else nullcontext():
        full_scope(None, config, config.settings, AT, names=False)


@pytest.mark.parametrize("page", TOLD, ids=name_of)
def test_settings_that_are_named_exist(page: Path) -> None:
    """`[section] key`, with or without its value, and a section alone."""
    wrong = []
    for span in spans(page):
        named = re.match(r"\[\[?([a-z]\w*)\]\]?(?: ([a-z_]+)\b)?", span)
        if span in OF_OTHERS or named is None or (named.end() < len(span) and span[named.end()] not in " ,="):
            continue
        section, key = named[1], named[2]
        if section not in KEYS or (key and key not in KEYS[section]):
            wrong.append(span)
    assert not wrong


def test_a_key_beside_its_section_exists() -> None:
    """`key` of `[section]`, and `key` in `[section]`, as sentences have it."""
    wrong = []
    for page in TOLD:
        text = page.read_text(encoding="utf-8")
        for key, section in re.findall(r"`(\w+)(?: = [^`]*)?` (?:of|in) `\[\[?(\w+)\]\]?`", text):
            if section not in KEYS or key not in KEYS[section]:
                wrong.append((name_of(page), key, section))
    assert not wrong
