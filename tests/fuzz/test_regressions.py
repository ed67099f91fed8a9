"""Every input that once broke a promise, and the whole small corpus: replayed without a fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.corpus import FOLDER, read
from tests.fuzz.registry import TARGETS

HERE = Path(__file__).parent
REGRESSIONS = sorted((HERE / "regressions").iterdir())


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.name)
def test_what_once_broke_holds(path: Path) -> None:
    """The name of a file is its target, a dash, and what went wrong."""
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_holds(target: str) -> None:
    inputs = read(target)
    assert len(inputs) > 100
    for data in inputs:
        TARGETS[target](data)


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1024 * 1024
