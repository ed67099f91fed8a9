"""`mongosweep` whose sweeps watch the places in the environment's WATCHED: addresses with commas between."""

from __future__ import annotations

import os
import sys

from scanner.cli import main
from scanner.setup.settings import SweepOptions

PORT = 27017


def watch(addresses: list[str]) -> None:
    """Let every sweep of this process watch port 27017 of them."""
    defaults = SweepOptions.__init__.__kwdefaults__
    assert defaults is not None
    defaults["watched"] = frozenset((address, PORT) for address in addresses)


if __name__ == "__main__":
    watch(os.environ["WATCHED"].split(","))
    sys.exit(main())
