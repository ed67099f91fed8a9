"""What a sweep, a verification and a confirmation leave for programs: the summary, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from results.run import load_manifest
from results.run_summary import text
from results.runs import list_runs
from scanner.cli import main
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMITTED = Path(__file__).parents[2] / "docs" / "summary.schema.json"
VALIDATOR = jsonschema_rs.Draft202012Validator(json.loads(COMMITTED.read_text()))
OPEN, LOCKED, UNKNOWN = "127.97.9.1", "127.97.9.2", "127.97.9.3"
CONFIGURATION = """
[[allow]]
cidr = "127.97.9.0/29"
owner = "web platform"
kind = "lab"

[sweep]
ports = [{port}]
per_prefix_rate = 1000
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a configuration, and servers in its scope: one open, one that is locked, one nobody
    understands."""
    folder, port = tmp_path_factory.mktemp("summary"), free_port()
    (folder / "mongosweep.toml").write_text(CONFIGURATION.format(port=port))
    places = {(OPEN, port): "open_8_0", (LOCKED, port): "auth_7_1", (UNKNOWN, port): "closing"}
    with LabThread({place: find(name) for place, name in places.items()}):
        yield folder


@pytest.fixture(autouse=True)
def _there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for name in ("CONFIG", "OUTPUT", "KEEP", "NO_LEDGER"):
        monkeypatch.delenv(f"MONGOSWEEP_{name}", raising=False)


def written(path: str = "summary.json") -> dict[str, Any]:
    """The summary in a file, which fits its schema."""
    found: dict[str, Any] = json.loads(Path(path).read_bytes())
    VALIDATOR.validate(found)
    return found


def test_the_committed_schema_is_the_generated_one(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m results.run_summary docs/summary.schema.json` writes it."""
    assert main(["schema", "--of", "summary"]) == 0
    assert capsys.readouterr().out == text() == COMMITTED.read_text()
    jsonschema_rs.meta.validate(json.loads(text()))


def test_a_sweep_says_how_it_ended_and_again_what_is_new(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The first finds everything new, the second nothing; what nobody understands is a kind of its own."""
    output = ["-o", str(tmp_path / "runs")]
    assert main(["sweep", "-q", *output, "--summary", "summary.json", "--fail-on", "new"]) == 1
    first = written()
    (run,) = list_runs(tmp_path / "runs")
    manifest = load_manifest(Path(run.path))[0]
    assert (first["state"], first["exit_code"], first["run_id"]) == ("complete", 1, run.run_id)
    assert first["targets"] == {"planned": 8, "outcomes": 8, "excluded": 0, "not_reached": 0}
    assert first["outcomes"] == manifest.outcomes
    assert (first["open"], first["new"], sum(first["severities"].values())) == (1, 1, 1)
    assert (first["began_at"], first["ended_at"]) == (manifest.created_at, manifest.ended_at)
    assert main(["audit", "last", *output, "--head", first["chain_head"]]) == 0
    assert main(["sweep", "-q", *output, "--summary", "summary.json", "--fail-on", "new"]) == 0
    assert (written()["new"], written()["open"], written()["exit_code"]) == (0, 1, 0)
    assert main(["sweep", "-q", *output, "--fail-on", "new,unknown"]) == 1
    assert main(["sweep", "-q", *output, "--fail-on", "never"]) == 0
    assert "nothing was edited" in capfd.readouterr().out, "the audit said so"


def test_without_a_ledger_the_last_run_that_is_like_it_says_what_is_new(tmp_path: Path) -> None:
    words = ["sweep", "-q", "-o", str(tmp_path / "runs"), "--no-ledger", "--fail-on", "new"]
    assert [main(words), main(words)] == [1, 0]


def test_standard_output_gets_the_summary_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sweep", "-o", str(tmp_path / "runs"), "--summary", "-"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["state"] == "complete"
    assert "Z complete: 8 targets" in err


def test_a_verification_and_a_confirmation_leave_one_too(tmp_path: Path) -> None:
    output = ["-o", str(tmp_path / "runs")]
    assert main(["sweep", "-q", *output]) == 1
    assert main(["verify", "-q", *output, "--summary", "summary.json"]) == 1
    verified = written()
    assert (verified["command"], verified["state"], verified["exposures"]) == (
        "verify",
        "complete",
        {"open": 1},
    )
    assert verified["runs"] == [verified["run_id"]]
    Path("report.txt").write_text(f"{OPEN}\n192.0.2.1:27017\n")
    assert main(["confirm", "report.txt", "-q", *output, "--summary", "summary.json"]) == 1
    confirmed = written()
    assert (confirmed["command"], confirmed["open"]) == ("confirm", 1)
    assert confirmed["rows"] == {"confirmed-open": 1, "not-ours": 1}
    assert (tmp_path / "runs" / "latest").readlink().name == confirmed["run_id"]


def test_nothing_to_verify_is_no_run(tmp_path: Path) -> None:
    output = ["-o", str(tmp_path / "runs")]
    assert main(["sweep", "-q", *output, LOCKED]) == 0
    assert main(["verify", "-q", *output, "--summary", "summary.json"]) == 0
    assert (written()["state"], written()["exposures"], written()["run_id"]) == ("nothing to ask", {}, "")


def test_a_command_that_is_refused_leaves_a_summary_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody takes that of an earlier command for it."""
    Path("summary.json").write_text("{}")
    assert main(["sweep", "10.99.0.1", "--summary", "summary.json"]) == 2
    told = written()
    assert (told["state"], told["exit_code"], told["run_id"]) == ("refused", 2, "")
    assert told["error"] in capsys.readouterr().err


@pytest.mark.parametrize("command", [["sweep"], ["verify"], ["confirm", "report.txt"]])
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (".", "--summary . is a directory; name a file in it"),
        ("no/summary.json", "there is no directory no; make it"),
        ("", "'' is no file; name one, or - for standard output"),
    ],
)
def test_a_place_that_cannot_work_is_refused_before_anything_is_sent(
    command: list[str], to: str, reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*command, "-o", str(tmp_path / "runs"), "--summary", to]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep", "--summary", "-", "--json"], "--summary - takes standard output"),
        (["verify", "--summary", "-", "--json"], "--summary - takes standard output"),
        (["confirm", "report.txt", "--summary", "-", "--format", "csv"], "--summary - takes standard output"),
        (["sweep", "--fail-on", "open,never"], "never goes with no other"),
        (
            ["sweep", "--fail-on", "grave"],
            "'grave' is none; write some of open, new, critical, high,",
        ),
        (["sweep", "--keep", "30d", "--no-ledger"], "--keep removes only what the ledger holds"),
        (["sweep", "--keep", "soon"], "is no length of time"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_a_summary_that_cannot_be_written_is_told(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As one whose name is too long for the file system."""
    to = "s" * 256
    assert main(["sweep", "-q", LOCKED, "-o", str(tmp_path / "runs"), "--summary", to]) == 3
    assert f"error: --summary {to} was not written: file name too long" in capfd.readouterr().err
