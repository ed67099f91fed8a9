"""The snapshot: whatever happens to the files and the clock, the same as if all was read from the start."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from results.durations import plus
from results.files import CorruptError
from results.ledger import store
from results.ledger.action import slimmed
from results.ledger.actions import ACTIONS_FILE, HEAD_FILE, Actions
from results.ledger.database import LEDGER_FILE, LedgerError, NoLedgerError
from results.ledger.intake import catch_up, rebuild
from results.ledger.overlay import Deadlines, lay_one
from results.ledger.view import read
from scanner.clock import timestamp
from scanner.service.view import reader
from scanner.service.view.reader import Reader, Snapshot
from scanner.service.view.snapshot import gravity
from tests.support.settable import SetClock
from tests.support.years import Years, build

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SIZE = Years(exposures=40, actions=300, runs=6)
NOW = plus(SIZE.began(SIZE.runs - 1), 86_400)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("years")
    build(output, SIZE)
    return output


class Desk:
    """An output directory, a clock, and a reader of both that stays."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.clock = SetClock(NOW)
        self.reader = Reader(output, Deadlines(), self.clock)

    async def look(self) -> Snapshot:
        """The snapshot, when everything that throttles is over."""
        self.clock.wait(2)
        return await self.reader.current()

    async def look_and_compare(self) -> Snapshot:
        """The snapshot, held against what the commands show at this moment."""
        snapshot = await self.look()
        view = read(self.output, timestamp(self.clock.wall()), Deadlines())
        with view.ledger:
            expected = sorted(view.exposures, key=gravity)
            assert [rounded(each) for each in snapshot.exposures] == [rounded(each) for each in expected]
            assert snapshot.runs == view.ledger.runs()
        assert snapshot.actions == [slimmed(each) for each in view.actions.all()]
        assert snapshot.unproven == len(view.actions.unproven)
        for each in snapshot.exposures:
            expected_actions = view.actions.of([each.exposure_id, *each.former_ids])
            assert snapshot.actions_of(each) == [slimmed(record) for record in expected_actions]
        return snapshot

    def act(self, kind: str, exposure_id: str, **more: str) -> None:
        """As another process does."""
        actions = Actions.open(self.output)
        actions.append(kind, [exposure_id], at=timestamp(self.clock.wall()), by="web on-call", **more)  # type: ignore[arg-type]


def rounded(exposure: object) -> object:
    """Without the upper bound, which grows between two looks at the clock."""
    return replace(exposure, open_at_most_seconds=None)  # type: ignore[type-var]


@pytest.fixture
async def desk(made: Path, tmp_path: Path) -> AsyncIterator[Desk]:
    shutil.copytree(made, tmp_path / "out")
    found = Desk(tmp_path / "out")
    yield found
    await found.reader.close()


async def test_it_is_what_is_read_from_the_beginning_and_kept(desk: Desk) -> None:
    first = await desk.look_and_compare()
    assert len(first.exposures) == 40
    assert first.open == [each for each in first.exposures if each.is_open]
    assert await desk.look() is first  # nothing happened: nothing is made anew


async def test_what_people_do_shows_at_once_and_only_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await desk.look()
    laid = []

    def counted(exposure: object, *rest: object) -> object:
        laid.append(exposure)
        return lay_one(exposure, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("scanner.service.view.layers.lay_one", counted)
    one = next(each for each in before.exposures if each.state == "open")
    desk.act("accepted", one.exposure_id, until=plus(NOW, 3600), detail="a test")
    after = await desk.reader.current()
    assert len(laid) == 1
    assert after.version != before.version
    assert after.by_id[one.exposure_id].state == "accepted"
    assert before.by_id[one.exposure_id].state == "open"  # a snapshot that somebody has stays as it is
    assert len(before.actions_of(one)) + 1 == len(after.actions_of(one))
    await desk.look_and_compare()


async def test_the_clock_alone_ends_acceptances_and_deadlines(desk: Desk) -> None:
    before = await desk.look()
    one = next(each for each in before.exposures if each.state == "open" and each.overdue)
    desk.act("accepted", one.exposure_id, until=plus(NOW, 3600), detail="a test")
    assert (await desk.look_and_compare()).by_id[one.exposure_id].state == "accepted"
    desk.clock.set(plus(NOW, 3601))
    assert (await desk.look_and_compare()).by_id[one.exposure_id].state == "open"
    for days in (1, 3, 8, 15, 31, 400):
        desk.clock.set(plus(NOW, days * 86_400))
        await desk.look_and_compare()


async def test_a_clock_that_is_put_back_lays_everything_over_again(desk: Desk) -> None:
    await desk.look()
    desk.clock.set(SIZE.began(2))  # before many of the looks, and before proofs of closure
    snapshot = await desk.look_and_compare()
    assert any(
        caution.code == "look-in-the-future" for each in snapshot.exposures for caution in each.cautions
    )
    desk.clock.set(NOW)
    await desk.look_and_compare()


async def test_the_upper_bound_of_how_long_it_is_open_grows(desk: Desk) -> None:
    one = next(each for each in (await desk.look()).exposures if each.is_open and each.opened_after)
    desk.clock.wait(3600)
    later = (await desk.look()).by_id[one.exposure_id]
    assert one.open_at_most_seconds is not None
    assert later.open_at_most_seconds is not None
    assert later.open_at_most_seconds - one.open_at_most_seconds >= 3600
    view = read(desk.output, timestamp(desk.clock.wall()), Deadlines())
    with view.ledger:
        assert later in view.exposures


async def test_another_run_another_deadline_and_a_ledger_made_again(desk: Desk, made: Path) -> None:
    newest = (await desk.look()).runs[-1].path
    shutil.rmtree(desk.output / newest)
    rebuilt = desk.output.with_name("again")
    shutil.copytree(desk.output, rebuilt)
    for each in rebuilt.glob(f"{LEDGER_FILE}*"):
        each.unlink()
    catch_up(rebuilt)
    for each in desk.output.glob(f"{LEDGER_FILE}*"):
        each.unlink()
    shutil.copy(rebuilt / LEDGER_FILE, desk.output / LEDGER_FILE)  # another file, with a run less
    assert len((await desk.look_and_compare()).runs) == SIZE.runs - 1
    shutil.copytree(made / newest, desk.output / newest)
    catch_up(desk.output)
    assert len((await desk.look_and_compare()).runs) == SIZE.runs
    rebuild(desk.output)
    snapshot = await desk.look_and_compare()
    desk.reader.use(Deadlines(critical=1, high=1, medium=1, low=1, info=1))
    assert sum(each.overdue for each in (await desk.look()).exposures) > sum(
        each.overdue for each in snapshot.exposures
    )


async def test_without_a_ledger_there_is_nothing_and_the_actions_are_kept(desk: Desk) -> None:
    await desk.look()
    for each in desk.output.glob(f"{LEDGER_FILE}*"):
        each.unlink()
    snapshot = await desk.look()
    assert (snapshot.exposures, snapshot.runs, len(snapshot.actions)) == ([], [], SIZE.actions)
    with pytest.raises(NoLedgerError):
        await desk.reader.ask(lambda ledger: ledger.runs())
    catch_up(desk.output)
    await desk.look_and_compare()


async def test_actions_that_are_edited_count_for_nothing_until_they_are_put_back(desk: Desk) -> None:
    before = await desk.look_and_compare()
    path = desk.output / ACTIONS_FILE
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:100], lines[100].replace(b"web", b"bew"), *lines[101:]]))
    broken = await desk.look_and_compare()
    assert broken.unproven == SIZE.actions - 100
    assert broken.doubt.startswith("line 101")
    with pytest.raises(CorruptError):
        await desk.reader.write(lambda actions: actions.append("noted", at=NOW, by="nobody"))
    path.write_bytes(whole)
    mended = await desk.look_and_compare()
    assert [rounded(each) for each in mended.exposures] == [rounded(each) for each in before.exposures]
    path.write_bytes(b"".join(lines[:50]))
    assert (await desk.look_and_compare()).unproven == 0  # lines that are missing are told by the doubt
    assert (await desk.look()).doubt.endswith("were written are not there")
    path.write_bytes(whole)
    assert (await desk.look_and_compare()).doubt == ""
    path.unlink()
    (desk.output / HEAD_FILE).unlink()
    assert (await desk.look_and_compare()).actions == []


async def test_a_line_that_is_forged_is_told_of_the_exposure_that_it_names(desk: Desk) -> None:
    one = next(each for each in (await desk.look()).exposures if each.state == "open")
    forged = {"schema": "mongosweep.action/1", "at": NOW, "kind": "accepted", "until": plus(NOW, 3600)}
    line = msgspec.json.encode({**forged, "exposure_ids": [one.exposure_id], "hash": "0" * 64}) + b"\n"
    with (desk.output / ACTIONS_FILE).open("ab") as file:
        file.write(line)
    after = (await desk.look_and_compare()).by_id[one.exposure_id]
    assert after.state == "open"
    assert after.cautions[-1].code == "actions-unproven"


async def test_what_is_written_through_it_is_in_the_next_snapshot(desk: Desk) -> None:
    one = (await desk.look()).open[0]
    desk.act("noted", one.exposure_id, detail="by another process")
    await desk.reader.write(
        lambda actions: actions.append("noted", [one.exposure_id], at=NOW, by="web", detail="by this one")
    )
    after = await desk.reader.current()
    assert [record.detail for record in after.actions_of(one)[-2:]] == ["by another process", "by this one"]
    assert Actions.open(desk.output).broken is None
    await desk.look_and_compare()


async def test_a_damaged_ledger_is_told_and_read_again_once_it_is_mended(desk: Desk) -> None:
    await desk.look()
    good = desk.output / "good"
    (desk.output / LEDGER_FILE).rename(good)
    for each in desk.output.glob(f"{LEDGER_FILE}-*"):
        each.unlink()
    (desk.output / LEDGER_FILE).write_bytes(b"no ledger" * 100)
    with pytest.raises(LedgerError, match="no SQLite file"):
        await desk.look()
    os.replace(good, desk.output / LEDGER_FILE)  # noqa: PTH105 - over what is there
    await desk.look_and_compare()


async def test_a_process_that_writes_for_long_holds_nobody_up(desk: Desk) -> None:
    await desk.look()
    with contextlib.closing(sqlite3.connect(desk.output / LEDGER_FILE, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("DELETE FROM changes")
        began = time.process_time()
        assert len((await desk.look()).exposures) == 40
        assert time.process_time() - began < 1
        writer.execute("ROLLBACK")


async def test_a_question_that_takes_too_long_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_STEPS", 1)
    with monkeypatch.context() as soon:
        soon.setattr(reader, "QUESTION_SECONDS", -1.0)
        with pytest.raises(LedgerError, match="took too long"):
            await desk.reader.ask(lambda ledger: list(ledger.changes()))
    await desk.look_and_compare()
