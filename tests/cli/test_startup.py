"""Start-up: what is imported for what, and how long it takes beside an empty Python."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from scanner import __version__
from tests.cli.programs import CONFIGURATION, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAVY = (
    *("rich", "aiohttp", "motor", "pymongo", "uvloop", "cryptography", "numpy", "netaddr"),
    *("asyncio", "ssl", "prometheus_client"),
)

IMPORTED = """
import sys
before = set(sys.modules)
from scanner.cli import main
code = main(sys.argv[1:])
print(code, *sorted({name.partition(".")[0] for name in set(sys.modules) - before}), file=sys.stderr)
"""


def imported_by(*arguments: str, cwd: Path) -> set[str]:
    """The packages that one command imports."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=True,
    )
    code, *names = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    return set(names)


def test_the_version_is_answered_before_anything_is_imported(tmp_path: Path) -> None:
    names = imported_by("--version", cwd=tmp_path)
    assert names == {"scanner"}


def test_help_imports_click_and_nothing_else_of_weight(tmp_path: Path) -> None:
    names = imported_by("--help", cwd=tmp_path)
    assert "click" in names
    assert not names & {*HEAVY, "msgspec", "bson", "targets", "results"}


@pytest.mark.parametrize(
    "command", ["plan", "plan --json", "init new.toml", "doctor", "data", "ledger rebuild -o .", "sinks -o ."]
)
def test_small_commands_import_nothing_heavy(command: str, tmp_path: Path) -> None:
    sink = '[[sink]]\nkind = "splunk"\nurl = "https://splunk.example.com:8088"\n'
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION + sink, encoding="utf-8")
    assert not imported_by(*command.split(), cwd=tmp_path) & set(HEAVY)


def fastest(words: list[str], cwd: Path, rounds: int = 5) -> float:
    """Seconds of the fastest of some runs: the one that the machine disturbed least."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(words, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
        taken.append(time.perf_counter() - began)
    return min(taken)


def test_the_start_up_budget(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Recorded beside an empty Python; the bounds are wide, because other work may share the machine."""
    (tmp_path / "mongosweep.toml").write_text(
        '[[allow]]\ncidr = "10.0.0.0/8"\nowner = "web"\n', encoding="utf-8"
    )
    empty = fastest([sys.executable, "-c", "pass"], tmp_path)
    program = [sys.executable, "-m", "scanner"]
    for name, arguments, budget in (
        ("version", ["--version"], 2 * empty + 0.06),
        ("help", ["--help"], 0.3),
        ("plan of a /8", ["plan"], 1.0),
    ):
        seconds = fastest([*program, *arguments], tmp_path)
        record_property(f"{name}: times an empty Python", round(seconds / empty, 2))
        record_property(f"{name}: share of its budget", round(seconds / budget, 2))
        assert seconds < 5 * budget


def test_both_ways_to_start_say_the_same(tmp_path: Path) -> None:
    for words in (["-m", "scanner"], ["-c", "import sys; from scanner.cli import main; sys.exit(main())"]):
        done = subprocess.run(
            [sys.executable, *words, "--version"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"mongosweep {__version__}\n"
