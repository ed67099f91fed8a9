"""Programs of other people, in processes of their own: the page's examples, and one that a Ctrl-C ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mongosweep
from mongosweep.job import Job

if TYPE_CHECKING:
    from tests.library.conftest import Estate

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.DOTALL)


def _start(program: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _with_scope(servers: Estate, folder: Path) -> None:
    text = servers.scope.read_text()
    (folder / "scope.toml").write_text(f"{text}ports = [{servers.port}]\n")


def test_the_examples_of_the_page_run_as_they_stand_and_print_nothing_else(
    servers: Estate, tmp_path: Path
) -> None:
    stream, at_once, back = EXAMPLES
    _with_scope(servers, tmp_path)
    said, told = _start(stream, tmp_path).communicate(timeout=120)
    assert told == ""
    *found, end = said.splitlines()
    assert {line.split()[0] for line in found} == servers.open
    assert end.startswith("Summary(run_id=")
    shown = "print(summary.state, len(observations))"
    said, told = _start(f"{at_once}{shown}\n{back}", tmp_path).communicate(timeout=120)
    assert told == ""
    assert said.splitlines()[:2] == ["complete 3", "complete 2"]
    assert len(said.splitlines()) == 5


def test_a_keyboard_interrupt_closes_the_run_and_goes_on_its_way(servers: Estate, tmp_path: Path) -> None:
    _with_scope(servers, tmp_path)
    program = (
        "import mongosweep, threading, os, signal, time\n"
        "sweep = mongosweep.sweep(scope='scope.toml', output='runs', rate=5, ledger=False)\n"
        "def press():\n"
        "    while sweep.progress is None: time.sleep(0.02)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=press).start()\n"
        "sweep.run()\n"
    )
    process = _start(program, tmp_path)
    _, told = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT
    assert told.splitlines()[-1] == "KeyboardInterrupt"
    assert mongosweep.read(tmp_path / "runs/latest").summary.state == "interrupted"


def test_a_second_interrupt_while_the_first_one_ends_it_closes_the_run_too(
    servers: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed: list[str] = []

    def press(name: str) -> None:
        end = getattr(Job, name)

        def pressed_at(job: Job) -> None:
            if name not in pressed:
                pressed.append(name)
                raise KeyboardInterrupt
            end(job)

        monkeypatch.setattr(Job, name, pressed_at)

    for name in ("abandon", "hurry", "wait"):
        press(name)
    with pytest.raises(KeyboardInterrupt):
        mongosweep.sweep(config=servers.config, output=tmp_path, ledger=False).run()
    assert pressed == ["abandon", "hurry", "wait"]
    assert mongosweep.read(tmp_path / next(tmp_path.glob("2*"))).summary.state in ("complete", "interrupted")


def test_a_program_that_changes_its_working_directory_keeps_its_run(servers: Estate, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    program = (
        "import mongosweep, asyncio, os\n"
        "async def main():\n"
        f"    async with mongosweep.sweep(config={str(servers.config)!r}, output='runs', everything=True,\n"
        "                                rate=50) as sweep:\n"
        "        async for seen in sweep: os.chdir('other' if os.path.isdir('other') else '.')\n"
        "    print(sweep.summary.state, sweep.run_dir.is_dir())\n"
        "asyncio.run(main())\n"
    )
    assert _start(program, tmp_path).communicate(timeout=120) == ("complete True\n", "")


@pytest.mark.parametrize("ending", ["raise SystemExit(7)", "os._exit(7)"])
def test_a_program_that_ends_meanwhile_ends_and_its_run_can_be_resumed(
    servers: Estate, tmp_path: Path, ending: str
) -> None:
    _with_scope(servers, tmp_path)
    program = (
        "import mongosweep, os, time, threading\n"
        "sweep = mongosweep.sweep(scope='scope.toml', output='runs', rate=5, everything=True, ledger=False)\n"
        "threading.Thread(target=sweep.run, daemon=True).start()\n"
        "while sweep.progress is None or not sweep.progress.done: time.sleep(0.02)\n"
        f"{ending}\n"
    )
    process = _start(program, tmp_path)
    process.communicate(timeout=120)
    assert process.returncode == 7
    (run,) = (tmp_path / "runs").glob("2*/")
    assert mongosweep.read(run).summary.state in ("aborted", "interrupted")
    _, summary = mongosweep.sweep(
        scope=tmp_path / "scope.toml",
        output=tmp_path / "runs",
        resume=run.name,
        everything=True,
        rate=5000,
        ledger=False,
    ).run()
    assert summary.state == "complete"


SEVERAL = """
import asyncio, mongosweep, sys
from mongosweep import job, shared_types

sys.setswitchinterval(1e-6)  # until all have begun, threads change places as often as they can
async def one(number):
    sweep = mongosweep.sweep(config="mongosweep.toml", output=f"runs/{number}", confirm=True)
    found = 0
    async for _ in sweep:
        sys.setswitchinterval(0.005)  # Python's own
        found += 1
    return found

async def main():
    print(await asyncio.gather(*map(one, range(4))))

shared_types.complete_types(of_a_sweep=True) if BEFORE else None
before = set(shared_types.loaded_types())
asyncio.run(main())
print([kind.__qualname__ for kind in set(shared_types.loaded_types()) - before if BEFORE])
"""


@pytest.mark.parametrize("before", [True, False])
def test_sweeps_that_begin_at_the_same_moment_meet_no_half_done_type(
    servers: Estate, tmp_path: Path, before: bool
) -> None:
    """Nothing of ours has been decoded in that process, and no type is loaded later than at the beginning."""
    (tmp_path / "mongosweep.toml").write_text(servers.config.read_text())
    process = _start(SEVERAL.replace("BEFORE", str(before)), tmp_path)
    said, told = process.communicate(timeout=120)
    assert (process.returncode, told) == (0, "")
    assert said.splitlines() == ["[3, 3, 3, 3]", "[]"]
