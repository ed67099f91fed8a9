"""Sets up the log: logging to stderr, a line a record, which never makes a sweep wait.

Nothing is logged per target. A consumer of stderr that is slow or gone costs log lines, which are counted,
and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import select
import sys
from datetime import UTC, datetime

PATIENCE = 2.0  # seconds to say at the end how many lines were dropped


class Log(logging.Handler):
    """Writes to stderr as it is then: a live view on a terminal stands in for it. `close` takes it away."""

    dropped = 0  # lines that found no room

    def emit(self, record: logging.LogRecord) -> None:
        """One line, or a count where it would have to wait."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        level, event = record.levelname.lower(), record.getMessage()
        values: dict[str, object] = {"at": at, "level": level, "event": event}
        if record.exc_info:
            values["exc_info"] = record.exc_info
        # repr of every value: a name from a server cannot steer a terminal
        self._write(" ".join(f"{key}={value!r}" for key, value in values.items()), 0.0)

    def close(self) -> None:
        """Say how much was dropped; safe to call twice."""
        root = logging.getLogger()
        if self in root.handlers:
            root.removeHandler(self)
            if self.dropped:
                self._write(f"dropped {self.dropped:,} log lines: stderr was too slow", PATIENCE)
        super().close()

    def _write(self, line: str, patience: float) -> None:
        # A pipe with any room at all takes PIPE_BUF bytes at once.
        text = line.encode(errors="backslashreplace")[: select.PIPE_BUF - 1].decode(errors="ignore")
        with contextlib.suppress(OSError, ValueError):
            if _has_room(patience):
                sys.stderr.write(text + "\n")
                sys.stderr.flush()
            else:
                self.dropped += 1


def _has_room(patience: float) -> bool:
    """Whether stderr takes a line now; a stand-in without a descriptor always does."""
    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError):
        return True
    return bool(select.select([], [descriptor], [], patience)[1])


def configure(level: str = "warning") -> Log:
    """Send the records of `level` and above to stderr."""
    log = Log()
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.addHandler(log)
    return log
