"""What pages say of how much "nothing is open" is worth: runs that the ledger lacks, sweeps of a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.covered import Row
from results.ledger.store import LedgerRun
from scanner.service.view.runs import RunLine, RunList
from scanner.service.view.snapshot import Snapshot
from scanner.service.web.api import exposures as resource
from scanner.service.web.context import RUNS
from scanner.service.web.pages import coverage, exposures, owners, trends
from tests.support.exposures import NOW
from tests.support.page_app import StandingReader, client, page_app, plain
from tests.support.running_run import running_run
from tests.support.sweeps import scope_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROOMS = (exposures, owners, trends, resource)
COMPLETE = LedgerRun(
    run_id="r", path="r", state="complete", created_at=NOW, ended_at="2026-03-08T11:00:00.000Z", planned=256
)
SNAPSHOT = Snapshot(NOW, NOW, [], [COMPLETE], [])


async def test_an_empty_list_says_that_a_run_is_not_in_the_ledger(tmp_path: Path) -> None:
    async with client(page_app(ROOMS, StandingReader(SNAPSHOT, tmp_path), tmp_path)) as page:
        before = await page.get("/api/v1/exposures")
        with running_run(tmp_path, [Row(4, 1, 8, (27017,))]) as run:
            run.finds("0.0.0.1")
            text = plain(await (await page.get("/exposures")).text())
            assert "1 run beside it is not in the ledger (1 running)" in text
            assert "Nothing is open" not in text
        for address in ("/exposures", "/owners", "/trends"):  # it was killed
            text = plain(await (await page.get(address)).text())
            assert "1 run beside it is not in the ledger (1 aborted)" in text
            assert "Nothing is open" not in text
        tag = {"If-None-Match": before.headers["ETag"]}
        after = await page.get("/api/v1/exposures", headers=tag)
        assert [(await each.json())["runs_not_in_ledger"] for each in (before, after)] == [0, 1]


async def test_a_sweep_of_a_part_is_not_taken_for_one_of_the_scope(tmp_path: Path) -> None:
    scope = scope_of(27017, "127.91.0.0/23")
    async with client(page_app(ROOMS, StandingReader(SNAPSHOT, tmp_path), tmp_path, scope=scope)) as page:
        text = plain(await (await page.get("/exposures")).text())
    assert f"all 256 targets that it set out to ask, of {len(scope)} in the scope" in text


async def test_a_sweep_of_which_nobody_can_say_how_much_it_missed_is_not_called_whole(tmp_path: Path) -> None:
    class Runs(RunList):
        async def current(self, runs: Sequence[LedgerRun]) -> list[RunLine]:
            del runs
            return [RunLine(run_id="r", state="complete", began=NOW, missed_at_most=missed)]

    for missed in (None, 0):
        app = page_app((coverage,), StandingReader(SNAPSHOT, tmp_path), tmp_path, scope=scope_of(27017))
        app[RUNS] = Runs(tmp_path)
        async with client(app) as page:
            text = plain(await (await page.get("/coverage")).text())
        assert ("none may have missed a server" in text) == (missed == 0)
