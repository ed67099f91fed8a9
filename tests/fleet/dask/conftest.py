"""A scheduler and a worker of paris, as the commands that people type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fleet_commands import Commands

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Both at work; for files that have no fleet of their own."""
    fleet = Commands(tmp_path_factory.mktemp("fleet"))
    try:
        fleet.start_scheduler()
        fleet.start_worker("paris-1", "paris")
        fleet.wait_for("paris-1", "is there, at")
        yield fleet
    finally:
        fleet.close()
