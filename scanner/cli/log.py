"""Sets up the log: structlog over logging, to stderr, through a queue that never makes a sweep wait.

Nothing is logged per target. A consumer of stderr that is slow or gone costs log lines, which are counted,
and nothing else.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import logging.handlers
import queue
import sys
from typing import TYPE_CHECKING, Any, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

QUEUE_LENGTH = 10_000
PATIENCE = 2.0  # seconds to write the last lines
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


class DroppingHandler(logging.handlers.QueueHandler):
    """Puts records into a bounded queue; when it is full, the record is dropped and counted."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Keep the record if there is room."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _Output(logging.Handler):
    """Writes lines until the stream is gone; then stays silent.

    Without a stream of its own it asks for stderr each time: a live view on a terminal stands in for it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        stream = self._stream if self._stream is not None else sys.stderr
        with contextlib.suppress(OSError, ValueError):
            stream.write(self.format(record) + "\n")
            stream.flush()


class _Listener(logging.handlers.QueueListener):
    """Ends in bounded time: a reader that reads no more must not keep a sweep from ending."""

    _sentinel: None

    def __init__(self, records: queue.Queue[Any], handler: logging.Handler) -> None:
        super().__init__(records, handler)
        self._records = records

    def _monitor(self) -> None:
        """The thread's work. Capabilities belong to each thread, and this one starts before the SYN stage
        has its raw sockets: so it gives up what the main thread still has to hand on."""
        if sys.platform == "linux":
            from scanner.network.syn.privilege import StillPrivileged, renounce_net_raw

            with contextlib.suppress(StillPrivileged):
                renounce_net_raw()
        super()._monitor()  # type: ignore[misc]  # what QueueListener runs in its thread; not in the stubs

    def stop(self) -> None:
        """Let it write what is queued, for as long as `PATIENCE`; its thread is a daemon and may stay."""
        thread = self._thread
        if thread is None:
            return
        self._thread = None
        with contextlib.suppress(queue.Full):
            self._records.put(self._sentinel, timeout=PATIENCE)
            thread.join(PATIENCE)


class Log:
    """A configured log; `close` writes what is queued and says how much was dropped."""

    def __init__(self, handler: DroppingHandler, listener: logging.handlers.QueueListener) -> None:
        self._handler = handler
        self._listener = listener
        self._open = True

    @property
    def dropped(self) -> int:
        """Records that found no room."""
        return self._handler.dropped

    def close(self) -> None:
        """Stop; safe to call twice."""
        if not self._open:
            return
        self._open = False
        logging.getLogger().removeHandler(self._handler)
        with contextlib.suppress(OSError, ValueError):
            self._listener.stop()
            if self.dropped:
                sys.stderr.write(f"dropped {self.dropped:,} log lines: stderr was too slow\n")


def logger() -> structlog.typing.FilteringBoundLogger:
    """The log, for events named `room.step`; values by keyword, never text made with them."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("mongosweep")
    return log


def configure(level: str = "warning", *, as_json: bool = False, stream: TextIO | None = None) -> Log:
    """Send structlog's and logging's records of `level` and above to `stream` (stderr by default)."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    final: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if as_json
        # repr of every value: a name from a server cannot steer a terminal
        else structlog.processors.KeyValueRenderer(key_order=["at", "level", "event"], drop_missing=True)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    output = _Output(stream)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, final],
        )
    )
    records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LENGTH)
    handler = DroppingHandler(records)
    # The formatter needs structlog's own event, which the default `prepare` would turn into text.
    handler.prepare = lambda record: record  # type: ignore[method-assign]  # same process: nothing is pickled
    listener = _Listener(records, output)
    root = logging.getLogger()
    root.setLevel(LEVELS[level])
    root.addHandler(handler)
    listener.start()
    log = Log(handler, listener)
    atexit.register(log.close)
    return log
