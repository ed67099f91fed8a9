"""Changes as events: each told once, with the exposure as it stood then, whatever the accidents."""

from __future__ import annotations

import errno
import multiprocessing
import random
import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from results.events.event import ChangeEvent, RunEvent
from results.events.log import EVENTS_FILE, read_lines
from results.events.publish import bring_up
from results.files import StorageError
from results.ledger.database import LEDGER_FILE
from results.ledger.intake import catch_up, rebuild
from results.ledger.prune import prune
from results.ledger.store import Ledger
from results.record import Server
from results.verdict import Verdict
from tests.results.examples import database, open_server
from tests.results.injections import INJECTIONS
from tests.support.faulty_files import DiedError, DyingFileSystem, FailingFileSystem
from tests.support.ledgers import RunOnDisk
from tests.support.published import IP, LIFE, OWNER, live, run_id, seen, started, told

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose runs saw the whole life of a server, taken in and told."""
    output = tmp_path_factory.mktemp("lived")
    live(output)
    catch_up(output)
    bring_up(output)
    return output


@pytest.fixture
def folder(lived: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    return shutil.copytree(lived, tmp_path / "runs")


def changes(output: Path) -> list[ChangeEvent]:
    return [event for event in told(output) if isinstance(event, ChangeEvent)]


def ids(output: Path) -> list[str]:
    return [event.event_id for event in told(output)]


# --- what is told ----------------------------------------------------------------------------------------


def test_a_life_in_order(lived: Path) -> None:
    events = told(lived)
    assert [(event.run_id, event.kind) for event in events if event.kind not in ("started", "ended")] == [
        ("run-01", "opened"),
        ("run-01", "ransomed"),
        ("run-05", "wiped"),
        ("run-05", "ransomed"),
        ("run-06", "restored"),
        ("run-07", "changed"),
        ("run-08", "changed"),
        ("run-10", "closed"),
        ("run-11", "reopened"),
        ("run-12", "unreachable"),
    ]
    for day in range(1, len(LIFE) + 1):
        of_run = [event.kind for event in events if event.run_id == run_id(day)]
        assert (of_run[0], of_run[-1]) == ("started", "ended")
    with Ledger.open(lived) as ledger:
        assert [change.event_id for change in ledger.changes()] == [
            event.event_id for event in changes(lived)
        ]


def test_each_change_carries_the_exposure_as_it_stood(lived: Path) -> None:
    stood = {(event.run_id, event.kind): event.snapshot for event in changes(lived)}
    assert [snapshot.state for snapshot in stood.values()] == [
        *("new", "new", "changed", "changed", "changed", "changed", "changed"),
        *("closed", "reopened", "unreachable"),
    ]
    for (day, _), snapshot in stood.items():
        assert (snapshot.place.ip, snapshot.place.port) == (IP, 27017)
        assert (snapshot.owner, snapshot.organisation) == (OWNER, "Example")
        assert snapshot.hostnames == ["db.example.com"]
        assert (snapshot.product, snapshot.version) == ("mongodb", "8.0.0-alpha")
        assert snapshot.last_seen_open[:10] <= f"2026-12-{day[-2:]}"
    before, wiped, after = (
        stood[each] for each in (("run-01", "opened"), ("run-05", "wiped"), ("run-06", "restored"))
    )
    assert (before.documents, wiped.documents, after.documents) == (2087, None, 2087)
    assert {snapshot.closed_before for snapshot in (before, wiped, after)} == {""}
    assert "lecteurs" in before.databases
    assert wiped.databases == ["READ_ME_TO_RECOVER_YOUR_DATA"]
    closed = stood["run-10", "closed"]
    assert (closed.verdict, closed.closed_how, closed.closed_before) == (
        Verdict.AUTH_REQUIRED,
        "asks-for-a-login",
        "2026-12-10T04:30:00.000Z",
    )
    assert (closed.first_seen_open, closed.last_seen_open) == (
        "2026-12-01T04:30:00.000Z",
        "2026-12-09T04:30:00.000Z",
    )
    assert closed.documents == 2087
    reopened = stood["run-11", "reopened"]
    assert (reopened.first_seen_open, reopened.closed_before) == ("2026-12-11T04:30:00.000Z", "")
    silent = stood["run-12", "unreachable"]
    assert (silent.verdict, silent.last_seen_open) == (Verdict.UNKNOWN, "2026-12-11T04:30:00.000Z")


def test_another_server_at_its_place_is_not_told_for_it(tmp_path: Path) -> None:
    """What stood there is of the other one, and never the exposure's own."""
    for day, product in enumerate(("mongodb", "ferretdb"), start=1):
        held = open_server(
            IP,
            database(f"of-{product}"),
            run_id=run_id(day),
            observed_at=started(day),
            server=Server(product=product, version="7.0.5"),
        )
        RunOnDisk(tmp_path, run_id(day), started(day)).begin().see(held).end()
        catch_up(tmp_path)
    bring_up(tmp_path)
    found = [(event.kind, event.snapshot.product, event.snapshot.databases) for event in changes(tmp_path)]
    assert sorted(found) == [
        ("opened", "ferretdb", ["of-ferretdb"]),
        ("opened", "mongodb", ["of-mongodb"]),
        ("unreachable", "mongodb", ["of-mongodb"]),
    ]


def test_a_run_says_what_changed_with_it_and_how_many_are_open(lived: Path) -> None:
    ends = {
        event.run_id: event for event in told(lived) if isinstance(event, RunEvent) and event.kind == "ended"
    }
    assert ends["run-05"].changes == {"wiped": 1, "ransomed": 1}
    assert (ends["run-05"].open, ends["run-05"].exposures_open) == (1, 1)
    assert ends["run-02"].changes == {}
    assert (ends["run-10"].open, ends["run-10"].exposures_open) == (0, 0)  # swept, nothing open
    assert (ends["run-12"].open, ends["run-12"].exposures_open) == (0, 1)  # out of reach is not closed


# --- once, whatever happens ------------------------------------------------------------------------------


def test_nothing_new_appends_nothing(folder: Path) -> None:
    before = (folder / EVENTS_FILE).read_bytes()
    assert bring_up(folder).appended == 0
    assert (folder / EVENTS_FILE).read_bytes() == before


def test_a_log_that_was_lost_is_made_again_byte_by_byte(folder: Path, lived: Path) -> None:
    (folder / EVENTS_FILE).unlink()
    bring_up(folder)
    assert (folder / EVENTS_FILE).read_bytes() == (lived / EVENTS_FILE).read_bytes()


def test_so_does_a_ledger_made_again(folder: Path) -> None:
    rebuild(folder)
    assert bring_up(folder).appended == 0


@pytest.mark.parametrize("seed", range(3))
def test_runs_told_in_any_order_and_in_any_parts_give_the_same_set(
    lived: Path, tmp_path: Path, seed: int
) -> None:
    """Runs that come late, as they do from another probe."""
    days = list(range(1, len(LIFE) + 1))
    random.Random(seed).shuffle(days)
    while days:
        for _ in range(random.Random(seed).randint(1, 4)):
            if days:
                live(tmp_path, range(days[-1], days.pop() + 1))
        catch_up(tmp_path)
        bring_up(tmp_path)
    found = ids(tmp_path)
    assert len(found) == len(set(found))
    assert set(ids(lived)) <= set(found)  # what was told before a late run changed it stays told
    (tmp_path / EVENTS_FILE).unlink()
    bring_up(tmp_path)
    assert set(ids(tmp_path)) == set(ids(lived))


def test_a_run_at_a_time_gives_the_same_as_all_at_once(lived: Path, tmp_path: Path) -> None:
    for day in range(1, len(LIFE) + 1):
        live(tmp_path, range(day, day + 1))
        bring_up(tmp_path)
        catch_up(tmp_path)
        bring_up(tmp_path)
    assert sorted(ids(tmp_path)) == sorted(ids(lived))


def test_whatever_part_of_the_log_a_crash_left_the_rest_is_appended(folder: Path, lived: Path) -> None:
    """Killed at any byte of an append: what was whole stays, and nothing is doubled."""
    whole = (lived / EVENTS_FILE).read_bytes()
    for cut in random.Random(1).sample(range(len(whole)), 40):
        (folder / EVENTS_FILE).write_bytes(whole[:cut])
        bring_up(folder)
        assert (folder / EVENTS_FILE).read_bytes() == whole


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_of_the_file_layer_the_next_appends_the_rest(
    folder: Path, lived: Path, after: bool
) -> None:
    """Between a write and its fsync, too, and in the midst of a write."""
    whole = (lived / EVENTS_FILE).read_bytes()
    for call in range(1, 40):
        (folder / EVENTS_FILE).unlink()
        fs = DyingFileSystem(call, after=after)
        try:
            bring_up(folder, fs=fs)
        except DiedError:
            pass
        else:
            assert call > 3
            return
        bring_up(folder)
        assert (folder / EVENTS_FILE).read_bytes() == whole
    raise AssertionError("it makes more calls than were tried")


def test_after_a_loss_of_power_every_event_can_be_read(folder: Path, lived: Path) -> None:
    """Of what was not yet fsynced, sectors come or do not, each by itself."""
    whole = (lived / EVENTS_FILE).read_bytes()
    draw = random.Random(2)
    for _ in range(30):
        durable = whole.rfind(b"\n", 0, draw.randrange(len(whole))) + 1
        left = bytearray(whole[: draw.randrange(durable, len(whole) + 1)])
        for sector in range(durable // 512 + 1, len(left) // 512):
            if draw.random() < 0.3:
                left[sector * 512 : (sector + 1) * 512] = bytes(512)
        (folder / EVENTS_FILE).write_bytes(left)
        bring_up(folder)
        readable = [line for line in read_lines(folder, 0, 1 << 20)[0] if b"\0" not in line]
        assert sorted(readable) == sorted(whole.splitlines(keepends=True))


@pytest.mark.parametrize("method", ["write", "fsync"])
def test_a_disk_that_fails_is_told_and_made_up_for(folder: Path, lived: Path, method: str) -> None:
    (folder / EVENTS_FILE).unlink()
    fs = FailingFileSystem(method, errno.EIO, name=EVENTS_FILE)
    with pytest.raises(StorageError, match="input/output error"):
        bring_up(folder, fs=fs)
    assert [call.method for call in fs.calls if call.path.name == EVENTS_FILE].count("fsync") <= 1
    bring_up(folder)
    assert (folder / EVENTS_FILE).read_bytes() == (lived / EVENTS_FILE).read_bytes()


def test_lines_of_another_version_stay_and_count_by_their_ids(folder: Path) -> None:
    lines = (folder / EVENTS_FILE).read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"kind"', b'"new_field":1,"kind"')
    (folder / EVENTS_FILE).write_bytes(b"".join(lines))
    assert bring_up(folder).appended == 0


def _publish(output: Path) -> None:
    for _ in range(5):
        bring_up(output)


def test_processes_that_tell_at_the_same_time(folder: Path, lived: Path) -> None:
    (folder / EVENTS_FILE).unlink()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_publish, args=(folder,)) for _ in range(3)]
    for process in processes:
        process.start()
    read, offset = [], 0
    while any(process.is_alive() for process in processes):
        lines, offset = read_lines(folder, offset)
        read += lines
        time.sleep(0.002)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    read += read_lines(folder, offset)[0]
    assert (
        b"".join(read) == (lived / EVENTS_FILE).read_bytes()
    )  # a reader beside them saw whole lines, in order
    assert (folder / EVENTS_FILE).read_bytes() == (lived / EVENTS_FILE).read_bytes()


# --- with less than everything ---------------------------------------------------------------------------


def test_without_a_ledger_runs_are_told(folder: Path) -> None:
    for name in (EVENTS_FILE, LEDGER_FILE):
        (folder / name).unlink()
    published = bring_up(folder)
    assert (published.appended, published.problem) == (2 * len(LIFE), "")
    assert {event.kind for event in told(folder)} == {"started", "ended"}
    assert all(event.exposures_open is None for event in told(folder) if isinstance(event, RunEvent))
    assert not (folder / LEDGER_FILE).exists()


def test_a_damaged_ledger_costs_the_changes_and_no_run(folder: Path, lived: Path) -> None:
    (folder / EVENTS_FILE).unlink()
    (folder / LEDGER_FILE).write_bytes(b"no ledger" * 100)
    published = bring_up(folder, take_in=False)
    assert published.appended == 2 * len(LIFE)
    assert "it is no SQLite file" in published.problem
    rebuild(folder)
    bring_up(folder)
    assert set(ids(folder)) == set(ids(lived))


def test_a_run_that_ended_is_taken_in_before_its_end_is_told(tmp_path: Path) -> None:
    """So that its end never comes without what changed with it."""
    live(tmp_path, range(1, 2))
    catch_up(tmp_path)
    live(tmp_path, range(2, 6))
    bring_up(tmp_path)
    assert [event.kind for event in told(tmp_path)][-4:] == ["started", "wiped", "ransomed", "ended"]
    end = told(tmp_path)[-1]
    assert isinstance(end, RunEvent)
    assert end.changes == {"wiped": 1, "ransomed": 1}


def test_what_a_run_that_goes_on_showed_so_far(tmp_path: Path) -> None:
    run = RunOnDisk(tmp_path, run_id(1), started(1), organisation="Example").begin().see(seen("1_loaded", 1))
    catch_up(tmp_path)
    bring_up(tmp_path)
    assert [event.kind for event in told(tmp_path)] == ["started", "opened", "ransomed"]
    run.end()
    bring_up(tmp_path)
    assert [event.kind for event in told(tmp_path)] == ["started", "opened", "ransomed", "ended"]


def test_a_pruned_run_is_told_from_the_ledger(folder: Path, lived: Path) -> None:
    report = prune(folder, timedelta(days=1), "2027-06-01T00:00:00.000Z")
    assert report.removed
    assert bring_up(folder).appended == 0
    (folder / EVENTS_FILE).unlink()
    bring_up(folder)
    assert (folder / EVENTS_FILE).read_bytes() == (lived / EVENTS_FILE).read_bytes()


def test_the_name_of_the_organisation_where_runs_do_not_tell_it(tmp_path: Path) -> None:
    RunOnDisk(tmp_path, run_id(1), started(1)).begin().see(seen("1_loaded", 1)).end()
    catch_up(tmp_path)
    bring_up(tmp_path, organisation="From the configuration")
    assert {event.snapshot.organisation for event in changes(tmp_path)} == {"From the configuration"}


# --- hostile names ---------------------------------------------------------------------------------------


def test_hostile_names_come_back_equal_from_printable_lines(tmp_path: Path) -> None:
    """But a half surrogate, which no JSON can hold, and a megabyte: the journal replaces one and cuts the
    other."""
    seen_open = open_server(
        IP, *[database(name) for name in INJECTIONS], run_id=run_id(1), observed_at="2026-12-01T04:30:00.000Z"
    )
    RunOnDisk(tmp_path, run_id(1), started(1)).begin().see(seen_open).end()
    catch_up(tmp_path)
    bring_up(tmp_path)
    lines = read_lines(tmp_path)[0]
    assert len(lines) == 3
    for line in lines:
        assert line.isascii()
        assert line[:-1].decode().isprintable()
    (opened,) = changes(tmp_path)
    found, sent = set(opened.snapshot.databases), set(INJECTIONS)
    assert {name[:9] for name in found - sent} == {"\ufffd", "nnnnnnnnn"}
    assert {name[:9] for name in sent - found} == {"\ud800", "nnnnnnnnn"}


@pytest.mark.parametrize(
    ("damage", "ended_at", "held"), [(b"{\n", "", None), (b"", "2026-12-01T04:10:00.000Z", 1)]
)
def test_none_is_open_is_not_said_of_what_the_ledger_could_not_read_or_date(
    tmp_path: Path, damage: bytes, ended_at: str, held: int | None
) -> None:
    """A damaged journal may hold more, and a clock that was set back ends a run before its own looks."""
    run = RunOnDisk(tmp_path, run_id(1), started(1), outcomes={"refused": 255, "open": 1}).begin()
    run.write(damage)
    run.see(seen("1_loaded", 1)).end(ended_at=ended_at)
    catch_up(tmp_path)
    bring_up(tmp_path)
    end = told(tmp_path)[-1]
    assert isinstance(end, RunEvent)
    assert (end.state, end.open, end.exposures_open) == ("complete", 1, held)
