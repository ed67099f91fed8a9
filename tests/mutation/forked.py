"""Tests of a copy of the project, each time in a fresh process that has already loaded what takes longer than
they do: pytest and the libraries, but nothing of the project."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOMS = ("scanner", "targets", "results", "tests")  # packages that are the copy's own
PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout")  # all that these tests need
ORDER = (*PLUGINS, "-p", "no:cacheprovider", "-q", "-x", "--tb=no", "--no-header", "--timeout=60")
NOT_ITS_OWN = 70  # the exit code where another code than the copy's was tested
_LOADED = ["pytest", "hypothesis", "pymongo", "cryptography.x509", "msgspec"]


class Done(NamedTuple):
    """pytest's exit code, or `NOT_ITS_OWN`, and all that it printed."""

    code: int
    printed: str


def run_tests(tree: Path, tests: tuple[str, ...]) -> Done:
    """Run some tests in a copy, up to the first that fails. May be called by several threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    with tempfile.NamedTemporaryFile() as output:
        process = context.Process(target=_run, args=(str(tree), tests, output.name))
        process.start()
        process.join()
        assert process.exitcode is not None
        return Done(process.exitcode, Path(output.name).read_text(encoding="utf-8", errors="replace"))


def _run(tree: str, tests: tuple[str, ...], output: str) -> None:
    """In the process: what it printed is in the file `output`, how it ended is its exit code."""
    descriptor = os.open(output, os.O_WRONLY | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    for name in [name for name in os.environ if name.startswith(("COV", "PYTEST"))]:
        del os.environ[name]
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "500"}
    sys.dont_write_bytecode = True
    os.chdir(tree)
    # This file came from the checkout, and the package it is in.
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOMS]:
        del sys.modules[name]
    sys.path.insert(0, tree)
    import pytest

    code = pytest.main([*ORDER, *tests])
    origin = getattr(sys.modules.get("scanner"), "__file__", None) or ""
    if not origin.startswith(tree + os.sep):
        print(f"the tests ran on {origin}")  # noqa: T201 - the program's output
        code = NOT_ITS_OWN
    sys.exit(int(code))
