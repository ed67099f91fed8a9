"""Prometheus' own program that checks metrics and rules."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.support.receivers.installed import brought

if TYPE_CHECKING:
    from pathlib import Path


def promtool(*words: str | Path, stdin: bytes = b"") -> str:
    """What it says; it fails where it finds anything."""
    place = brought("promtool/usr/bin/promtool", "Debian's apt-get")
    told = subprocess.run([place, *words], input=stdin, capture_output=True, check=False)
    said = (told.stdout + told.stderr).decode()
    assert told.returncode == 0, said
    return said
