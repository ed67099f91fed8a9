"""The SYN stage where something that it needs is missing: told in a line, and no other engine in silence."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from scanner.engine.order import Order
from scanner.network.syn.messages import OrderParameters
from scanner.network.syn.needs import EXTRA
from scanner.network.syn.stage import StageTrouble, SynStage, job_for
from tests.cli.programs import CONFIGURATION, ROOT, mongosweep, on_a_free_port
from tests.support.sweeps import scope_of

if TYPE_CHECKING:
    from pathlib import Path


def without(folder: Path, *names: str) -> dict[str, str]:
    """The environment of a program that finds none of these modules."""
    folder.mkdir()
    hide = "".join(f"sys.modules[{name!r}] = None\n" for name in names)
    (folder / "sitecustomize.py").write_text("import sys\n" + hide)
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


@pytest.mark.parametrize("missing", [("numpy",), ("pyroute2",), EXTRA])
@pytest.mark.parametrize("asked", ["option", "environment", "file"])
def test_without_the_extra_a_sweep_with_it_is_refused_in_one_line(
    tmp_path: Path, missing: tuple[str, ...], asked: str
) -> None:
    text = CONFIGURATION + ('engine = "syn"\n' if asked == "file" else "")
    (tmp_path / "mongosweep.toml").write_text(text)
    env = without(tmp_path / "hidden", *missing)
    env |= {"MONGOSWEEP_ENGINE": "syn"} if asked == "environment" else {}
    done = mongosweep("sweep", *(["--engine", "syn"] if asked == "option" else []), cwd=tmp_path, env=env)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert all(name in line for name in missing)
    assert "pip install 'mongosweep[syn]'" in line
    assert not (tmp_path / "runs").exists()
    if asked == "file":
        examined = mongosweep("doctor", cwd=tmp_path, env=env)
        assert examined.returncode == 2
        assert f"failure  raw sockets      {' and '.join(missing)}" in examined.stdout
        assert "pip install 'mongosweep[syn]'" in examined.stdout


def test_the_connect_engine_needs_no_extra(tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text(on_a_free_port())
    done = mongosweep("sweep", cwd=tmp_path, env=without(tmp_path / "hidden", *EXTRA))
    assert done.returncode == 0, done.stderr


def test_a_stage_that_cannot_be_loaded_says_so_in_the_text_of_its_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Installed, and broken all the same: its process ends with a traceback, which nobody must read."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import no_such_module_at_all'\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    scope = scope_of(27017, "127.91.0.0/30")
    order = Order(len(scope), 1)
    parameters = OrderParameters(order.size, order.prime, order.generator, order.start, 0, 1)
    with pytest.raises(StageTrouble, match=r"status 1: .*no_such_module_at_all"):
        asyncio.run(SynStage(job_for(scope, parameters, rate=1)).start())
    assert capfd.readouterr() == ("", "")


def test_where_the_stage_cannot_run_the_banner_names_the_engine_that_does(tmp_path: Path) -> None:
    """Loopback is behind no gateway, so there is nothing for the stage. (In a process of its own: whoever has
    had a stage has given up a capability for good.)"""
    (tmp_path / "mongosweep.toml").write_text(on_a_free_port())
    done = mongosweep("sweep", "--engine", "syn", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "engine connect" in done.stderr
    assert "CAP_NET_RAW" in done.stderr or "no part of the scope lies behind a gateway" in done.stderr
