"""The SYN stage alone, through its own interface: what zmap and masscan do, and no connects after it.

    python -m bench.stage FIRST COUNT PORT ATTEMPTS

Prints {"found": …, "refused": …, "rate": …} as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from scanner.engine.order import Order
from scanner.network.syn.messages import Job, OrderParameters, TargetRange
from scanner.network.syn.stage import LiveTargets, SynStage


async def sweep(first: int, count: int, port: int, attempts: int) -> dict[str, float]:
    """One run as fast as the machine can."""
    order = Order(size=count, seed=1)
    parameters = OrderParameters(count, order.prime, order.generator, order.start)
    ranges = [TargetRange(4, first, first + count - 1, (port,))]
    stage = SynStage(Job(ranges=ranges, order=parameters, attempts=attempts, wait=1.0))
    found = 0
    try:
        await stage.start()
        async for event in stage.events():
            if isinstance(event, LiveTargets):
                found += len(event.indices)
    finally:
        await stage.close()
    return {"found": found, "refused": stage.stats.refused, "rate": stage.stats.rate}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(sweep(*map(int, sys.argv[1:])))))
