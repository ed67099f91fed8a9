"""Who walks the order: the SYN stage where it was asked for and can run, else the engine itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scanner.engine.sources import FeedSource, Source, WalkSource
from scanner.network.syn.stage import StageTrouble
from scanner.setup.inventory import names_in
from scanner.sweep.syn_feeder import SynFeeder

if TYPE_CHECKING:
    from scanner.engine.order import Order
    from scanner.setup.settings import Settings, SweepOptions
    from scanner.sweep.begin import Beginning
    from scanner.sweep.checkpoint import Checkpoint
    from targets.scope import Scope

_INVENTORY = (
    "a part of the scope is of an inventory, which is asked again while the sweep goes on, and the SYN stage"
    " cannot be told what it says: the connect engine asks everything itself"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the engine's targets come from, and where the run goes on."""

    source: Source
    stage: SynFeeder | None  # the SYN stage that feeds `source`, to be run and closed; None: the engine walks
    checkpoint: Checkpoint | None  # None: from the start
    notices: tuple[str, ...] = ()  # what the user should know of the choice


async def open_source(
    begun: Beginning, scope: Scope, order: Order, settings: Settings, options: SweepOptions
) -> Opened:
    """Choose the source. A stage that is returned has its sockets, and has sent nothing yet.

    A run goes on with what it began with. A stage that cannot go on where an earlier one was (the capability
    is missing, the routes have changed) means that every target is asked again, which is told.
    """
    checkpoint = begun.checkpoint
    notices: list[str] = []
    if options.engine == "syn" and (checkpoint is None or checkpoint.stage is not None):
        feed = FeedSource(scope)
        stage, notices = await _start(begun, scope, order, settings, options, feed)
        if checkpoint is not None and not (stage is not None and stage.resumed):
            checkpoint = None
            notices.append(
                "the SYN stage cannot go on from where it was when this run was left:"
                " every target is asked again"
            )
        if stage is not None:
            feed.taken = checkpoint.taken if checkpoint is not None else 0
            return Opened(feed, stage, checkpoint, tuple(notices))
    if checkpoint is None:
        return Opened(WalkSource(order, scope), None, None, tuple(notices))
    walk = WalkSource(order, scope, checkpoint.after, checkpoint.taken)
    return Opened(walk, None, checkpoint, tuple(notices))


async def _start(
    begun: Beginning, scope: Scope, order: Order, settings: Settings, options: SweepOptions, feed: FeedSource
) -> tuple[SynFeeder | None, list[str]]:
    """A stage that has sent nothing yet, or None; and what there is to say of it."""
    if options.everything or settings.blackout:
        asked = "--all wants a line for every target" if options.everything else "blackout windows are set"
        return None, [f"{asked}, which the SYN stage cannot do: the connect engine asks everything itself"]
    if names_in(scope):
        return None, [_INVENTORY]
    stage = SynFeeder(scope, order, settings.sweep, feed, begun.stage_before)
    try:
        await stage.start()
    except StageTrouble as error:
        await stage.close()
        return None, [str(error)]
    return stage, list(stage.notes)
