"""`mongosweep schedule`: the next starts, in each zone and in UTC; what will wait, and for what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from scanner.cli import main
from scanner.cli.schedule_text import outlook_lines
from scanner.clock import SystemClock, timestamp
from scanner.service.forecast import Outlook, outlook
from scanner.service.jobs import ScheduleStatus, ServiceStatus
from scanner.service.planner import Planner
from scanner.service.store import Store
from scanner.setup.config_file import read_config
from scanner.setup.request import SweepRequest, load

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_774_656_000.0  # 2026-03-28 00:00 UTC, a day before the clocks of Europe go forward
SCHEDULES = """\
[[allow]]
cidr = "10.1.0.0/24"
site = "paris"

[[allow]]
cidr = "10.2.0.0/25"
site = "london"
owner = "web shop"

[[schedule]]
name = "night"
cron = "30 2 * * *"
zone = "Europe/Paris"
sites = ["paris"]
jitter = "15m"

[[schedule]]
name = "all"
cron = "30 1 28,30 * *"

[[schedule]]
name = "london"
cron = "30 1 * * *"
owners = ["web shop"]

[[blackout]]
cidr = "10.2.0.0/24"
from = "00:00"
to = "06:00"
zone = "Europe/London"
"""
NOTE = (
    "note: {} are due in the same minute, first on {}; {} addresses are asked by more than one of them, but"
    " never at once"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with schedules, as the working directory."""
    (tmp_path / "mongosweep.toml").write_text(SCHEDULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def looked(count: int, status: ServiceStatus | None = None) -> Outlook:
    loaded = load(SweepRequest(), NOW, {})
    return outlook(Planner(loaded.settings, loaded.scope), NOW, count, status)


def test_each_start_stands_there_in_its_zone_and_in_utc_with_what_it_waits_for(here: Path) -> None:
    assert outlook_lines(looked(2), "mongosweep.toml", "runs") == [
        "night: 30 2 * * * Europe/Paris, up to 15m later; site paris, 256 addresses",
        "  Sat 2026-03-28 02:40 CET, 2026-03-28 01:40 UTC",
        "  Sun 2026-03-29 03:14 CEST, 2026-03-29 01:14 UTC",
        "",
        "all: 30 1 28,30 * * UTC; the whole scope, 384 addresses",
        "  Sat 2026-03-28 01:30 UTC",
        "  Mon 2026-03-30 01:30 UTC",
        "",
        "london: 30 1 * * * UTC; owner web shop, 128 addresses",
        "  Sat 2026-03-28 01:30 UTC  (waits for its blackout to end, 2026-03-28 06:00 UTC)",
        "  Sun 2026-03-29 01:30 UTC  (waits for its blackout to end, 2026-03-29 05:00 UTC)",
        "",
        NOTE.format("night, all and london", "Sat 2026-03-28 02:30 CET", 384),
        NOTE.format("all and london", "Mon 2026-03-30 01:30 UTC", 128),
        "no service runs on runs: nothing starts until `mongosweep serve` does",
    ]


def test_what_a_service_says_stands_there_too(here: Path) -> None:
    status = ServiceStatus(
        started_at=timestamp(NOW),
        beat_at=timestamp(NOW),
        version="1",
        schedules=(
            ScheduleStatus(name="night", cron="", paused_by="ann \x1b[2J"),
            ScheduleStatus(name="all", cron="", waits_for="it is the turn of the sweep of night"),
            ScheduleStatus(name="gone", cron=""),
        ),
    )
    lines = outlook_lines(looked(1, status), "mongosweep.toml", "runs")
    assert lines[2] == "  paused by ann \\x1b[2J: it does not start until it is resumed"
    assert lines[6] == "  it is due, and waits: it is the turn of the sweep of night"
    assert lines[-1] == "the service on runs said so at 2026-03-28 00:00 UTC"


class TestCommand:
    def told(self, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
        assert main(["schedule", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    def test_json_for_programs(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        told = self.told(capsys, "--count", "3")
        assert [each["name"] for each in told["schedules"]] == ["night", "all", "london"]
        night = told["schedules"][0]
        assert (night["addresses"], night["sites"], len(night["starts"])) == (256, ["paris"], 3)
        start = night["starts"][0]
        assert start["start_at"] >= start["due_at"] > timestamp(SystemClock.wall() - 900)
        assert told["service_at"] == ""

    def test_only_a_service_that_is_alive_is_believed(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "runs").mkdir()
        for age, seen in ((0.0, "ann"), (60.0, "")):
            beat = timestamp(SystemClock.wall() - age)
            paused = ScheduleStatus(name="night", cron="", paused_by="ann")
            store = Store.open(here / "runs", beat)
            store.keep_status(ServiceStatus(started_at=beat, beat_at=beat, version="1", schedules=(paused,)))
            store.close()
            told = self.told(capsys)
            assert told["schedules"][0]["paused_by"] == seen
            assert bool(told["service_at"]) == bool(seen)

    def test_without_a_schedule_it_says_what_to_write_and_that_can_be_read(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = here / "mongosweep.toml"
        allow = '[[allow]]\ncidr = "10.1.0.0/24"\n'
        path.write_text(allow, encoding="utf-8")
        assert main(["schedule"]) == 0
        told = capsys.readouterr().out
        assert told.startswith("mongosweep.toml has no [[schedule]]; write one there")
        path.write_text(allow + told.partition("\n")[2], encoding="utf-8")
        assert [each.name for each in read_config(path).settings.schedule] == ["nightly"]

    def test_a_schedule_that_cannot_be_kept_is_refused(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = here / "mongosweep.toml"
        path.write_text(SCHEDULES.replace('"30 2 * * *"', '"30 25 * * *"'), encoding="utf-8")
        assert main(["schedule"]) == 2
        assert "mongosweep.toml:12: [[schedule]] 'night' cron: the field hour" in capsys.readouterr().err
