"""Kill -9 while runs are taken in: nothing is lost, nothing counts twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from results.ids import event_id
from results.ledger.intake import catch_up
from results.lines import to_lines
from results.record import Endpoint
from tests.results.examples import database, observation, open_server, packed
from tests.support.ledgers import RunOnDisk, dump

ROOT = Path(__file__).parents[3]
TAKE_IN = """
import sys
from pathlib import Path
from typing import Any
from results.ledger import intake
intake._BATCH = 40
print("ready", flush=True)
intake.catch_up(Path(sys.argv[1]))
"""


def journals(output: Path) -> None:
    """Four runs over the same five hundred places, of which every eighth is open."""
    for number in range(4):
        run = RunOnDisk(output, f"run-{number}", f"2026-03-0{number + 1}T04:00:00.000Z").begin()
        lines = []
        for nth in range(500):
            ip = f"192.0.{2 + nth // 250}.{nth % 250 + 1}"
            fields: dict[str, Any] = {
                "run_id": run.run_id,
                "observed_at": f"2026-03-0{number + 1}T04:10:00.000Z",
                "event_id": event_id(run.run_id, packed(ip), 27017),
                "target": Endpoint(ip=ip, port=27017),
            }
            if (nth + number) % 8:
                lines += to_lines(observation(ip, **fields))
            else:
                lines += to_lines(open_server(ip, database("shop"), database(f"own{nth}"), **fields))
        run.write(b"".join(lines))
        run.end()


def kill_until_done(output: Path, seed: int, kills: int) -> int:
    """Take in again and again, killed each time a little later; how many times it was."""
    chance = random.Random(seed)
    killed = 0
    for attempt in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE_IN, str(output)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.random() * 0.02 * (attempt + 1))
        os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    return killed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    journals(output)
    catch_up(output)
    return output


def check(output: Path, undisturbed: Path, seed: int, kills: int) -> None:
    journals(output)
    assert kill_until_done(output, seed, kills) > 0
    report = catch_up(output)
    assert (report.set_aside, report.passed_over) == ("", [])
    assert dump(output) == dump(undisturbed)


def test_a_few_deaths(tmp_path: Path, undisturbed: Path) -> None:
    check(tmp_path, undisturbed, seed=1, kills=5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_deaths(tmp_path: Path, undisturbed: Path, seed: int) -> None:
    check(tmp_path, undisturbed, seed=seed + 2, kills=20)
