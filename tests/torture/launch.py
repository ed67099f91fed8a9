"""`mongosweep` with so short intervals between fsyncs and checkpoints that a second sees many of each."""

from __future__ import annotations

import faulthandler
import signal
import sys

from scanner.cli import main
from scanner.sweep import persistence, syn_feeder

SYNC_INTERVAL = 0.03
CHECKPOINT_EVERY = 2
SNAPSHOT_INTERVAL = 0.2
LEAST_WAIT = 0.4


def shorten() -> None:
    """Give the sweep of this process the short intervals."""
    persistence.SYNC_INTERVAL = SYNC_INTERVAL
    persistence.CHECKPOINT_EVERY = CHECKPOINT_EVERY
    syn_feeder.SNAPSHOT_INTERVAL = SNAPSHOT_INTERVAL
    syn_feeder.LEAST_WAIT = LEAST_WAIT


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)  # a sweep that hangs can be asked where
    shorten()
    sys.exit(main())
