"""Programs that tests of receivers call, which are not there everywhere."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.kinds import SERVERS
from tests.support.real import REQUIRE

if TYPE_CHECKING:
    from pathlib import Path


def installed(program: str, package: str) -> str:
    """The path of a program. Without it the test is skipped; where all must run, it fails."""
    if found := shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/lib/systemd"):
        return found
    missing(f"{package} of Debian")
    raise AssertionError


def brought(path: str, by: str) -> Path:
    """A program or folder that `make servers` brings where it can, by this name in `.servers`. Without it
    the test is skipped, in CI too: registries of other languages are not to be had everywhere."""
    found = SERVERS / path
    if not found.exists():
        pytest.skip(f"needs {found.name}, which `make servers` brings by {by}")
    return found


def missing(what: str) -> None:
    """Skip because of it; where all must run, fail."""
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{what} is required here, and is not there")
    pytest.skip(f"needs {what}")
