"""Every input that once broke a promise, and the whole small corpus: replayed without a fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.registry import TARGETS

HERE = Path(__file__).parent
REGRESSIONS = sorted((HERE / "regressions").iterdir())


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.name)
def test_what_once_broke_holds(path: Path) -> None:
    """The name of a file is its target, a dash, and what went wrong."""
    TARGETS[path.name.partition("-")[0]](path.read_bytes())
