"""The wheel of this checkout, built once for the tests of this folder that a worker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.installed_wheel import Installed, build_wheel, install

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("installed"))
