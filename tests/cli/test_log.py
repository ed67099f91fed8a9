"""The log: where it goes, what it may not do to a terminal, and what a slow reader costs."""

from __future__ import annotations

import io
import logging
import os
from contextlib import closing, contextmanager, redirect_stderr
from typing import TYPE_CHECKING, TextIO

from scanner.cli import log

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

LOGGER = logging.getLogger("mongosweep.tests")


class Gone(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        """No longer possible."""
        raise BrokenPipeError


@contextmanager
def pipe() -> Iterator[TextIO]:
    """The reader's end of a pipe that stands in for stderr; nobody reads unless the test does."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as writer, redirect_stderr(writer):
        yield reader


def test_a_line_has_its_time_level_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(log.configure("warning")):
        LOGGER.warning("checkpoint unusable: %s", "torn\x1b[2J")
        LOGGER.info("not told")
        logging.getLogger("elsewhere").error("foreign", exc_info=ValueError("so\nand so"))
    LOGGER.warning("not told any more")
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert out == ""
    assert first.startswith("at='20")
    assert first.endswith("Z' level='warning' event='checkpoint unusable: torn\\x1b[2J'")
    assert " level='error' event='foreign' exc_info=(<class 'ValueError'>, " in second
    assert "ValueError('so\\nand so')" in second


def test_a_slow_reader_costs_lines_that_are_counted() -> None:
    with pipe() as reader:
        configured = log.configure("warning")
        for number in range(5000):
            LOGGER.warning("event %04d", number)
        dropped = configured.dropped
        assert 0 < dropped < 5000
        told = [reader.readline() for _ in range(5000 - dropped)]
        configured.close()
        assert reader.readline() == f"dropped {dropped:,} log lines: stderr was too slow\n"
    assert all(line.endswith(f"event='event {number:04}'\n") for number, line in enumerate(told))


def test_a_long_line_does_not_wait_either() -> None:
    with pipe() as reader, closing(log.configure("warning")) as configured:
        while not configured.dropped:
            LOGGER.warning("é" * 50_000)
        os.read(reader.fileno(), 1 << 20)
    assert configured.dropped == 1


def test_a_reader_that_went_away_ends_nothing() -> None:
    with redirect_stderr(Gone()):
        configured = log.configure("warning")
        LOGGER.warning("told to nobody")
        configured.close()
        configured.close()
    assert configured.dropped == 0


def test_a_reader_that_reads_no_more_does_not_keep_it_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PATIENCE", 0.1)
    with pipe():
        configured = log.configure("warning")
        while configured.dropped < 10:
            LOGGER.warning("event")
        configured.close()
    assert configured not in logging.getLogger().handlers
