"""What a sweep has of the ledger: places to watch, one line of what changed, and no trouble of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.ledger.database import LEDGER_FILE
from results.ledger.intake import catch_up
from scanner.lab.estate import find
from scanner.sweep import remembered
from scanner.sweep.remembered import take_in, watched
from tests.support.sweeps import scope_of
from tests.support.verifying import World

if TYPE_CHECKING:
    from pathlib import Path

OPEN, NEAR = "127.91.0.5", "127.91.0.6"
ANY, LOCKED = find("open_8_0"), find("auth_7_1")


def test_what_was_open_is_watched_and_the_line_says_what_changed(tmp_path: Path, port: int) -> None:
    said: list[str] = []
    assert watched(tmp_path, said.append) == frozenset()
    world = World(tmp_path, port, scope_of(port, "127.91.0.4/30"), servers={OPEN: ANY, NEAR: LOCKED})
    first = world.sweep()
    assert take_in(tmp_path, first, said.append) == ("1 new; mongosweep exposures", 1)
    places = watched(tmp_path, said.append)
    assert places == {(OPEN, port)}
    world.clock.ahead += 60
    world.servers = {OPEN: LOCKED, NEAR: LOCKED}
    second = world.sweep(watched=places)
    assert take_in(tmp_path, second, said.append) == (
        "1 closed since the run of 2026-03-02 04:00 UTC; mongosweep exposures",
        0,
    )
    world.clock.ahead += 60
    third = world.sweep(watched=places)
    assert take_in(tmp_path, third, said.append).line.startswith("nothing changed since")
    assert said == []


@pytest.mark.parametrize(
    "content",
    [b"no database at all" * 100, b"SQLite format 3\0" + b"\0" * 200, b""],
    ids=["text", "torn", "empty"],
)
def test_a_ledger_that_cannot_be_read_stops_nothing(tmp_path: Path, port: int, content: bytes) -> None:
    """It is said in one line, and made again of the runs afterwards."""
    said: list[str] = []
    (tmp_path / LEDGER_FILE).write_bytes(content)
    assert watched(tmp_path, said.append) == frozenset()
    assert len(said) == 1
    world = World(tmp_path, port, scope_of(port, "127.91.0.4/30"), servers={OPEN: ANY})
    summary = world.sweep()
    take_in(tmp_path, summary, said.append)
    assert all("\n" not in line for line in said)
    assert watched(tmp_path, said.append) == {(OPEN, port)}


@pytest.mark.parametrize("error", [OSError("no room"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_what_cannot_be_taken_in_is_said_and_raises_nothing(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    said: list[str] = []
    world = World(tmp_path, port, scope_of(port, "127.91.0.4/30"), servers={OPEN: ANY})
    summary = world.sweep()
    with monkeypatch.context() as broken:
        broken.setattr("results.ledger.intake.catch_up", fail)
        assert take_in(tmp_path, summary, said.append) == ("", None)
    assert len(said) == 1
    catch_up(tmp_path)
    assert remembered.watched(tmp_path, said.append) == {(OPEN, port)}
