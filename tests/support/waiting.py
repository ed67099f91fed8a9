"""Waiting, in a loop, for what happens in another thread or process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(true: Callable[[], object]) -> None:
    """Look every few milliseconds, until a test's own timeout."""
    while not true():  # noqa: ASYNC110 - nobody tells this loop
        await asyncio.sleep(0.02)
