"""The fixtures that the tests of this folder share, and those that they take from tests/support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.collecting import folder, hec
from tests.support.mail_fixtures import authority, mail

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["authority", "folder", "hec", "mail"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, with runs to be written into `runs`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "OUTPUT"):
        monkeypatch.delenv(f"MONGOSWEEP_{name}", raising=False)
    return tmp_path
