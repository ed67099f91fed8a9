"""A part of the scope that expires while workers talk to its servers, before the main process notices."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from scanner.setup.settings import Settings
from targets.entries import Entry
from targets.scope import Scope
from tests.support.slow_servers import slow_servers
from tests.support.sweeps import FAST, sweep

if TYPE_CHECKING:
    from pathlib import Path

SLOW = Settings(sweep=msgspec.structs.replace(FAST, reply_timeout=4.0, host_timeout=15.0))


@pytest.mark.exhaustive
def test_what_expires_in_a_workers_hand_left_the_scope_and_stops_nobody_else(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process looks at the clock by itself; here the main process is the last to do so."""
    monkeypatch.setattr("scanner.network.guard.REFRESH", 1.5)
    lasting, ending = (
        Entry.of(cidr, owner="web platform", contact="web@example.com", site="paris", kind="lab")
        for cidr in ("127.91.0.0/29", "127.91.0.8/29")
    )
    ending = replace(ending, expires=time.time() + 3)
    with slow_servers(port, 2, 0.4):
        summary, _ = sweep(Scope([lasting, ending], [], ports=[port]), tmp_path, SLOW, workers=2)
    assert summary.outcomes == {"open": 8}
    assert [why for why in summary.reasons if "not reached" in why] == []
    assert [why for why in summary.reasons if "left the scope" in why] != []
