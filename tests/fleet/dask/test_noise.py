"""What Dask logs in a coordinator's process: a line for an error, and nothing else."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

from distributed.comm.core import CommClosedError
from distributed.versions import VersionMismatchWarning

from scanner.fleet.dask.noise import quiet

if TYPE_CHECKING:
    import pytest


def test_only_errors_are_told_in_one_line_and_once(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    before = [logging.getLogger(name).handlers for name in ("distributed", "tornado.application")]
    with quiet(lines.append):
        log = logging.getLogger("distributed.client")
        for _ in range(2):
            try:
                raise ValueError("two\nlines \x1b[2J")
            except ValueError:
                log.exception("something\nhappened")
        try:
            raise CommClosedError("in <TLS>: Stream is closed")
        except CommClosedError:
            logging.getLogger("distributed.core").exception("it was closed")
        log.warning("never mind")
        logging.getLogger("tornado.application").error("a callback failed")
        warnings.warn("another version", VersionMismatchWarning, stacklevel=1)
        for number in range(100):
            log.error("number %d", number)
    assert lines[:2] == [
        "distributed.client: something: ValueError: two",
        "tornado.application: a callback failed",
    ]
    assert len(lines) == 20
    assert [logging.getLogger(name).handlers for name in ("distributed", "tornado.application")] == before
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")
