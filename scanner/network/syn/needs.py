"""What the stage needs of this machine, and how to give it that: one text for the sweep and for `doctor`."""

from __future__ import annotations

import importlib.util

EXTRA = ("numpy", "pyroute2")  # what the syn extra brings
INSTALL = "pip install 'mongosweep[syn]'"
GRANT = (
    "run as a systemd unit with AmbientCapabilities=CAP_NET_RAW, or as root, or with: "
    "sudo setpriv --reuid $(id -u) --regid $(id -g) --init-groups --inh-caps +net_raw "
    "--ambient-caps +net_raw mongosweep sweep --engine syn … (never setcap on the interpreter: "
    "that would give raw sockets to every script)"
)


def missing_modules() -> list[str]:
    """The modules of the syn extra that are not installed here."""
    return [name for name in EXTRA if importlib.util.find_spec(name) is None]
