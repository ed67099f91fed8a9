"""Blocks of JSON, YAML and Python are that, and what a block of Python imports is there."""

from __future__ import annotations

import ast
import importlib
import json
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.doc_pages import PAGES, blocks

if TYPE_CHECKING:
    from tests.support.doc_pages import Block

KNOWN = {"", "console", "csv", "json", "python", "sh", "text", "toml", "yaml"}
BLOCKS = [block for page in PAGES for block in blocks(page)]


def of(language: str) -> pytest.MarkDecorator:
    """Each block of a language."""
    mine = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", mine, ids=lambda block: f"{block.page}:{block.line}")


def test_languages_are_known() -> None:
    """One that is not is looked at by no test."""
    assert {block.language for block in BLOCKS} <= KNOWN


@of("json")
def test_json(block: Block) -> None:
    assert isinstance(json.loads(block.text), dict | list)


@of("yaml")
def test_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text)


@of("python")
def test_python(block: Block) -> None:
    tree = compile(block.text, block.page, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []
        elif isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
