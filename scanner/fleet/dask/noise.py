"""What Dask and tornado would write to a coordinator's terminal: nothing but errors, one line each, once.

Connections that end are a matter of course here, and they are told in our own words; Dask logs a traceback of
several pages for some of them.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application")
_MOST = 20  # lines; who has read so many needs no more of them
_LOST = ("CommClosedError", "StreamClosedError", "Failed to reconnect to scheduler")


class _Lines(logging.Handler):
    """Hands on an error's message and the last line of its traceback, the first time that it comes."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip().partition("\n")[0]
        if record.exc_info and (error := record.exc_info[1]) is not None:
            if isinstance(error, OSError | asyncio.CancelledError):  # also Dask's for connections: told by us
                return
            text = f"{text}: {type(error).__name__}: {error}".partition("\n")[0]
        line = f"{record.name}: {visible(text, 300)}"
        if line in self._seen or len(self._seen) >= _MOST or any(word in text for word in _LOST):
            return
        self._seen.add(line)
        self._tell(line)


@contextmanager
def quiet(tell: Callable[[str], object]) -> Iterator[None]:
    """Have `tell` get what is worth a line, instead of the handlers that Dask gave itself when it was
    imported (`distributed/config.py`)."""
    handler = _Lines(tell)
    before = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.handlers, logger.propagate, logger.level))
        logger.handlers, logger.propagate = [], name not in ("distributed", "tornado")
        logger.setLevel(logging.ERROR)
    for root in ("distributed", "tornado"):
        logging.getLogger(root).addHandler(handler)
    try:
        with warnings.catch_warnings():
            from distributed.versions import VersionMismatchWarning

            warnings.simplefilter("ignore", VersionMismatchWarning)  # compared, and told, by ourselves
            yield
    finally:
        for logger, handlers, propagate, level in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
