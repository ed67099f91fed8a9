"""Where the torture writes: in memory, if this machine has such a place; the model of the disk is our own."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.torture.trial import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    """A new directory, gone at the end."""
    found = Path(tempfile.mkdtemp(prefix="torture-", dir=in_memory()))
    yield found
    shutil.rmtree(found)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A torn line is news elsewhere; here there are hundreds."""
    log = logging.getLogger("mongosweep")
    before = log.level
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(before)
