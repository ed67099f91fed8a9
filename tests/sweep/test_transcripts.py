"""Hashes of what was asked and answered: with a second opinion alone, and by workers, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.mongo.first_answers import FirstAnswers
from tests.support.sweeps import found, scope_of, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.mongo.facts import Own

PLACE = "127.91.0.1"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("confirm", [False, True])
def test_a_confirmed_conversation_keeps_them(tmp_path: Path, port: int, workers: int, confirm: bool) -> None:
    with LabThread({(PLACE, port): find("open_8_0")}):
        summary, _ = sweep(scope_of(port, "127.91.0.0/30"), tmp_path, workers=workers, confirm=confirm)
    line = found(summary.run_dir)[PLACE]
    assert bool(line.transcript) == bool(line.transcript_sha256) == confirm
    if confirm:
        assert line.transcript_count is not None
        assert len(line.transcript) == min(12, line.transcript_count)
        assert line.transcript_count <= line.timing.messages


@pytest.mark.parametrize("confirm", [False, True])
def test_no_first_answer_is_read_by_its_kind_where_hashes_are_kept(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, confirm: bool
) -> None:
    """What is read so leaves none behind."""
    read, asked = FirstAnswers.read, 0

    def counted(kinds: FirstAnswers, data: bytes, *, loopback: bool) -> Own | None:
        nonlocal asked
        asked += 1
        return read(kinds, data, loopback=loopback)

    monkeypatch.setattr(FirstAnswers, "read", counted)
    with LabThread({(PLACE, port): find("auth_7_1")}):
        summary, _ = sweep(scope_of(port, "127.91.0.0/30"), tmp_path, confirm=confirm)
    assert found(summary.run_dir)[PLACE].transcript_count == (3 if confirm else None)
    assert (asked > 0) == (not confirm)
