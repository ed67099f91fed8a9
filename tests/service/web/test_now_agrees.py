"""What the page of now says in two places is one and the same; and what it says does not count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from results.covered import Row
from results.ledger.actions import ACTIONS_FILE, Actions
from results.lock import LOCK_FILE
from results.manifest import MANIFEST_FILE
from scanner.service.admission.roles import Role
from scanner.service.jobs import Job, ScheduleStatus, ServiceStatus
from tests.support.ledgers import RunOnDisk
from tests.support.page import FakeService, page_client
from tests.support.running_run import running_run
from tests.support.two_runs import OLD_AT, OLD_RUN

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.test_utils import TestClient

ROWS = [Row(4, 10 << 24, (10 << 24) + 255, (27017,))]
STATUS = ServiceStatus(
    started_at=OLD_AT,
    beat_at=OLD_AT,
    version="1.0",
    schedules=(ScheduleStatus(name="paris-nightly", cron="0 2 * * *"),),
)


async def text_of(client: TestClient[Any, Any]) -> str:
    answer = await client.get("/")
    assert answer.status == 200, await answer.text()
    return await answer.text()


async def test_no_finding_is_shown_that_is_not_counted(tmp_path: Path) -> None:
    """What a run says of itself is up to a second older than its findings."""
    with running_run(tmp_path, ROWS) as run:
        run.says(10, open=1)
        for last in (1, 2, 3, 3):
            run.finds(f"10.0.0.{last}")
        async with page_client(tmp_path, FakeService()) as client:
            assert '<dd data-live="open">3</dd>' in await text_of(client)


async def test_of_a_sweep_that_starts_or_has_ended_the_page_says_one_thing(tmp_path: Path) -> None:
    """Its process is there before its run, and for a moment after it."""
    began = Job(job_id="j1", kind="sweep", schedule="paris-nightly", started_at=OLD_AT)
    for job, said, state in (
        (began, "A sweep is starting", "starts"),
        (replace(began, run_id="run-2"), "A sweep is under way", "runs"),
        (replace(began, run_id=OLD_RUN), "A sweep has just ended", "has just run"),
        (
            replace(began, run_id=OLD_RUN, started_at="2026-03-09T00:00:00.000Z"),
            "A sweep is under way",
            "runs",
        ),
    ):
        RunOnDisk(tmp_path / said, OLD_RUN, OLD_AT).begin().end()
        service = FakeService(replace(STATUS, running=(job,)))
        async with page_client(tmp_path / said, service, role=Role.OPERATE) as client:
            text = await text_of(client)
        assert f"<h1>{said}</h1>" in text
        assert f'data-label="State"><div>{state}<' in text
        assert (' value="stop"' in text) == ("ended" not in said)


async def test_a_run_that_was_looked_at_before_its_end_has_ended(tmp_path: Path) -> None:
    """The ledger may know it first."""
    with running_run(tmp_path, ROWS) as run:
        run.says(256)
        async with page_client(tmp_path, FakeService()) as client:
            assert "A sweep is running" in await text_of(client)
            whole = json.loads((run.directory.path / MANIFEST_FILE).read_bytes())
            whole |= {"state": "complete", "ended_at": "2026-03-08T12:00:01.000Z"}
            (run.directory.path / MANIFEST_FILE).write_text(json.dumps(whole))
            (run.directory.path / LOCK_FILE).rename(run.directory.path / "another")
            assert "<h1>Nothing is running</h1>" in await text_of(client)


async def test_a_broken_chain_of_actions_is_told(tmp_path: Path) -> None:
    written = Actions.open(tmp_path, write=True)
    for number in (1, 2):
        written.append("noted", ["mx_000000000000"], at=OLD_AT, by="web on-call", detail=f"note {number}")
    path = tmp_path / ACTIONS_FILE
    path.write_text(path.read_text().replace("note 1", "note 3"))
    async with page_client(tmp_path, FakeService()) as client:
        assert "What people did is broken at" in await text_of(client)
