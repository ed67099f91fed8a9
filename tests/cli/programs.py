"""How the tests of the command line run it: as a user would, or in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]

CONFIGURATION = """\
[organisation]
name = "Example"
contact = "soc@example.com"

[[allow]]
cidr = "127.93.0.0/28"
kind = "lab"
owner = "web platform"

[[deny]]
cidr = "127.93.0.8/29"
reason = "medical devices"

[sweep]
per_prefix_rate = 1000
"""


def on_a_free_port() -> str:
    """The configuration for a sweep that finds nobody: MongoDB's own port may be in use on this machine."""
    return CONFIGURATION + f"ports = [{free_port()}]\n"


def mongosweep(*arguments: str, cwd: Path, shell: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the program in a directory. `shell`: redirections behind it, or a line in which it is the `{}`."""
    words = [sys.executable, "-P", "-m", "scanner", *arguments]
    # A child that may write no file or open none cannot be measured: coverage would complain on its stderr.
    hidden = ("MONGOSWEEP_", "COV") if "ulimit" in shell else ("MONGOSWEEP_",)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(cwd), "TMPDIR": str(cwd), **more.pop("env", {})}
    if shell:
        line = shell if "{}" in shell else "{} " + shell
        words = ["bash", "-c", line.replace("{}", '"$@"'), "bash", *words]
    options = {"capture_output": True, "encoding": "utf-8", "timeout": 60, **more}
    done = subprocess.run(words, cwd=cwd, env=environment, check=False, **options)
    for manifest in cwd.glob("runs/2*/manifest.json"):
        asked = json.loads(manifest.read_bytes())["planned"]["ports"]
        assert 27017 not in asked, "something may listen there on this machine: sweep `on_a_free_port`"
    return done
