"""What the processes of a scheduler and of a worker have in common: when they end, and Dask's log in ours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

_log = logging.getLogger(__name__)
_LOGGERS = {"distributed": logging.WARNING, "tornado": logging.ERROR, "asyncio": logging.ERROR}
# What ends with a connection, which is told in our own words.
_LOST = (
    "CommClosedError",
    "StreamClosedError",
    "ConnectionPool is closed",
    "unregistered worker",
    "name taken",
    "ended with CancelledError",
)


def serve_until_told(serving: Coroutine[None, None, None]) -> None:
    """Run it until SIGTERM or SIGINT, which cancel it; a second one ends the process as it stands."""

    async def run() -> None:
        task = asyncio.ensure_future(serving)
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(each)
            _log.info("%s: ending", signal.Signals(number).name)
            task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end, number)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


class _OurLines(logging.Handler):
    """Says a record of Dask as one of ours: one line, whatever traceback it came with."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip().partition("\n")[0]
        if record.exc_info and (error := record.exc_info[1]) is not None:
            text = f"{text}: {type(error).__name__}: {error}".partition("\n")[0]
        lost = any(each in text for each in _LOST)
        _log.log(logging.DEBUG if lost else record.levelno, "%s: %s", record.name, visible(text, 500))


@contextlib.contextmanager
def dask_log() -> Iterator[None]:
    """Have what Dask warns of said in our log, and nothing of the handlers that it gave itself when it was
    imported (`distributed/config.py`)."""
    handler = _OurLines(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [], name not in _LOGGERS
            logger.setLevel(_LOGGERS.get(name, logging.NOTSET))
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(handler)
