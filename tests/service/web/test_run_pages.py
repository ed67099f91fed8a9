"""The pages about runs: the list, one of them, and two compared."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from scanner.service.view import runs as run_list
from scanner.service.web.pages import compare, runs
from tests.support.ledgers import RunOnDisk
from tests.support.page_app import StandingReader, client, page_app
from tests.support.pages import Reader
from tests.support.swept import RUNS, snapshot, swept

if TYPE_CHECKING:
    from pathlib import Path

    from results.diff.difference import Comparison

FEBRUARY, FIRST, SECOND, STOPPED, NEWEST = RUNS


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some weeks of sweeps."""
    return swept(tmp_path_factory.mktemp("past"))[0]


async def asked(output: Path, address: str, status: int = 200, *, pruned: str = "") -> Reader:
    """A page, read. `pruned`: a run whose directory is said to be gone."""
    taken = snapshot(output)
    if pruned:
        taken.runs = [replace(run, pruned=run.run_id == pruned) for run in taken.runs]
    app = page_app((runs, compare), StandingReader(taken, output), output)
    async with client(app) as asking:
        answer = await asking.get(address)
        assert answer.status == status
        return Reader(await answer.text())


def words(read: Reader) -> str:
    """Its text in one line."""
    return " ".join(" ".join(read.text).split())


async def test_the_list_has_every_run_the_newest_first(output: Path) -> None:
    read = await asked(output, "/runs")

    links = [str(each["href"]) for each in read.named("a") if str(each.get("href")).startswith("/runs/2")]
    assert links == [f"/runs/{run_id}" for run_id in reversed(RUNS)]
    assert "interrupted 1500 targets were not reached: stopped 73,728 1,500 3" in words(read)


async def test_the_newest_and_the_one_before_are_chosen_already(output: Path) -> None:
    read = await asked(output, "/runs")

    chosen = {
        each["name"]: each["value"] for each in read.named("input") if "checked" in each and "value" in each
    }
    assert chosen == {"old": STOPPED, "new": NEWEST}


async def test_only_those_that_are_not_complete(output: Path) -> None:
    read = await asked(output, "/runs?kind=doubtful")

    links = [each["href"] for each in read.named("a") if str(each.get("href")).startswith("/runs/2")]
    assert links == [f"/runs/{STOPPED}"]
    assert "No run is of this kind." in words(await asked(output, "/runs?kind=verifications"))


async def test_a_run_that_the_ledger_has_not_yet_is_listed_too(tmp_path: Path) -> None:
    swept(tmp_path)
    going = RunOnDisk(tmp_path / "results", "20260320T040000Z-b1", "2026-03-20T04:00:00.000Z").begin()

    text = words(await asked(tmp_path / "results", "/runs"))
    going.let_go()

    assert "20260320T040000Z-b1 2026-03-20 04:00 UTC 8 hours ago - running" in text


async def test_one_run_tells_its_accounts_and_how_to_go_on(output: Path) -> None:
    text = words(await asked(output, f"/runs/{STOPPED}"))

    assert "Planned 73,728 Outcomes 72,228 Excluded 0" in text
    assert f"mongosweep sweep --resume {STOPPED} goes on with it" in text
    assert "That it did not report a place proves nothing." in text
    assert "was not open to this machine" in words(await asked(output, f"/runs/{NEWEST}"))


@pytest.mark.parametrize("run_id", ["nothing", "..%2F..%2Fetc%2Fpasswd", "%3Cscript%3E"])
async def test_another_id_is_no_page(output: Path, run_id: str) -> None:
    assert "No run has this id" in words(await asked(output, f"/runs/{run_id}", 404))


async def test_two_runs_compared(output: Path) -> None:
    read = await asked(output, f"/compare?old={FIRST}&new={STOPPED}")

    text = words(read)
    assert "opened high 10.20.3.30:27017 web platform paris - 1.2 GB" in text
    assert "closed high 10.20.200.4:27017 web platform paris 160.0 MB - it asks for a login now" in text
    assert "The new run does not answer for everything" in text
    assert "2 exposures are unchanged" in text


async def test_the_older_of_two_is_the_old_one_whatever_was_said(output: Path) -> None:
    turned = words(await asked(output, f"/compare?old={STOPPED}&new={FIRST}"))

    assert turned == words(await asked(output, f"/compare?old={FIRST}&new={STOPPED}"))


async def test_one_kind_of_change_alone(output: Path) -> None:
    text = words(await asked(output, f"/compare?old={FIRST}&new={STOPPED}&kind=closed"))

    assert "10.20.200.4:27017" in text
    assert "10.20.3.30:27017" not in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"old={FIRST}&new={FIRST}", "That is the same run twice"),
        (f"old=nothing&new={FIRST}", "not known here"),
        (f"old={FEBRUARY}&new={FIRST}", f"{FEBRUARY} cannot be compared: its directory was pruned"),
    ],
)
async def test_what_cannot_be_compared_is_said(output: Path, query: str, said: str) -> None:
    assert said in words(await asked(output, f"/compare?{query}", 400, pruned=FEBRUARY))


async def test_a_directory_that_went_away_meanwhile_is_an_error_with_words(tmp_path: Path) -> None:
    output = swept(tmp_path)[0]
    shutil.rmtree(output / FIRST)

    assert FIRST in words(await asked(output, f"/compare?old={FIRST}&new={STOPPED}", 503))


async def test_a_long_comparison_goes_on_while_the_page_waits(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_list, "PATIENCE", 0.01)
    slow = run_list.RunList._compare
    begun, may_end = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    times = 0

    def wait(self: run_list.RunList, *given: object) -> Comparison:
        nonlocal times
        times += 1
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
        return slow(self, *given)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(run_list.RunList, "_compare", wait)
    app = page_app((runs, compare), StandingReader(snapshot(output), output), output)
    async with client(app) as asking:
        address = f"/compare?old={FIRST}&new={STOPPED}"
        first = await asking.get(address)
        assert first.headers["Refresh"] == "1"
        assert "Both journals are being read" in await first.text()
        await begun.wait()
        monkeypatch.setattr(run_list, "PATIENCE", 60)
        may_end.set()
        answer = await asking.get(address)
        assert "Refresh" not in answer.headers
        assert "10.20.3.30:27017" in await answer.text()
    assert times == 1
