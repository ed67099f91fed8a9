"""What a sweep tells while it goes on, in the log of events: that it started, and once that it cannot end
complete any more. On a thread of its own, and nothing that goes wrong there is anything to the sweep.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from results.text import visible
from scanner.clock import timestamp
from scanner.sweep.judgement import lasting_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.manifest import Manifest
    from results.run import RunDirectory
    from scanner.clock import Clock
    from scanner.sweep.judgement import LastingFacts

LOOK_INTERVAL = 1.0  # seconds between two looks at what befell the run


async def announce(
    directory: RunDirectory,
    lasting: Callable[[], LastingFacts],
    clock: Clock,
    notice: Callable[[str], None],
) -> None:
    """Tell of the run until there is nothing more to tell before its end; cancel it then at the latest.

    That a start could not be told is not said: the end tells it again.
    """
    loop = asyncio.get_running_loop()
    # Not the loop's own threads: to end those takes one more thread, which waits for ever without memory.
    disk = ThreadPoolExecutor(1, thread_name_prefix="events")
    try:
        await loop.run_in_executor(disk, _tell, directory, directory.manifest, (), "")
        while True:
            if reasons := lasting_faults(lasting()):
                break
            await asyncio.sleep(LOOK_INTERVAL)
        at = timestamp(clock.wall())
        problem = await loop.run_in_executor(disk, _tell, directory, directory.manifest, tuple(reasons), at)
        if problem:
            notice(f"that this sweep is degraded could not be told in the log of events: {problem}")
    finally:
        disk.shutdown(wait=False)


def _tell(directory: RunDirectory, manifest: Manifest, reasons: tuple[str, ...], at: str) -> str:
    """Append the starts of the run, and with reasons that it is degraded; returns what went wrong."""
    try:
        from results.events.line import line_of
        from results.events.log import EventLog
        from results.events.run_events import degraded, starts_of

        events = starts_of(manifest)
        if reasons:
            events.append(degraded(manifest, reasons, at))
        with EventLog.open(directory.path.parent) as log:
            log.append((event.event_id, line_of(event)) for event in events)
    except Exception as error:  # noqa: BLE001 - whatever it is, the sweep goes on
        return visible(" ".join(str(error).split())[:300] or type(error).__name__)
    return ""
