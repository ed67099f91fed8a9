"""The installed program, beside packages of others with the same names: each process that it starts runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

import scanner
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.support.installed_wheel import ROOT, STRANGERS, Installed, environment
from tests.support.ports import free_port
from tests.support.serving import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("wheel")
OPEN = "127.96.3.1"
PICKLE = """
import pickle
from mongosweep.scanner.fleet.dask import task, unpickling
load = unpickling.loader("worker")
for module in unpickling.TASK_MODULES:  # as a coordinator in a checkout names it, and as one from a wheel
    print(load(f"c{module}\\nshard_task\\n.".encode()) is task.shard_task)
"""
IMPORT_ALL = """
import importlib, pkgutil, sys, mongosweep
for found in pkgutil.walk_packages(mongosweep.__path__, "mongosweep."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(len([name for name in sys.modules if name.startswith("mongosweep.scanner.")]))
"""

PROGRAM = """
import mongosweep
found, summary = mongosweep.sweep(config="mongosweep.toml", output="runs", confirm=True, workers=2).run()
print(*(f"{seen.target.ip} {seen.verdict} {seen.confirmation.agrees}" for seen in found), summary.state)
print(type(found[0]) is mongosweep.Observation, len(list(mongosweep.read(summary.run_dir))))
"""


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "mongosweep.toml"
    path.write_text(
        f'[[allow]]\ncidr = "{OPEN}"\nowner = "web platform"\nkind = "lab"\n'
        f'[sweep]\nports = [{port}]\n[service]\nlisten = "127.0.0.1:{free_port()}"\n'
        f'[[sink]]\nkind = "file"\npath = "{tmp_path}/events.jsonl"\n'
    )
    return path


def test_nothing_of_ours_is_beside_the_package(installed: Installed) -> None:
    ours = {path.name for path in installed.site.iterdir()} - {*STRANGERS, "neighbours.pth"}
    assert ours == {"mongosweep", f"mongosweep-{scanner.__version__}.dist-info"}


def test_it_says_its_version_by_both_names(installed: Installed, tmp_path: Path) -> None:
    said = [
        installed.run(*words, "--version", cwd=tmp_path).stdout
        for words in ((installed.program,), (installed.python, "-m", "mongosweep"))
    ]
    assert said == [f"mongosweep {scanner.__version__}\n"] * 2


def test_it_shows_its_pages(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(installed.program, "help", "verdicts.md", cwd=tmp_path)
    assert done.stdout == (ROOT / "docs" / "verdicts.md").read_text(), done.stderr


def test_every_module_is_imported_by_its_installed_name(installed: Installed, tmp_path: Path) -> None:
    """A module that imported one of the strangers would end the process."""
    done = installed.run(installed.python, "-c", IMPORT_ALL, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 400


def test_a_sweep_and_the_processes_beside_it(
    installed: Installed, config: Path, tmp_path: Path, port: int
) -> None:
    """Workers, the driver, a conversion of stdout, and a forward to a sink."""
    with LabThread({(OPEN, port): find("open_8_0")}):
        done = installed.run(
            *(installed.program, "sweep", "--workers", "2", "--confirm", "--forward", "--format", "ecs"),
            cwd=tmp_path,
        )
    assert done.returncode == 1, done.stderr
    (event,) = map(json.loads, done.stdout.splitlines())
    assert (event["server"]["ip"], event["event"]["action"]) == (OPEN, "observation")
    assert "driver agrees 1" in done.stderr
    assert "exposure" in (tmp_path / "events.jsonl").read_text()
    shown = installed.run(installed.program, "show", "last", cwd=tmp_path)
    assert (shown.returncode, OPEN in shown.stdout) == (0, True), shown.stderr


def test_a_program_that_imports_it(installed: Installed, config: Path, tmp_path: Path, port: int) -> None:
    with LabThread({(OPEN, port): find("open_8_0")}):
        done = installed.run(installed.python, "-c", PROGRAM, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (f"{OPEN} open True complete\nTrue 1\n", "")


def test_the_service_and_its_page(installed: Installed, config: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as into:
        process = subprocess.Popen(
            [installed.program, "serve"], cwd=tmp_path, env=environment(tmp_path), stderr=into
        )
    try:
        wait_until(lambda: process.poll() is not None or "the page is at" in said.read_text(), "the page")
        found = re.search(r"the page is at (http://127\.0\.0\.1:\d+)", said.read_text())
        assert found is not None, said.read_text()
        with urllib.request.urlopen(f"{found[1]}/login", timeout=30) as answer:
            page = answer.read().decode()
        style = re.search(r'href="(/static/[^"]*/page\.css)"', page)
        assert style is not None
        with urllib.request.urlopen(found[1] + style[1], timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/css")
        health = healthcheck(process.pid, f"{found[1]}/healthz")
        assert (health.returncode, health.stdout) == (0, "200\n")
        assert healthcheck(os.getpid(), "http://127.0.0.1:0/").stdout == "no service\n"
    finally:
        process.terminate()
        code = process.wait(60)
    assert code == 0, said.read_text()


def healthcheck(pid: int, url: str) -> subprocess.CompletedProcess[str]:
    """What a container runs to see whether its service is well."""
    words = [sys.executable, "-I", str(ROOT / "deploy/container/healthcheck.py"), str(pid)]
    return subprocess.run(words, env={"HEALTH_URL": url}, capture_output=True, text=True, check=False)


def test_the_lab_starts_and_ends(installed: Installed, tmp_path: Path) -> None:
    scope, said = tmp_path / "lab.toml", tmp_path / "said"
    with said.open("wb") as into:
        process = subprocess.Popen(
            [installed.program, "lab", "--base", "127.78.0.0", "--no-real", "--write-scope", scope],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=into,
            stderr=into,
        )
    try:
        wait_until(lambda: process.poll() is not None or "until Ctrl-C" in said.read_text(), "the lab")
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert (code, scope.exists()) == (0, True), said.read_text()


def test_the_raw_stage_is_found_in_isolated_mode(installed: Installed, tmp_path: Path) -> None:
    """It gets so far that a job without its fields is refused: everything was imported."""
    words = (installed.python, "-I", "-m", "mongosweep.scanner.network.syn.process")
    done = installed.run(*words, cwd=tmp_path, input="{}\n")
    assert "Object missing required field" in done.stderr


def test_a_worker_of_a_fleet_takes_tasks_by_both_names(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(installed.python, "-c", PICKLE, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("True\nTrue\n", 0), done.stderr


@pytest.mark.exhaustive
def test_types_are_there_for_who_imports_it(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(
        "import mongosweep\nreveal_type(mongosweep.sweep(scope='scope.toml').run)\n"
    )
    mypy = installed.run(
        *(installed.python, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "theirs.py"),
        cwd=tmp_path,
    )
    assert "list[mongosweep.results.record.Observation]" in mypy.stdout, mypy.stdout
    assert mypy.returncode == 0
