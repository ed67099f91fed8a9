"""The first failure of our own code or disk: whoever meets one reports it here, and whoever sends stops."""

from __future__ import annotations

import asyncio


class FirstFailure:
    """Kept by the sweep; told by the recorder, the disk and the chores; looked at by the engine each turn."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.happened = asyncio.Event()

    def report(self, error: BaseException) -> None:
        """Something of ours failed, and going on would be a guess. Only the first one is kept."""
        if self.error is None:
            self.error = error
        self.happened.set()
