"""`/metrics`, `/healthz` and `/readyz` over real output directories, read as Prometheus reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from results.ledger.database import LEDGER_FILE
from results.ledger.intake import catch_up
from results.metrics import MOST_OWNERS, OTHER_OWNERS, exposition, exposure_families
from results.record import Owner
from results.verdict import Severity
from scanner.clock import SystemClock, timestamp
from scanner.service.jobs import Job, ScheduleStatus, ServiceStatus
from scanner.service.web.api.health import BEAT_WITHIN, service_check
from scanner.service.web.api.metrics import JobTally
from tests.results.examples import database
from tests.results.injections import INJECTIONS
from tests.support.exposures import closed, exposure
from tests.support.ledgers import RunOnDisk
from tests.support.page import FakeService, page_client
from tests.support.receivers.promtool import promtool
from tests.support.two_runs import NEW_AT, NEW_RUN, OLD_AT, OLD_RUN, new, old

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
[[sink]]
kind = "file"
path = "{folder}/findings.jsonl"
"""


def samples(text: str) -> dict[str, float]:
    """Each sample by its name and labels, written as Prometheus writes them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}"
            assert key not in found, key
            found[key] = sample.value
    return found


def beating() -> ServiceStatus:
    """A service that runs, with a schedule that waits and a sweep under way."""
    now = timestamp(SystemClock.wall())
    return ServiceStatus(
        started_at="2026-03-01T00:00:00.000Z",
        beat_at=now,
        version="1.0",
        schedules=(
            ScheduleStatus(name="paris-nightly", cron="0 2 * * *", next_at="2026-03-09T02:04:00.000Z"),
            ScheduleStatus(name="lyon", cron="0 3 * * *", waits_for="paris-nightly", paused_by="soc"),
        ),
        running=(job("3", "paris-nightly", started_at="2026-03-08T02:00:00.000Z", ended_at="", end=""),),
        warnings=("the clock jumped",),
        loop_lag_seconds=0.25,
    )


def job(number: str, schedule: str = "", **told: object) -> Job:
    base: dict[str, object] = {
        "job_id": f"job-{number}",
        "kind": "sweep",
        "schedule": schedule,
        "started_at": f"2026-03-01T04:00:{number:0>2}.000Z",
        "ended_at": f"2026-03-01T05:00:{number:0>2}.000Z",
        "end": "complete",
    }
    return Job(**(base | told))  # type: ignore[arg-type]


def two_weeks(output: Path) -> None:
    """A sweep by a schedule that found one open, and one by hand that did not end well."""
    held = database("shop", size=5000)
    first = RunOnDisk(output, OLD_RUN, OLD_AT, outcomes={"open": 1, "filtered": 255})
    first.begin().see(old("192.0.2.1", held)).end()
    second = RunOnDisk(output, NEW_RUN, NEW_AT, outcomes={"open": 2, "refused": 200})
    second.begin().see(new("192.0.2.1", held), new("192.0.2.2")).end("interrupted")
    catch_up(output)


async def test_a_scrape_tells_of_service_runs_exposures_and_sinks(tmp_path: Path) -> None:
    output = tmp_path / "runs"
    two_weeks(output)
    config = tmp_path / "mongosweep.toml"
    config.write_text(CONFIGURATION.format(folder=tmp_path))
    jobs = [job("1", "paris-nightly", run_id=OLD_RUN), job("2", "lyon", end="failed")]
    async with page_client(output, FakeService(beating(), jobs), config=config) as client:
        answer = await client.get("/metrics")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    found = samples(text)
    ended = 1772341200.0  # 2026-03-01T05:00:00Z
    expected = {
        "mongosweep_jobs_total{kind=sweep,result=complete,schedule=paris-nightly}": 1,
        "mongosweep_jobs_total{kind=sweep,result=failed,schedule=lyon}": 1,
        "mongosweep_jobs_running{kind=sweep,schedule=paris-nightly}": 1,
        "mongosweep_jobs_running{kind=sweep,schedule=lyon}": 0,
        "mongosweep_job_last_success_timestamp_seconds{kind=sweep,schedule=paris-nightly}": ended + 1,
        "mongosweep_schedule_paused{schedule=lyon}": 1,
        "mongosweep_schedule_waiting{schedule=lyon}": 1,
        "mongosweep_service_warnings{}": 1,
        "mongosweep_loop_lag_seconds{process=service}": 0.25,
        "mongosweep_run_complete{kind=sweep,schedule=paris-nightly}": 1,
        "mongosweep_run_complete{kind=sweep,schedule=}": 0,
        "mongosweep_run_last_success_timestamp_seconds{kind=sweep,schedule=paris-nightly}": ended,
        "mongosweep_run_duration_seconds{kind=sweep,schedule=paris-nightly}": 3600,
        "mongosweep_run_targets{kind=sweep,result=asked,schedule=paris-nightly}": 256,
        "mongosweep_run_outcomes{kind=sweep,schedule=paris-nightly,verdict=filtered}": 255,
        "mongosweep_run_outcomes{kind=sweep,schedule=,verdict=open}": 2,
        "mongosweep_exposures{severity=high,state=open}": 1,
        "mongosweep_exposures{severity=high,state=new}": 1,
        "mongosweep_exposures{severity=critical,state=closed}": 0,
        "mongosweep_owner_exposures{owner=web platform,state=open}": 1,
        "mongosweep_owner_exposed_bytes{owner=web platform}": 5000 + 4096,
        "mongosweep_sink_up{sink=file}": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert 0 <= found["mongosweep_loop_lag_seconds{process=page}"] < 5
    assert "192.0.2." not in text


async def test_a_new_installation_can_be_scraped(tmp_path: Path) -> None:
    """Nothing ran yet, and there is no service: zeros, and no sample of what is not known."""
    async with page_client(tmp_path, FakeService()) as client:
        found = samples(await (await client.get("/metrics")).text())
    assert found["mongosweep_exposures{severity=high,state=open}"] == 0
    assert found["mongosweep_ledger_missing_runs{}"] == 0
    assert not [name for name in found if name.startswith(("mongosweep_run", "mongosweep_service"))]


async def test_metrics_are_what_prometheus_takes(tmp_path: Path) -> None:
    """promtool finds nothing to say about names, units and helps."""
    two_weeks(tmp_path)
    jobs = [job("1", "paris-nightly", run_id=OLD_RUN)]
    async with page_client(tmp_path, FakeService(beating(), jobs)) as client:
        text = await (await client.get("/metrics")).read()
    assert promtool("check", "metrics", stdin=text) == ""


def test_owners_are_bounded_and_only_labels_of_ours_are_told() -> None:
    """However many owners a configuration has, and whatever servers say of themselves."""
    many = [
        exposure(f"10.20.{number}.1", owner=Owner(owner=f"owner {number:03}"), bytes=1, overdue=True)
        for number in range(MOST_OWNERS + 50)
    ]
    hostile = [
        closed(
            "10.20.1.1", hostnames=[text[:50]], databases=[text[:50]], product=text[:50], set_name=text[:50]
        )
        for text in INJECTIONS
    ]
    text = exposition(exposure_families([*many, *hostile])).decode()
    found = samples(text)
    assert found[f"mongosweep_owner_exposures{{owner={OTHER_OWNERS},state=open}}"] == 50
    assert sum(1 for name in found if name.startswith("mongosweep_owner_exposed_bytes")) == MOST_OWNERS + 1
    assert found[f"mongosweep_owner_exposed_bytes{{owner={OTHER_OWNERS}}}"] == 50
    assert found[f"mongosweep_owner_exposures_overdue{{owner={OTHER_OWNERS}}}"] == 50
    for injection in ("onerror", "jndi", "DROP TABLE", "__proto__"):
        assert injection not in text
    assert all(severity.value in text for severity in Severity)


def test_each_job_is_counted_once_and_only_new_ones_are_read() -> None:
    """Also one that began before others, and ended after them."""
    long_one = job("0", "paris-nightly", started_at="2026-02-01T00:00:00.000Z", end="", ended_at="")
    service = FakeService(
        jobs=[job(f"{n:02}", started_at=f"2026-03-01T04:{n:02}:00.000Z") for n in range(60)]
    )
    tally = JobTally()
    tally.read(service, (long_one,))
    tally.read(service, (long_one,))
    assert tally.ended == {("", "sweep", "complete"): 60}
    more = [job(f"a{n}", started_at=f"2026-03-02T{n // 60:02}:{n % 60:02}:00.000Z") for n in range(500)]
    ended = job("0", "paris-nightly", started_at=long_one.started_at, end="incomplete")
    service.ended += [*more, ended]
    tally.read(service, ())
    tally.read(service, ())
    assert tally.ended == {("", "sweep", "complete"): 560, ("paris-nightly", "sweep", "incomplete"): 1}
    service.asked = 0
    tally.read(service, ())
    assert service.asked == 1


async def test_healthz_says_ok_while_readyz_says_what_is_wrong(tmp_path: Path) -> None:
    """Each to anybody, without a word on what is there."""
    (tmp_path / LEDGER_FILE).write_bytes(b"no ledger" * 1000)
    async with page_client(tmp_path, FakeService()) as client:
        assert (await client.get("/healthz")).status == 200
        answer = await client.get("/readyz")
        assert answer.status == 503
        told = await answer.json()
        assert told["checks"] == {"output": "cannot be read", "service": "not running"}
        assert str(tmp_path) not in str(told)
        assert (await client.get("/metrics")).status == 503


async def test_readyz_is_good_when_there_is_nothing_to_complain_of(tmp_path: Path) -> None:
    two_weeks(tmp_path)
    async with page_client(tmp_path, FakeService(beating())) as client:
        answer = await client.get("/readyz")
        assert (answer.status, (await answer.json())["checks"]) == (200, {"output": "ok", "service": "ok"})


async def test_a_ledger_that_broke_under_a_page_is_not_ready(tmp_path: Path) -> None:
    """Its header still is that of a ledger, and the page still has what it read before."""
    two_weeks(tmp_path)
    async with page_client(tmp_path, FakeService(beating())) as client:
        assert (await client.get("/api/v1/exposures")).status == 200
        size = (tmp_path / LEDGER_FILE).stat().st_size
        with (tmp_path / LEDGER_FILE).open("r+b") as file:
            file.seek(4096)
            file.write(b"\xaa" * (size - 4096))
        answer = await client.get("/readyz")
        assert (answer.status, (await answer.json())["checks"]["output"]) == (503, "cannot be read")


def test_a_service_that_is_silent_is_not_ready() -> None:
    service = FakeService(beating())
    now = SystemClock.wall()
    assert service_check(service, now) == "ok"
    assert service_check(service, now + BEAT_WITHIN + 2) == "silent for more than 60 s"
