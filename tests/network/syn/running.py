"""Runs the real stage inside a namespace and collects what it said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from scanner.engine.order import Order
from scanner.network.syn.messages import Job, OrderParameters, Stats, TargetRange
from scanner.network.syn.stage import LiveTargets, RefusedTargets, SynStage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.netns import Namespace


@dataclass
class Outcome:
    """What a run said; indices are counted through the prefixes in the order given."""

    stats: Stats = field(default_factory=Stats)
    live: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    direct: list[tuple[int, int]] = field(default_factory=list)
    lanes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def job(*prefixes: str, ports: tuple[int, ...] = (27017,), seed: int = 1, **fields: Any) -> Job:
    """A job for whole prefixes; `fields` are the job's own."""
    networks = [ip_network(prefix) for prefix in prefixes]
    ranges = [TargetRange(n.version, int(n[0]), int(n[-1]), ports) for n in networks]
    order = Order(size=sum(n.num_addresses for n in networks) * len(ports), seed=seed)
    parameters = OrderParameters(order.size, order.prime, order.generator, order.start)
    return Job(**{"ranges": ranges, "order": parameters, "wait": 0.5, **fields})


async def collect(stage: SynStage, started: Callable[[SynStage], None] | None = None) -> Outcome:
    """Start a stage, call `started` before its answers are read, and read them all."""
    outcome = Outcome()
    await stage.start()
    try:
        if started:
            started(stage)
        outcome.direct, outcome.lanes, outcome.notes = stage.direct, stage.lanes, stage.notes
        async for event in stage.events():
            if isinstance(event, LiveTargets | RefusedTargets):
                (outcome.live if isinstance(event, LiveTargets) else outcome.refused).extend(event.indices)
    finally:
        await stage.close()
    outcome.stats = stage.stats
    return outcome


def run(scan: Namespace, what: Job, started: Callable[[SynStage], None] | None = None) -> Outcome:
    """One whole run inside `scan`."""
    return scan.call(lambda: asyncio.run(asyncio.wait_for(collect(SynStage(what), started), 60)))
