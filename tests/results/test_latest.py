"""The link `latest`: which run it names, and that no reader of an output directory takes it for a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from results.events.publish import bring_up
from results.going_on import going_on
from results.latest import forget_dangling, is_link, point_at
from results.ledger.intake import catch_up
from results.ledger.prune import prune
from results.runs import list_runs
from results.sinks.source import runs_in
from scanner.cli.run_text import run_path
from scanner.service.view.runs import RunList
from tests.results.examples import open_server
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def ended(output: Path, day: int) -> Path:
    """A run of a day of March, with a line."""
    run_id = f"run-{day}"
    run = RunOnDisk(output, run_id, f"2026-03-0{day}T04:00:00.000Z").begin()
    run.see(open_server("192.0.2.7", run_id=run_id, observed_at=f"2026-03-0{day}T04:10:00.000Z"))
    return run.end(ended_at=f"2026-03-0{day}T05:00:00.000Z").path


def test_it_names_the_run_that_began_last(tmp_path: Path) -> None:
    """Also where another that began before it ends after it."""
    link = tmp_path / "latest"
    for day, expected in ((1, "run-1"), (3, "run-3"), (2, "run-3")):
        assert point_at(ended(tmp_path, day)) == ""
        assert str(link.readlink()) == expected
    assert [path.name for path in tmp_path.glob("latest*")] == ["latest"]


def test_it_is_nobodys_run(tmp_path: Path) -> None:
    """Its run is listed, counted and taken in once, also while it goes on."""
    run = ended(tmp_path, 1)
    point_at(run)
    (tmp_path / "latest.77.tmp").symlink_to("run-1")  # of a process that was killed
    assert [each.run_id for each in list_runs(tmp_path)] == ["run-1"]
    report = catch_up(tmp_path)
    assert (report.runs, report.observations, report.passed_over) == (1, 1, [])
    assert bring_up(tmp_path).appended == 3  # started, opened, ended
    assert runs_in(tmp_path) == ["run-1"]
    assert [each.run_id for each in asyncio.run(RunList(tmp_path).current([]))] == ["run-1"]
    going = RunOnDisk(tmp_path, "run-1", "2026-03-01T04:00:00.000Z").begin()
    try:
        assert [each.name for each in going_on(tmp_path)] == ["run-1"]
    finally:
        going.let_go()


def test_what_is_there_and_is_no_link_stays(tmp_path: Path) -> None:
    run = ended(tmp_path, 1)
    (tmp_path / "latest").write_text("mine")
    assert "is there, and is no link" in point_at(run)
    assert (tmp_path / "latest").read_text() == "mine"
    assert not is_link(tmp_path / "latest")


def test_a_link_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("/srv/elsewhere")
    assert "names /srv/elsewhere, which is no run beside it" in point_at(ended(tmp_path, 1))
    assert str((tmp_path / "latest").readlink()) == "/srv/elsewhere"


def test_where_there_can_be_no_link_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a FAT file system, or a share."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    run = ended(tmp_path, 1)
    monkeypatch.setattr("os.symlink", refused)
    assert point_at(run).endswith("latest cannot be made: operation not permitted")


def test_a_link_whose_run_is_gone_goes_with_it_and_others_stay(tmp_path: Path) -> None:
    run = ended(tmp_path, 1)
    point_at(run)
    forget_dangling(tmp_path)
    assert (tmp_path / "latest").exists()
    run.rename(tmp_path / "elsewhere")
    forget_dangling(tmp_path)
    assert not is_link(tmp_path / "latest")
    assert point_at(ended(tmp_path, 2)) == "", "and one that dangles is exchanged"


def test_its_name_is_a_word_for_the_newest_run_with_and_without_it(tmp_path: Path) -> None:
    ended(tmp_path, 1)
    point_at(ended(tmp_path, 2))
    for word in ("last", "latest"):
        assert run_path(word, str(tmp_path)).name == "run-2"
    (tmp_path / "latest").unlink()
    assert run_path("latest", str(tmp_path)).name == "run-2"


def test_a_run_that_is_to_be_spared_is_not_pruned(tmp_path: Path) -> None:
    """Nor is one that an open exposure rests on; the ledger has the others."""
    from datetime import timedelta

    for day in (1, 2, 3, 4):
        ended(tmp_path, day)
    report = prune(tmp_path, timedelta(0), "2026-04-01T00:00:00.000Z", spare="run-2")
    assert report.removed == ["run-3"]
    assert [kept.run_id for kept in report.kept] == ["run-1", "run-4"]
