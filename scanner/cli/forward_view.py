"""One line that says how far forwarding is, drawn over itself on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import TYPE_CHECKING

from results.events.log import EVENTS_FILE
from results.files import ResultsError
from results.sinks.state import SinkFolder
from results.text import human_bytes
from scanner.cli.ending import say
from scanner.cli.screen import can_redraw

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)
INTERVAL = 1.0  # seconds between two looks
_CLEAR = "\r\x1b[K"


@contextlib.asynccontextmanager
async def shown_while(
    output: Path, names: Sequence[str], *, quiet: bool
) -> AsyncIterator[Callable[[str], None]]:
    """Show it while the context lasts; nothing where stderr is no terminal, or it is to be quiet. Yields what
    says a line of its own meanwhile."""
    logged = _log.isEnabledFor(logging.INFO)
    drawn = not (quiet or logged) and can_redraw(sys.stderr)
    if not (logged or drawn):
        yield say
        return
    task = asyncio.create_task(_draw(output, names) if drawn else _note(output, names))
    try:
        yield (lambda text: say(_CLEAR + text)) if drawn else say
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if drawn:
            sys.stderr.write(_CLEAR)


async def _note(output: Path, names: Sequence[str]) -> None:
    """The same as a line of the log, whenever it has changed."""
    before: dict[str, int] = {}
    last = ""
    while True:
        text = await asyncio.to_thread(progress_line, output, names, before)
        if text != last:
            _log.info("sinks: %s", text)
        last = text
        await asyncio.sleep(INTERVAL)


async def _draw(output: Path, names: Sequence[str]) -> None:
    before: dict[str, int] = {}
    while True:
        await asyncio.sleep(INTERVAL)
        text = await asyncio.to_thread(progress_line, output, names, before)
        if not getattr(sys.stderr, "behind", False):  # a stopped terminal is not filled
            sys.stderr.write(_CLEAR + text)
            sys.stderr.flush()


def progress_line(output: Path, names: Sequence[str], before: dict[str, int]) -> str:
    """How much each sink took since the first look (kept in `before`), and how much of the events waits."""
    parts = []
    for name in names:
        try:
            state = SinkFolder(output, name).load()
            size = (output / EVENTS_FILE).stat().st_size
        except (ResultsError, OSError):
            continue
        sent = state.delivered - before.setdefault(name, state.delivered)
        waiting = max(0, size - state.cursor.offset)
        parts.append(f"{name} {sent:,} sent, {human_bytes(waiting) if waiting else 'nothing'} waiting")
    return "; ".join(parts)
