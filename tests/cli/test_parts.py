"""`--site`, `--owner`: a part of the scope by whose it is; `--stop-after`: a sweep that takes too long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from tests.cli.programs import mongosweep
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

SCOPE = """\
[sweep]
per_prefix_rate = 1000
rate = 20

[[allow]]
cidr = "127.93.0.0/24"
kind = "lab"
site = "paris"
owner = "web platform"

[[allow]]
cidr = "127.93.0.64/28"
kind = "lab"
site = "paris"
owner = "Web Shop"

[[allow]]
cidr = "127.93.1.0/24"
kind = "lab"
site = "london"
owner = "Web Shop"

[[deny]]
cidr = "127.93.0.0/28"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a scope of two sites and two owners, as the working directory."""
    (tmp_path / "mongosweep.toml").write_text(
        SCOPE.replace("rate = 20", f"rate = 20\nports = [{free_port()}]")
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "addresses"),
    [
        ("", 496),
        ("--site paris", 240),
        ("--site paris --site london", 496),
        ("--owner Web+Shop", 272),
        ("--owner Web+Shop --site paris", 16),
        ("--site=paris 127.93.0.0/23", 240),
        ("--site paris --shard 1/2", 120),
    ],
)
def test_the_most_specific_entry_says_whose_an_address_is(
    here: Path, capsys: pytest.CaptureFixture[str], words: str, addresses: int
) -> None:
    assert main(["plan", "--json", *(word.replace("+", " ") for word in words.split())]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == addresses


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--site", "pari"], "no [[allow]] entry has site = 'pari'; did you mean paris?"),
        (["--owner", "web shop"], "no [[allow]] entry has owner = 'web shop'; did you mean Web Shop?"),
        (["--site", "london", "--owner", "web platform"], "no address that is asked belongs there"),
        (["--site", "london", "127.93.0.64"], "no address that is asked belongs there"),
        (["--stop-after", "soon"], "'soon' is no length of time"),
    ],
)
def test_nothing_is_sent_for_a_name_that_no_entry_has(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert main(["sweep", *words]) == 2
    assert reason in capsys.readouterr().err
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("schedule", "line", "reason"),
    [
        ('sites = ["pari"]', 30, "no [[allow]] entry has site = 'pari'; did you mean paris?"),
        ('owners = ["Web Shop", "x"]', 30, "write one of Web Shop, web platform"),
        ('sites = ["paris", ""]', 30, "one is empty; write a name, or leave it out"),
        ('zone = "Paris"', 30, "did you mean Europe/Paris?"),
        ("fleet = true", 30, 'fleet = true wants [fleet] scheduler = "tls://HOST:8786"'),
        ('fleet = true\n[fleet]\nscheduler = "tcp://hub:8786"', 30, 'wants [fleet] scheduler = "tls://'),
        ('fleet = true\n[fleet]\nscheduler = "tls://hub:8786"', 30, "wants [fleet] certificates"),
    ],
)
def test_a_schedule_of_nobody_is_refused_where_the_scope_is_read(
    here: Path, capsys: pytest.CaptureFixture[str], schedule: str, line: int, reason: str
) -> None:
    with (here / "mongosweep.toml").open("a") as file:
        file.write(f'\n[[schedule]]\nname = "a"\ncron = "0 2 * * *"\n{schedule}\n')
    assert main(["plan"]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert f"mongosweep.toml:{line}: [[schedule]] 'a'" in said


def test_a_sweep_that_takes_too_long_is_stopped_and_can_be_gone_on_with(here: Path) -> None:
    words = ["sweep", "--json", "--site", "paris", "--stop-after", "1s"]
    done = mongosweep(*words, cwd=here)
    assert done.returncode == 3
    assert "targets were not reached: its time was over" in done.stderr
    (run,) = (here / "runs").glob("*Z-*")
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert manifest["state"] == "interrupted"
    assert 0 < manifest["coverage"]["not_reached"] < 240
    resume = ["--rate", "1000", "--resume", run.name]
    assert mongosweep(*words[:4], *resume, cwd=here).returncode == 0
    refused = mongosweep("sweep", *resume, cwd=here)
    assert refused.returncode == 2, "without --site it is another scope"
