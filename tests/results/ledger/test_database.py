"""The ledger's file: what is refused, what is set aside and made again, and what is brought up to date."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from results.files import DirectoryBusyError
from results.ledger import database, intake
from results.ledger.database import (
    LEDGER_FILE,
    DamagedLedgerError,
    LedgerError,
    NoLedgerError,
    connect,
    file_system_of,
    migrate,
)
from results.ledger.intake import catch_up, rebuild
from results.ledger.store import Ledger, UnknownExposureError
from results.ledger.tables import STEPS
from results.lock import Lock
from tests.results.examples import open_server
from tests.support.ledgers import RunOnDisk, dump

if TYPE_CHECKING:
    from pathlib import Path


def one_run(output: Path) -> None:
    run = RunOnDisk(output, "run-1", "2026-03-01T04:00:00.000Z").begin()
    run.see(*[open_server(f"192.0.2.{n}") for n in range(1, 40)]).end()


def execute(output: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(output / LEDGER_FILE)) as connection:
        connection.execute(statement)
        connection.commit()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    one_run(tmp_path)
    catch_up(tmp_path)
    with Ledger.open(tmp_path):
        for file in tmp_path.glob("ledger*"):
            assert file.stat().st_mode & 0o777 == 0o600, file
    with contextlib.closing(connect(tmp_path, write=True)) as connection:
        pragmas = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
        assert pragmas == PRAGMAS


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "busy_timeout": 5000,
}


def test_reading_where_there_is_none_makes_none(tmp_path: Path) -> None:
    with pytest.raises(NoLedgerError, match="no ledger here"):
        Ledger.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_one_is_refused_and_not_touched(tmp_path: Path) -> None:
    one_run(tmp_path)
    catch_up(tmp_path)
    execute(tmp_path, f"PRAGMA user_version={len(STEPS) + 1}")
    before = (tmp_path / LEDGER_FILE).read_bytes()
    for work in (catch_up, rebuild, Ledger.open):
        with pytest.raises(LedgerError, match="newer version") as refused:
            work(tmp_path)
        assert refused.value.exit_code == 2
    assert (tmp_path / LEDGER_FILE).read_bytes() == before


@pytest.mark.parametrize("mark", ["CREATE TABLE songs (title TEXT)", "PRAGMA application_id=252006674"])
def test_a_file_of_another_program_is_refused_and_not_touched(tmp_path: Path, mark: str) -> None:
    one_run(tmp_path)
    execute(tmp_path, mark)
    execute(tmp_path, "CREATE TABLE more (title TEXT)")
    before = (tmp_path / LEDGER_FILE).read_bytes()
    for work in (catch_up, rebuild, Ledger.open):
        with pytest.raises(LedgerError, match="another program"):
            work(tmp_path)
    assert (tmp_path / LEDGER_FILE).read_bytes() == before


@pytest.mark.parametrize("kind", ["directory", "link", "fifo"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    import os

    path = tmp_path / LEDGER_FILE
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(path)
    for work in (catch_up, Ledger.open):
        with pytest.raises(LedgerError):
            work(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize("damage", ["header", "text", "pages", "short", "half"])
def test_a_damaged_one_is_set_aside_and_made_again(tmp_path: Path, damage: str) -> None:
    one_run(tmp_path)
    catch_up(tmp_path)
    path, whole = tmp_path / LEDGER_FILE, dump(tmp_path)
    size = path.stat().st_size
    match damage:
        case "header":
            overwrite(path, 0, b"\0" * 16)
        case "text":
            path.write_text("nothing of ours\n" * 100)
        case "pages":
            overwrite(path, 4096, b"\x5a" * (size - 4096))
        case "short":
            path.write_bytes(path.read_bytes()[:50])
        case "half":
            path.write_bytes(path.read_bytes()[: size // 2])
    damaged = path.read_bytes()
    report = catch_up(tmp_path)
    (aside,) = tmp_path.glob("ledger.sqlite.damaged-*")
    assert report.set_aside == str(aside)
    assert aside.read_bytes() == damaged
    assert dump(tmp_path) == whole


def test_damage_that_a_reader_meets_is_said(tmp_path: Path) -> None:
    one_run(tmp_path)
    catch_up(tmp_path)
    overwrite(tmp_path / LEDGER_FILE, 4096, b"\x5a" * ((tmp_path / LEDGER_FILE).stat().st_size - 4096))
    with pytest.raises(DamagedLedgerError, match="rebuild"), Ledger.open(tmp_path) as ledger:
        ledger.exposures()


def test_a_content_that_does_not_read_is_damage(tmp_path: Path) -> None:
    one_run(tmp_path)
    catch_up(tmp_path)
    whole = dump(tmp_path)
    execute(tmp_path, "UPDATE contents SET body = x'7a0102'")
    execute(tmp_path, "INSERT INTO stale SELECT place FROM places")
    assert catch_up(tmp_path).set_aside
    assert dump(tmp_path) == whole


@pytest.mark.parametrize("size", [0, 4096])
def test_one_that_was_only_begun_is_finished(tmp_path: Path, size: int) -> None:
    one_run(tmp_path)
    path = tmp_path / LEDGER_FILE
    path.touch()
    if size:
        execute(tmp_path, "PRAGMA journal_mode=WAL")
    report = catch_up(tmp_path)
    assert (report.exposures, report.set_aside) == (39, "")


def test_each_step_is_taken_once_and_what_was_there_is_kept(tmp_path: Path) -> None:
    one_run(tmp_path)
    catch_up(tmp_path)
    path = tmp_path / LEDGER_FILE
    with contextlib.closing(connect(tmp_path, write=True)) as connection:
        step = "CREATE TABLE more (name TEXT) STRICT; INSERT INTO more VALUES ('a;b')"
        migrate(connection, path, [*STEPS, step])
        assert connection.execute("SELECT name FROM more").fetchall() == [("a;b",)]
    kept = path.with_name(f"{LEDGER_FILE}.before-{len(STEPS) + 1}")
    with contextlib.closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert connection.execute("SELECT count(*) FROM visits").fetchone() == (39,)


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with contextlib.closing(connect(tmp_path, write=True)) as connection:
        steps = [*STEPS, "CREATE TABLE more (name TEXT) STRICT; INSERT INTO nowhere VALUES (1)"]
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, tmp_path / LEDGER_FILE, steps)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /srv rw,relatime shared:9 - nfs4 files:/export rw,vers=4.2
31 30 254:9 / /srv/local rw,relatime - xfs /dev/vdb rw
32 22 0:41 / /mnt/with\\040space rw - cifs //host/share rw
33 30 0:42 / /srv/later rw - nfs4 files:/other rw
34 33 254:7 / /srv/later rw - ext4 /dev/vdc rw
broken line
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/me/runs", "ext4"),
        ("/srv/runs", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvx/runs", "ext4"),
        ("/srv/local/runs", "xfs"),
        ("/mnt/with space/runs", "cifs"),
        ("/srv/later/runs", "ext4"),
    ],
)
def test_the_file_system_of_a_place(place: str, kind: str) -> None:
    assert file_system_of(place, MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "file_system_of", lambda *_: "nfs4")
    one_run(tmp_path)
    with pytest.raises(LedgerError, match="nfs4, where a ledger cannot be"):
        catch_up(tmp_path)
    assert not (tmp_path / LEDGER_FILE).exists()


def test_two_at_a_time_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_run(tmp_path)
    monkeypatch.setattr(intake, "_TRIES", 2)
    lock = Lock.acquire(tmp_path, "taking in", name=intake.LOCK_FILE)
    with pytest.raises(DirectoryBusyError, match="another process"):
        catch_up(tmp_path)
    lock.release()
    assert catch_up(tmp_path).exposures == 39


def test_an_unknown_id_is_answered_with_the_nearest(tmp_path: Path) -> None:
    one_run(tmp_path)
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        known = ledger.exposures()[0].exposure_id
        typed = known[:-1] + ("0" if known[-1] != "0" else "1")
        with pytest.raises(UnknownExposureError, match=f"did you mean.*{known}") as unknown:
            ledger.exposure(typed)
        assert unknown.value.exit_code == 2
        for work in (ledger.looks, lambda name: list(ledger.changes(name))):
            with pytest.raises(UnknownExposureError, match="exposures` lists them"):
                work("?")
