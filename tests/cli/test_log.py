"""The log: where it goes, what it may not do to a terminal, and what a slow reader costs."""

from __future__ import annotations

import io
import json
import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from scanner.cli import log

if TYPE_CHECKING:
    import pytest


class Stuck(io.StringIO):
    """A stream whose reader does not read until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def write(self, text: str) -> int:
        """Wait for the reader."""
        self.release.wait(30)
        return super().write(text)


class Gone(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        """No longer possible."""
        raise BrokenPipeError


def test_a_line_has_its_time_level_event_and_values() -> None:
    stream = io.StringIO()
    with closing(log.configure("warning", stream=stream)):
        log.logger().warning("checkpoint.unusable", reason="torn\x1b[2J")
        log.logger().info("not.told")
        logging.getLogger("elsewhere").error("foreign %s", "record")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "level='warning' event='checkpoint.unusable' reason='torn\\x1b[2J'" in lines[0]
    assert "foreign record" in lines[1]


def test_json_is_one_object_a_line_in_ascii() -> None:
    stream = io.StringIO()
    with closing(log.configure("info", as_json=True, stream=stream)):
        log.logger().info("run.started", owner="équipe\u2028")
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert json.loads(line)["owner"] == "équipe\u2028"


def test_without_a_stream_it_is_stderr_as_it_is_then(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(log.configure("warning")):
        log.logger().warning("told")
    out, err = capsys.readouterr()
    assert out == ""
    assert "told" in err


def test_a_slow_reader_costs_lines_that_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "QUEUE_LENGTH", 5)
    stream = Stuck()
    configured = log.configure("warning", stream=stream)
    for number in range(50):
        log.logger().warning("event", number=number)
    dropped = configured.dropped
    stream.release.set()
    configured.close()
    assert dropped >= 40
    assert len(stream.getvalue().splitlines()) == 50 - dropped
    assert f"dropped {dropped} log lines" in capsys.readouterr().err


def test_a_reader_that_went_away_ends_nothing() -> None:
    configured = log.configure("warning", stream=Gone())
    log.logger().warning("told to nobody")
    configured.close()
    configured.close()


def test_a_reader_that_reads_no_more_does_not_keep_it_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUEUE_LENGTH", 2)
    monkeypatch.setattr(log, "PATIENCE", 0.1)
    stream = Stuck()
    configured = log.configure("warning", stream=stream)
    for _ in range(10):
        log.logger().warning("event")
    configured.close()
    assert configured.dropped >= 7
    stream.release.set()
