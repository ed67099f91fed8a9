"""`sweep --metrics-textfile` and `verify --metrics-textfile`: what node_exporter's collector gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from results.metrics import write_run
from results.run import load_manifest
from scanner.cli import main
from scanner.cli.textfile import code_with, write_run_metrics
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.cli.programs import mongosweep
from tests.support.ledgers import RunOnDisk
from tests.support.receivers.promtool import promtool

if TYPE_CHECKING:
    from pathlib import Path

    from results.manifest import State

OPEN, LOCKED = "127.97.7.1", "127.97.7.2"


def samples(path: Path) -> dict[str, float]:
    """Each sample by its name and its labels but `schedule` and `kind`, of which there is one each."""
    found, named = {}, set()
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            labels = dict(sample.labels)
            named.add((labels.pop("schedule"), labels.pop("kind")))
            found[" ".join((sample.name.removeprefix("mongosweep_run_"), *labels.values()))] = sample.value
    found["named " + " ".join(*named)] = 1
    return found


CONFIGURATION = """
[[allow]]
cidr = "127.97.7.0/29"
owner = "web platform"
kind = "lab"

[sweep]
ports = [{port}]
per_prefix_rate = 1000
"""


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_a_run_leaves_its_metrics(again: bool, tmp_path: Path, port: int) -> None:
    """A sweep's, and a verification's after it: each in a file of its own, which Prometheus takes."""
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION.format(port=port))
    swept, verified = tmp_path / "paris.prom", tmp_path / "again.prom"
    with LabThread({(OPEN, port): find("open_8_0"), (LOCKED, port): find("auth_7_1")}):
        done = mongosweep("sweep", "-q", "--metrics-textfile", str(swept), cwd=tmp_path)
        assert done.returncode == 1
        if again:
            done = mongosweep("verify", "-q", "--metrics-textfile", str(verified), cwd=tmp_path)
            assert done.returncode == 1
            assert samples(verified)["named again verify"] == 1
    found = samples(swept)
    expected = {
        "named paris sweep": 1,
        "complete": 1,
        "targets asked": 8,
        "targets not_reached": 0,
        "outcomes open": 1,
        "outcomes auth_required": 1,
        "outcomes refused": 6,
        "outcomes unknown": 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["last_success_timestamp_seconds"] == found["end_timestamp_seconds"]
    assert found["duration_seconds"] > 0
    assert promtool("check", "metrics", stdin=swept.read_bytes()) == ""
    left = {path.name for path in tmp_path.glob("*.prom*")}
    assert left == ({"paris.prom", "again.prom"} if again else {"paris.prom"})


def test_a_file_that_cannot_be_written_at_the_end_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a name is that is as long as may be, beside which the temporary file's is too long."""
    run = RunOnDisk(tmp_path, "run-1", "2026-03-01T04:00:00.000Z").begin().end()
    written = write_run_metrics(str(tmp_path / ("x" * 250 + ".prom")), run.path)
    assert "was not written: File name too long; the run itself is kept" in capsys.readouterr().err
    assert [code_with(code, written=written) for code in (0, 1, 2, 3, 4)] == [3, 3, 2, 3, 4]


@pytest.mark.parametrize(
    ("before", "known"),
    [
        (None, False),
        (b"\xff\0 no metrics", False),
        (b'mongosweep_run_last_success_timestamp_seconds{schedule="p",kind="verify"} 7', False),
        (b'mongosweep_run_last_success_timestamp_seconds{schedule="p",kind="sweep"} 7\n', True),
    ],
)
def test_the_time_of_the_last_success_outlives_a_run_without(
    tmp_path: Path, before: bytes | None, known: bool
) -> None:
    def ended(number: int, state: State) -> dict[str, float]:
        run = RunOnDisk(tmp_path, f"run-{number}", f"2026-03-0{number}T04:00:00.000Z").begin().end(state)
        write_run(str(path), load_manifest(run.path)[0])
        return samples(path)

    path = tmp_path / "p.prom"
    if before is not None:
        path.write_bytes(before)
    found = ended(1, "interrupted")
    assert found["complete"] == 0
    assert found.get("last_success_timestamp_seconds") == (7 if known else None)
    good = ended(2, "complete")["last_success_timestamp_seconds"]
    assert ended(3, "degraded")["last_success_timestamp_seconds"] == good


@pytest.mark.parametrize("command", ["sweep", "verify"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("metrics.txt", "the collector reads only files that end in .prom"),
        ("no/metrics.prom", "no is no directory"),
        ("folder.prom", "that is a directory"),
    ],
)
def test_a_place_that_cannot_work_is_refused_before_anything_is_sent(
    command: str,
    path: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.prom").mkdir()
    assert main([command, "--metrics-textfile", path]) == 2
    said = capsys.readouterr().err
    assert f"--metrics-textfile {path} cannot be written: {reason}; name a file" in said
    assert not (tmp_path / "runs").exists()
