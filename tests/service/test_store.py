"""`service.sqlite`: what lasts, what is damaged, and what another program holds."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from results.files import DirectoryBusyError
from scanner.service.jobs import Job, ServiceStatus
from scanner.service.store import STORE_FILE, Store, StoreError, StoreReader

if TYPE_CHECKING:
    from pathlib import Path

NOW = "2026-03-01T09:00:00.000Z"


def job(number: int, ended: str = "") -> Job:
    at = f"2026-03-01T09:{number // 60:02d}:{number % 60:02d}.000Z"
    return Job(job_id=f"job-{number}", kind="sweep", schedule="paris", started_at=at, ended_at=ended)


def test_jobs_schedules_and_status_last(tmp_path: Path) -> None:
    store = Store.open(tmp_path, NOW)
    for each in (job(1), job(2), job(1, NOW)):
        store.keep_job(each)
    store.keep_schedule("paris", b'{"a":1}')
    store.keep_status(ServiceStatus(started_at=NOW, beat_at=NOW, version="1"))
    assert store.flush() == ""
    reader = StoreReader(tmp_path)
    status = reader.status()
    assert status is not None
    assert status.beat_at == NOW
    assert [each.job_id for each in reader.jobs(limit=5)] == ["job-1"]
    reader.close()
    store.close()
    assert (tmp_path / STORE_FILE).stat().st_mode & 0o777 == 0o600
    again = Store.open(tmp_path, NOW)
    assert [each.job_id for each in again.running()] == ["job-2"]
    assert again.schedules() == {"paris": b'{"a":1}'}
    last = again.last("sweep", "paris")
    assert last is not None
    assert (last.job_id, again.note) == ("job-2", "")
    again.close()


def test_old_jobs_go_and_those_that_run_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.service.store.MOST_JOBS", 3)
    store = Store.open(tmp_path, NOW)
    for number in range(10):
        store.keep_job(job(number, NOW if number else ""))
    store.flush()
    reader = StoreReader(tmp_path)
    assert [each.job_id for each in reader.jobs(limit=9)] == ["job-9", "job-8", "job-7", "job-6"]
    assert [each.job_id for each in reader.jobs(limit=1, before=job(8).started_at)] == ["job-7"]
    assert [each.job_id for each in store.running()] == ["job-0"]
    reader.close()
    store.close()


@pytest.mark.parametrize("damage", [b"no database at all" * 100, None])
def test_a_damaged_file_is_renamed_and_said(tmp_path: Path, damage: bytes | None) -> None:
    store = Store.open(tmp_path, NOW)
    for number in range(200):
        store.keep_job(job(number))
    store.close()
    path = tmp_path / STORE_FILE
    data = path.read_bytes()
    path.write_bytes(damage or data[:8192] + os.urandom(4096) + data[12288:])
    again = Store.open(tmp_path, NOW)
    assert f"is {STORE_FILE}.damaged-20260301T090000000Z now" in again.note
    assert again.running() == []
    again.keep_job(job(1))
    assert again.flush() == ""
    again.close()
    assert (tmp_path / f"{STORE_FILE}.damaged-20260301T090000000Z").exists()


def test_a_file_that_another_program_holds(tmp_path: Path) -> None:
    """At the start that is refused, after a while; later what is to be written waits, and nothing is lost."""
    store = Store.open(tmp_path, NOW)
    other = sqlite3.connect(tmp_path / STORE_FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store.keep_job(job(1))
    assert "another program holds it; end that program" in store.flush()
    store.keep_job(job(2))
    with pytest.raises(DirectoryBusyError, match=r"service\.sqlite: another program holds it"):
        Store.open(tmp_path, NOW, patience=0.05)
    other.execute("ROLLBACK")
    other.close()
    assert store.flush() == ""
    assert [each.job_id for each in store.running()] == ["job-1", "job-2"]
    store.close()


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / STORE_FILE
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (a)")
    other.commit()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="an SQLite file of another program; move it away"):
        Store.open(tmp_path, NOW)
    assert path.read_bytes() == before
    other.execute("DROP TABLE theirs")
    other.close()
    Store.open(tmp_path, NOW).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=9")
    newer.close()
    with pytest.raises(StoreError, match=r"a newer version of mongosweep \(tables 9, here 1\)"):
        Store.open(tmp_path, NOW)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=STORE_FILE):
        Store.open(tmp_path, NOW)
    assert StoreReader(tmp_path / "nowhere").status() is None
