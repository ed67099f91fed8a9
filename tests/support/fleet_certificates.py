"""Fleets of certificates for tests, at a time that stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.fleet.issuing import issue, make_authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = 1_790_000_000.0  # in September 2026
DAY = 86400.0


def fleet(folder: Path, now: float = NOW) -> Path:
    """An authority with a coordinator, a scheduler and two workers."""
    make_authority(folder, now)
    issue(folder, "coordinator", "coordinator", now)
    issue(folder, "scheduler", "scheduler", now)
    issue(folder, "worker", "paris-1", now, site="paris")
    issue(folder, "worker", "london-1", now, site="london")
    return folder


def refused(call: Callable[[], object]) -> str:
    """The one line with which something is refused."""
    with pytest.raises(RefusedError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text
