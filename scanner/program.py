"""How this program is started again, and where its files are, by whatever name its packages are installed.

In a checkout these are `scanner`, `targets` and `results`; what is installed has them below `mongosweep`.
So nothing may write the name of a module into a string: it is computed from `__package__`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM: Final = (sys.executable, "-P", "-m", __package__)
"""What runs a command of ours, in front of the command's name."""
DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
"""The pages of the documentation: the checkout's, or those that the wheel brings."""
_PLACE: Final = Path(__file__).resolve().parents[__package__.count(".") + 1]


def module(name: str, option: str = "-P") -> tuple[str, str, str, str]:
    """The command line of a module that is a program of its own, by its full name (from `__package__`)."""
    return sys.executable, option, "-m", name


def environment(ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """These variables for a process of ours, with where the code is: it runs what this process runs."""
    places = (str(_PLACE), ours.get("PYTHONPATH", ""))
    return {**ours, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def without_secrets() -> dict[str, str]:
    """Ours for a process that has no use for our secrets (`MONGOSWEEP_*`), with where the code is."""
    return environment(
        {name: value for name, value in os.environ.items() if not name.startswith("MONGOSWEEP_")}
    )
