"""The wheel of this checkout, installed into an environment of its own, beside other people's packages.

Nothing comes from a network: the environment sees the packages of the one that the tests run in, but not what
an editable install of ours put there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
STRANGERS = ("results", "scanner", "targets")
"""Packages of somebody else with the names that ours have in the checkout: importing one ends the process."""
_ALWAYS = ("PATH", "LANG", "LC_ALL")


class Installed(NamedTuple):
    """`python` is the environment's interpreter, `program` its `mongosweep`, `site` where packages are."""

    python: Path
    program: Path
    site: Path

    def run(self, *words: str | Path, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with nothing of this process's environment that names the checkout."""
        options = {"capture_output": True, "encoding": "utf-8", "timeout": 120, **more}
        return subprocess.run(words, cwd=cwd, env=environment(cwd), check=False, **options)


def environment(home: Path) -> dict[str, str]:
    """Variables for a process of the installed program, with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if name in _ALWAYS}
    return {**kept, "HOME": str(home), "TMPDIR": str(home)}


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout, without isolation, into `folder`."""
    words = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Installed:
    """Install into an environment in `folder`, in which strangers are, too."""
    place = folder / "environment"
    venv.create(place, with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)}))
    (site / "neighbours.pth").write_text(sysconfig.get_path("purelib") + "\n")  # whose own .pth are not read
    for name in STRANGERS:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f"raise SystemExit('somebody else has {name}, too')\n")
    python = place / "bin" / "python"
    words = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index"]
    words += ["--no-deps", "--disable-pip-version-check", str(wheel)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Installed(python, place / "bin" / "mongosweep", site)
