"""What `--log info` tells of a sweep under way: each change once, and nothing while nothing changes."""

from __future__ import annotations

import logging
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from scanner.engine.accounts import Accounts
from scanner.engine.pace import Pace, PrefixCaps
from scanner.sweep.narrate import Narrator

if TYPE_CHECKING:
    import pytest

    from scanner.engine.engine import Engine


def engine() -> Any:
    """What a narrator looks at of one."""
    return SimpleNamespace(
        pace=Pace(1000, 0.0),
        caps=PrefixCaps(20),
        accounts=Accounts(planned=256, outcomes=Counter()),
        repetition=SimpleNamespace(number=0),
        pause_reasons=set(),
        stop_reason="",
    )


def test_each_change_is_told_once_and_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    parts = engine()
    narrator = Narrator(cast("Engine", parts), None)
    narrator.look()
    assert caplog.messages == []
    parts.pace.stress.local_drops = 3
    parts.pace.review(5.0)
    parts.repetition.number = 1
    parts.pause_reasons.add("paused by SIGUSR2")
    narrator.look()
    narrator.look()
    parts.pause_reasons.clear()
    parts.pace.review(10.0)
    narrator.look()
    parts.stop_reason = "interrupted"
    narrator.turned()
    assert caplog.messages == [
        "paused: paused by SIGUSR2",
        "round 1 of asking again who did not answer: 0 outcomes, 0 excluded, 256 planned",
        "the pace is 500 connects a second (this machine dropped packets (3)), it was 1000",
        "no longer paused: paused by SIGUSR2",
        "the pace is 600 connects a second (this machine dropped packets (3)), it was 500",
        "asking was stopped (interrupted): 0 outcomes, 0 excluded, 256 planned",
    ]


def test_nobody_who_listens_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    parts = engine()
    narrator = Narrator(cast("Engine", parts), None)
    parts.repetition.number = 1
    narrator.look()
    assert (narrator.wanted, caplog.messages) == (False, [])
