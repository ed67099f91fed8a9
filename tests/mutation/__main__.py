"""Applies each deliberate error to a copy of the project and prints which test caught it.

`python -m tests.mutation [--jobs N] [WORD ...]`: only mutants whose name has one of the words. The exit code
is 1 when an error survives, and 2 when the copy fails without one or an error cannot be applied.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.mutation.forked import ROOMS, run_tests
from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
TESTS_FAILED = 1  # pytest's exit code; anything else but 0 says nothing about the mutant


class Caught(NamedTuple):
    """What became of one mutant: `by` is the first test that failed, "" for a survivor."""

    mutant: Mutant
    by: str
    seconds: float
    trouble: str = ""


def mutate(text: str, mutant: Mutant) -> str:
    """The changed text. Raises `ValueError` unless the place to change is there exactly once."""
    found = text.count(mutant.old)
    if found != 1 or mutant.old == mutant.new:
        raise ValueError(
            f"{mutant.path}: the text of “{mutant.name}” stands there {found} times: {mutant.old!r}"
        )
    return text.replace(mutant.old, mutant.new)


def copy_project(into: Path) -> None:
    """The rooms with their compiled files, which stay valid because the times of the sources are kept."""
    for room in (*ROOMS, "pyproject.toml"):
        if (ROOT / room).is_dir():
            shutil.copytree(ROOT / room, into / room, ignore=shutil.ignore_patterns("corpus", "real"))
        else:
            shutil.copy2(ROOT / room, into / room)


def try_mutant(tree: Path, mutant: Mutant) -> Caught:
    """Apply one mutant to a copy, run its tests, and put the file back as it was."""
    path = tree / mutant.path
    original = path.read_text(encoding="utf-8")
    begun = time.monotonic()
    try:
        path.write_text(mutate(original, mutant), encoding="utf-8")
        # A compiled file is matched by time (in seconds) and size, which a mutant may share.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        done = run_tests(tree, mutant.tests)
    except ValueError as error:
        return Caught(mutant, "", 0.0, str(error))
    finally:
        path.write_text(original, encoding="utf-8")
    seconds = time.monotonic() - begun
    if done.code == 0:
        return Caught(mutant, "", seconds)
    failed = _FAILED.search(done.printed)
    if done.code != TESTS_FAILED or failed is None:
        return Caught(mutant, "", seconds, f"pytest ended with {done.code}: {done.printed[-400:]}")
    return Caught(mutant, _short(failed[1]), seconds)


def _short(test: str) -> str:
    """A test's name without its folder; what it was given in at most a few words, and no bytes."""
    name, _, given = test.removeprefix("tests/mongo/").partition("[")
    return f"{name} [{given[:-1]}]" if given and given.isprintable() and len(given) < 40 else name


def check_copy(tree: Path, mutants: list[Mutant]) -> str:
    """Why nothing could be learned from this copy, or "": its tests must pass, on its own code."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    done = run_tests(tree, tuple(tests))
    return "" if done.code == 0 else f"the tests fail without a mutant: {done.printed[-800:]}"


def try_all(mutants: list[Mutant], jobs: int, home: Path) -> list[Caught]:
    """All mutants, `jobs` at a time, each job in a copy of its own. Raises `RuntimeError` on a bad copy."""
    trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for number in range(jobs):
        tree = home / str(number)
        tree.mkdir()
        copy_project(tree)
        trees.put(tree)
    if trouble := check_copy(home / "0", mutants):
        raise RuntimeError(trouble)

    def one(mutant: Mutant) -> Caught:
        tree = trees.get()
        try:
            return try_mutant(tree, mutant)
        finally:
            trees.put(tree)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, mutants))


def table(results: list[Caught]) -> str:
    """The rows: mutant, caught by, seconds."""
    rows = [
        f"| {r.mutant.module}: {r.mutant.name} | {r.by or r.trouble or '**nothing**'} | {r.seconds:.1f} |"
        for r in results
    ]
    return "\n".join(["| mutant | caught by | seconds |", "|---|---|---|", *rows])


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests.mutation", description="Is every deliberate error caught?")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    mutants = [m for m in MUTANTS if not options.words or any(word in m.name for word in options.words)]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mongosweep-mutants-") as home:
        try:
            results = try_all(mutants, options.jobs, Path(home).resolve())
        except RuntimeError as error:
            print(error, file=sys.stderr)  # noqa: T201 - the program's output
            return 2
    survivors = [r for r in results if not r.by and not r.trouble]
    troubled = [r for r in results if r.trouble]
    print(table(results))  # noqa: T201 - the program's output
    print(  # noqa: T201 - the program's output
        f"\n{len(results)} mutants, {len(results) - len(survivors) - len(troubled)} caught,"
        f" {len(survivors)} survived, {len(troubled)} in trouble, {time.monotonic() - begun:.0f} s"
    )
    return 2 if troubled else 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
