"""Taking runs in: whatever comes, and however often, the ledger says what the journals say."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.ledger import database as database_file
from results.ledger import intake
from results.ledger.intake import Progress, catch_up, rebuild
from results.ledger.store import Ledger
from results.lines import to_lines
from results.record import Owner, Reason
from results.verdict import Severity, Verdict
from tests.results.examples import database, magazine, observation, open_server
from tests.support.ledgers import RunOnDisk, dump

if TYPE_CHECKING:
    from pathlib import Path

    from results.record import Observation


def day(number: int) -> str:
    return f"2026-03-{number:02}T04:00:00.000Z"


def run(output: Path, number: int, *seen: Observation, **fields: Any) -> RunOnDisk:
    """A complete run of that day of March."""
    made = RunOnDisk(output, f"run-{number}", day(number), **fields).begin()
    return made.see(*seen).end()


def seen(ip: str, number: int, verdict: Verdict = Verdict.AUTH_REQUIRED) -> Observation:
    evidence = [Reason(code=verdict.value)]
    return observation(ip, f"run-{number}", observed_at=day(number), verdict=verdict, evidence=evidence)


def opened(ip: str, number: int, *names: str) -> Observation:
    held = [database(name) for name in names or ("shop", "users")]
    return open_server(ip, *held, run_id=f"run-{number}", observed_at=day(number))


def test_runs_of_a_folder_become_exposures(tmp_path: Path) -> None:
    run(tmp_path, 1, seen("192.0.2.7", 1), seen("192.0.2.8", 1))
    run(tmp_path, 2, opened("192.0.2.7", 2), seen("192.0.2.8", 2))
    report = catch_up(tmp_path)
    assert (report.runs, report.observations, report.exposures) == (2, 4, 1)
    with Ledger.open(tmp_path) as ledger:
        (exposure,) = ledger.exposures()
        assert (exposure.place.ip, exposure.state) == ("192.0.2.7", "new")
        assert exposure.opened_after_how == "answered-not-open"
        assert ledger.exposure(exposure.exposure_id) == exposure
        assert [change.kind for change in ledger.changes()] == ["opened"]
        looks = ledger.looks(exposure.exposure_id)
        assert [look.run_id for look in looks] == ["run-1", "run-2"]
        assert [item.run_id for item in ledger.runs()] == ["run-1", "run-2"]
        assert ledger.watched() == {("192.0.2.7", 27017)}


def test_nothing_new_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1))
    catch_up(tmp_path)
    before = dump(tmp_path)
    report = catch_up(tmp_path)
    assert (report.runs, report.observations, report.exposures) == (0, 0, 0)
    assert dump(tmp_path) == before


def test_a_look_names_its_line(tmp_path: Path) -> None:
    import hashlib

    run(tmp_path, 1, seen("192.0.2.1", 1), opened("192.0.2.7", 1), opened("192.0.2.9", 1))
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        for exposure in ledger.exposures():
            (look,) = ledger.looks(exposure.exposure_id)
            data = (tmp_path / look.run_id / f"observations-{look.segment:04}.jsonl").read_bytes()[
                look.offset :
            ]
            line = data[: data.index(b"\n") + 1]
            assert hashlib.sha256(line).hexdigest() == look.line_sha256
            assert exposure.place.ip.encode() in line


def test_a_run_is_taken_in_while_it_grows(tmp_path: Path) -> None:
    growing = RunOnDisk(tmp_path, "run-1", day(1)).begin()
    growing.see(opened("192.0.2.7", 1))
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        assert [item.place.ip for item in ledger.exposures()] == ["192.0.2.7"]
        assert ledger.runs()[0].state == "running"
    growing.see(opened("192.0.2.8", 1))
    catch_up(tmp_path)
    growing.end()
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        assert [item.place.ip for item in ledger.exposures()] == ["192.0.2.7", "192.0.2.8"]
        assert ledger.runs()[0].state == "complete"


def test_an_observation_counts_only_with_all_its_databases(tmp_path: Path) -> None:
    first, *rest = to_lines(opened("192.0.2.7", 1, "a", "b", "c"))
    assert len(rest) == 3
    growing = RunOnDisk(tmp_path, "run-1", day(1)).begin()
    for data in (first, rest[0], rest[1], rest[2][:50]):
        growing.write(data)
        assert catch_up(tmp_path).observations == 0
    growing.write(rest[2][50:])
    assert catch_up(tmp_path).observations == 1
    growing.end()
    catch_up(tmp_path)
    whole = dump(tmp_path)
    rebuild(tmp_path)
    assert dump(tmp_path) == whole


def test_what_a_death_cut_off_is_taken_as_it_is(tmp_path: Path) -> None:
    first, *rest = to_lines(opened("192.0.2.7", 1, "a", "b", "c"))
    dead = RunOnDisk(tmp_path, "run-1", day(1)).begin()
    dead.write(first + rest[0] + rest[1][:40])
    dead.let_go()
    assert catch_up(tmp_path).observations == 1
    with Ledger.open(tmp_path) as ledger:
        assert ledger.runs()[0].state == "aborted"
        assert ledger.exposures()[0].databases
    dead.begin()
    dead.see(opened("192.0.2.7", 1, "a", "b", "c"), segment=2)
    dead.end()
    catch_up(tmp_path)
    resumed = dump(tmp_path)
    assert len(resumed["visits"]) == 1
    rebuild(tmp_path)
    assert dump(tmp_path) == resumed


@pytest.mark.parametrize("verdict", [Verdict.AUTH_REQUIRED, Verdict.FILTERED, Verdict.REFUSED])
def test_nothing_takes_back_that_a_server_was_open_in_a_run(tmp_path: Path, verdict: Verdict) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1), seen("192.0.2.7", 1, verdict))
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        assert [exposure.state for exposure in ledger.exposures()] == ["new"]


def test_of_two_answers_the_later_counts(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1, "old", "older"), opened("192.0.2.7", 1, "new", "newer"))
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        (exposure,) = ledger.exposures()
        assert set(exposure.databases) == {"new", "newer"}
        assert exposure.looks == 1


def test_who_else_answers_later_in_a_run_decides_what_a_refusal_proves(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1))
    run(tmp_path, 2, seen("192.0.2.7", 2, Verdict.REFUSED), seen("192.0.2.9", 2))
    growing = RunOnDisk(tmp_path, "run-3", day(3)).begin()
    growing.see(seen("192.0.2.7", 3, Verdict.REFUSED))
    catch_up(tmp_path)
    growing.see(seen("192.0.2.99", 3)).end()
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        assert [exposure.state for exposure in ledger.exposures()] == ["closed"]
    after = dump(tmp_path)
    rebuild(tmp_path)
    assert dump(tmp_path) == after


def test_a_run_of_another_organisation_is_passed_over(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1), organisation="Example")
    run(tmp_path, 2, opened("192.0.2.8", 2), organisation="Elsewhere")
    run(tmp_path, 3, seen("192.0.2.9", 3))
    report = catch_up(tmp_path, organisation="Example")
    (passed,) = report.passed_over
    assert passed.directory == "run-2"
    assert "'Elsewhere'" in passed.reason
    with Ledger.open(tmp_path) as ledger:
        assert [item.run_id for item in ledger.runs()] == ["run-1", "run-3"]
    assert [item.directory for item in catch_up(tmp_path).passed_over] == ["run-2"]


def test_a_copy_of_a_run_is_taken_in_once(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1), directory="a-copy")
    catch_up(tmp_path)
    before = dump(tmp_path)
    run(tmp_path, 1, opened("192.0.2.7", 1))
    report = catch_up(tmp_path)
    assert [item.directory for item in report.passed_over] == ["a-copy"]
    assert dump(tmp_path) == before


def test_a_run_that_does_not_read_is_passed_over(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / "notes").mkdir()
    report = catch_up(tmp_path)
    assert report.observations == 1
    assert [item.directory for item in report.passed_over] == ["broken"]


@pytest.mark.parametrize("damage", [b"{}\n", b"\xff\xff\n", b'{"schema":"mongosweep.observation/9"}\n'])
def test_a_damaged_run_is_read_as_far_as_it_goes_and_proves_nothing(tmp_path: Path, damage: bytes) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1))
    broken = RunOnDisk(tmp_path, "run-2", day(2)).begin()
    broken.see(seen("192.0.2.7", 2))
    broken.write(damage)
    broken.see(seen("192.0.2.8", 2)).end()
    report = catch_up(tmp_path)
    assert report.observations == 2
    (passed,) = report.passed_over
    assert passed.directory == "run-2"
    assert "damaged" in passed.reason
    with Ledger.open(tmp_path) as ledger:
        assert ledger.exposures()[0].state == "unreachable"
        assert ledger.runs()[1].state == "unreadable"
    assert [item.directory for item in catch_up(tmp_path).passed_over] == ["run-2"]


def test_a_line_of_another_run_is_damage(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 2))
    report = catch_up(tmp_path)
    assert report.observations == 0
    assert "of another run" in report.passed_over[0].reason


def test_the_note_and_what_lies_open_are_told(tmp_path: Path) -> None:
    run(tmp_path, 1, magazine("192.0.2.7"))
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        (exposure,) = ledger.exposures()
    assert exposure.severity is Severity.CRITICAL
    assert exposure.ransom_names == ["READ__ME_TO_RECOVER_YOUR_DATA"]
    assert exposure.bytes == 60_000_008_192


def test_a_reader_sees_what_was_derived_until_all_is_derived_anew(tmp_path: Path) -> None:
    for number in range(1, 5):
        run(tmp_path, number, *[opened(f"192.0.2.{n}", number) for n in range(1, 30)])
    catch_up(tmp_path)
    seen_meanwhile = []

    def look(_: Progress) -> None:
        with Ledger.open(tmp_path) as ledger:
            seen_meanwhile.append(len(ledger.exposures()))

    rebuild(tmp_path, progress=look)
    assert len(seen_meanwhile) >= 8
    assert set(seen_meanwhile) == {29}


def test_a_large_ledger_is_checked_before_it_is_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Path] = []
    monkeypatch.setattr(intake, "_CHECKED_ALWAYS", 0)
    monkeypatch.setattr(database_file, "require_whole", lambda _, path: checked.append(path))
    run(tmp_path, 1, opened("192.0.2.7", 1))
    catch_up(tmp_path)
    catch_up(tmp_path)
    assert len(checked) == 1
    run(tmp_path, 2, opened("192.0.2.7", 2))
    catch_up(tmp_path)
    rebuild(tmp_path)
    assert len(checked) == 3


def rewrite_manifest(path: Path, **changes: object) -> None:
    file = path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": "yesterday"},
        {"created_at": "2026-03-01"},
        {"created_at": ""},
        {"ended_at": "2026-13-45T00:00:00.000Z"},
        {"ended_at": "2026-03-01T05:00:00+01:00"},
        {"withdrawn": ["nonsense"]},
        {"covered": {"sha256": "0" * 64, "targets": 1, "ranges": 1}},
        {"configuration": {"organisation": ["Example"]}},
    ],
)
def test_a_manifest_that_was_edited_stops_nothing(tmp_path: Path, changes: dict[str, object]) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1))
    run(tmp_path, 2, opened("192.0.2.8", 2, "other"))
    rewrite_manifest(tmp_path / "run-2", **changes)
    report = catch_up(tmp_path)
    assert not report.set_aside
    assert "configuration" in changes or [item.directory for item in report.passed_over] == ["run-2"]
    with Ledger.open(tmp_path) as ledger:
        assert "192.0.2.7" in {item.place.ip for item in ledger.exposures()}


def test_more_targets_than_a_column_holds(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1))
    rewrite_manifest(tmp_path / "run-1", planned={"targets": 2**64 - 1})
    assert catch_up(tmp_path).exposures == 1


def test_a_directory_whose_name_is_no_text_is_passed_over(tmp_path: Path) -> None:
    run(tmp_path, 1, opened("192.0.2.7", 1))
    (tmp_path / "run-1").rename(tmp_path / os.fsdecode(b"run-\xff"))
    report = catch_up(tmp_path)
    assert [item.directory for item in report.passed_over] == ["run-\\xff"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"192.0.2.8", b"192.0.2.x"),
        (b"2026-03-01T04:00:00.000Z", b"2026-99-01T04:00:00.000Z"),
        (b'"port":27017', b'"port":99999'),
    ],
)
def test_a_line_that_was_edited_stops_that_run_alone(tmp_path: Path, old: bytes, new: bytes) -> None:
    run(tmp_path, 1, opened("192.0.2.8", 1))
    run(tmp_path, 2, opened("192.0.2.7", 2))
    journal = tmp_path / "run-1" / "observations-0001.jsonl"
    journal.write_bytes(journal.read_bytes().replace(old, new))
    assert [item.directory for item in catch_up(tmp_path).passed_over] == ["run-1"]
    with Ledger.open(tmp_path) as ledger:
        assert [item.place.ip for item in ledger.exposures()] == ["192.0.2.7"]


def test_whether_the_last_sweep_asked_a_place(tmp_path: Path) -> None:
    """A run that asked other places again leaves none out; the next sweep may."""

    def covered() -> bool | None:
        catch_up(tmp_path)
        with Ledger.open(tmp_path) as ledger:
            return ledger.exposures()[0].covered_by_last_run

    run(tmp_path, 1, opened("192.0.2.7", 1))
    assert covered() is True
    run(tmp_path, 2, covers=("192.0.2.9:27017",), purpose="verify")
    assert covered() is True
    run(tmp_path, 3, covers=("192.0.2.9:27017",))
    assert covered() is False
    run(tmp_path, 4, covers=())
    assert covered() is None


def test_a_run_makes_stale_what_it_asked_alone(tmp_path: Path) -> None:
    run(tmp_path, 1, *(opened(f"192.0.2.{octet}", 1, f"data{octet}") for octet in (7, 8, 9)))
    assert catch_up(tmp_path).exposures == 3
    run(tmp_path, 2, seen("192.0.2.8", 2), covers=("192.0.2.8:27017",))
    assert catch_up(tmp_path).exposures == 1
    run(tmp_path, 3, covers=("192.0.2.7:27017",))  # silent
    assert catch_up(tmp_path).exposures == 1
    with Ledger.open(tmp_path) as ledger:
        states = {each.place.ip: each.state for each in ledger.exposures()}
    assert states == {"192.0.2.7": "unreachable", "192.0.2.8": "closed", "192.0.2.9": "new"}


def test_one_private_address_at_two_sites_is_two_exposures(tmp_path: Path) -> None:
    """A scope holds an address once, so two sites that use it are swept by two allow-lists, in two runs."""
    paris, london = Owner(owner="web", site="paris"), Owner(owner="shop", site="london")
    run(tmp_path, 1, msgspec.structs.replace(opened("192.0.2.7", 1), owner=paris), vantage="paris")
    neighbour = neighbour_of(2, london)
    run(tmp_path, 2, neighbour, vantage="london", digest="e" * 64)
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        (exposure,) = ledger.exposures()  # what london did not hear says nothing of paris
        assert (exposure.state, exposure.reach, exposure.not_open_from) == ("new", "unknown", [])
    there = msgspec.structs.replace(opened("192.0.2.7", 3, "orders"), owner=london)
    run(tmp_path, 3, there, neighbour_of(3, london), vantage="london", digest="e" * 64)
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        found = {each.place.site: each for each in ledger.exposures()}
        assert {site: each.state for site, each in found.items()} == {"paris": "new", "london": "new"}
        assert found["paris"].finding_id != found["london"].finding_id
        # the same scope as the run that saw paris, which has no line of it this time: that asked paris
    run(tmp_path, 4, neighbour_of(4, london), vantage="paris")
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        states = {each.place.site: each.state for each in ledger.exposures()}
        assert states == {"paris": "unreachable", "london": "new"}


def neighbour_of(number: int, owner: Owner) -> Observation:
    return msgspec.structs.replace(seen("192.0.2.8", number), owner=owner)
