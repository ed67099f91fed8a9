"""Who walks the order: the SYN stage where it was asked for and can run, else the engine itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scanner.engine.sources import FeedSource, Source, WalkSource
from scanner.network.syn.stage import StageTrouble
from scanner.sweep.syn_source import RawStage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from scanner.sweep.checkpoint import Checkpoint
    from scanner.sweep.sweep import Sweep


async def choose_source(sweep: Sweep, take: Callable[[], Checkpoint], stack: AsyncExitStack) -> Source:
    """Where the engine's targets come from; `sweep.raw` is set when it is the SYN stage.
    `take` makes a checkpoint of the moment.

    A run goes on with what it began with. A stage that cannot go on where an earlier one was (the capability
    is missing, the routes have changed) means that every target is asked again, which is told.
    """
    checkpoint = sweep.begun.checkpoint
    if sweep.options.engine == "syn" and (checkpoint is None or checkpoint.stage is not None):
        feed = FeedSource(sweep.scope)
        raw = await _start(sweep, take, feed)
        if checkpoint is not None and not (raw is not None and raw.resumed):
            _forget_the_checkpoint(sweep)
        if raw is not None:
            sweep.raw = raw
            sweep.begun = replace(sweep.begun, stage_before=None)  # megabytes that nobody needs again
            stack.push_async_callback(raw.close)
            feed.taken = _taken(sweep)
            return feed
    after = sweep.begun.checkpoint.after if sweep.begun.checkpoint is not None else -1
    return WalkSource(sweep.order, sweep.scope, after, _taken(sweep))


async def _start(sweep: Sweep, take: Callable[[], Checkpoint], feed: FeedSource) -> RawStage | None:
    """A stage that has sent nothing yet; None, and a notice that says why, when there can be none."""
    if sweep.options.everything or sweep.settings.blackout:
        asked = (
            "--all wants a line for every target" if sweep.options.everything else "blackout windows are set"
        )
        sweep.screen.notice(
            f"{asked}, which the SYN stage cannot do: the connect engine asks everything itself"
        )
        return None
    stage = RawStage(
        sweep.scope,
        sweep.order,
        sweep.settings.sweep,
        feed,
        sweep.coverage,
        take,
        sweep.begun.stage_before,
    )
    try:
        await stage.start()
    except StageTrouble as error:
        await stage.close()
        sweep.screen.notice(str(error))
        return None
    for note in stage.notes:
        sweep.screen.notice(note)
    return stage


def _taken(sweep: Sweep) -> int:
    """How many of the planned targets earlier starts have accounted for, or have left in flight."""
    checkpoint = sweep.begun.checkpoint
    again = len(checkpoint.in_flight) if checkpoint is not None else 0
    return sweep.coverage.done + sweep.coverage.excluded + again


def _forget_the_checkpoint(sweep: Sweep) -> None:
    sweep.screen.notice(
        "the SYN stage cannot go on from where it was when this run was left: every target is asked again"
    )
    sweep.begun = replace(sweep.begun, checkpoint=None, stage_before=None)
    sweep.coverage.outcomes.clear()
    sweep.coverage.excluded = 0
