"""Threads that move one step at a time, when a test says so, and a file system whose every call is a step."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.support.faulty_files import Call, Wrapping

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 20.0  # seconds; only a test that hangs reaches it


class Actor:
    """Runs `work(park)` in a thread; wherever that calls `park`, it stands still until the next `step`."""

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._work = work
        self.ended = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._wait()

    def park(self) -> None:
        """Stand still. Called by the work."""
        self._stands.release()
        self._go.acquire()

    def _run(self) -> None:
        try:
            self.park()
            self._work(self.park)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self.error = error
        self.ended = True
        self._stands.release()

    def _wait(self) -> None:
        assert self._stands.acquire(timeout=PATIENCE), "an actor waits for another one"

    def step(self) -> bool:
        """Let it go on to its next stop; False when it has ended. Raises what the work raised."""
        if not self.ended:
            self._go.release()
            self._wait()
        if self.error is not None:
            raise self.error
        return not self.ended


class SteppingFileSystem(Wrapping):
    """Stops before each call, the closing of a file included, and in the middle of each write."""

    def __init__(self, park: Callable[[], None]) -> None:
        super().__init__()
        self.park = park

    def before(self, call: Call) -> bool:
        self.park()
        return True

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return super().write(descriptor, data[: (len(data) + 1) // 2])

    def close(self, descriptor: int) -> None:
        self.park()
        super().close(descriptor)
