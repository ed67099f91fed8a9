"""Who a worker says it is, by its own files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from scanner import __version__
from scanner.clock import SystemClock
from scanner.fleet.allowed import Ours
from scanner.fleet.describing import describe_worker
from tests.support.shards import configuration

if TYPE_CHECKING:
    from pathlib import Path


def ours(folder: Path, config: Path, site: str = "paris") -> Ours:
    return Ours(site, "paris-1", folder / "spool", str(config))


def test_a_worker_that_can_work_has_no_problem(tmp_path: Path) -> None:
    config = configuration(tmp_path, 27017)
    described = describe_worker(ours(tmp_path, config), SystemClock())
    assert (described.name, described.site, described.version) == ("paris-1", "paris", __version__)
    assert described.problem == ""
    assert len(described.scope_sha256) == 64
    assert abs(described.clock - time.time()) < 60
    configuration(tmp_path, 27017, '[[allow]]\ncidr = "127.92.0.0/25"\nkind = "lab"\nowner = "a"\n')
    assert describe_worker(ours(tmp_path, config), SystemClock()).scope_sha256 != described.scope_sha256


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ('[[allow]]\ncidr = "127.92.0.0/244"\n', "127.92.0.0/244"),
        ("", "allow"),
        ("\x1b[31m", "toml"),
    ],
)
def test_what_would_refuse_every_shard_is_said_in_one_line(entries: str, says: str, tmp_path: Path) -> None:
    config = configuration(tmp_path, 27017, entries)
    problem = describe_worker(ours(tmp_path, config), SystemClock()).problem
    assert says in problem
    assert problem.isprintable()


def test_a_configuration_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    assert "missing.toml" in describe_worker(ours(tmp_path, tmp_path / "missing.toml"), SystemClock()).problem
