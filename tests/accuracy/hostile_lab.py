"""The hostile servers in a process of their own: `python -m tests.accuracy.hostile_lab COUNT`.

Prints one line of JSON (place, name, hostility, right verdicts, description of every server; copies fill up
to COUNT) and runs until its stdin ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from scanner.lab import hostile
from scanner.lab.estate import find
from scanner.lab.server import LabServer
from tests.support.ports import free_port

if TYPE_CHECKING:
    from scanner.lab.personality import Personality

HONEST = ("magazine", "open_8_0", "old_2_6", "auth_7_1", "tls_open", "mongos")


NEEDS_QUIET = "bytes_alone"  # honest, but a byte for each turn of a loop that two hundred others keep busy


def _cases(count: int) -> list[Personality]:
    cases = hostile.personalities()
    if count:
        cases = [each for each in cases if each.name != NEEDS_QUIET]
    while len(cases) < count:
        cases += hostile.personalities()[: count - len(cases)]
    return cases


async def _main(count: int) -> None:
    port = free_port()
    cases = _cases(count)
    honest = [find(name) for name in HONEST]
    places = []
    async with AsyncExitStack() as stack:
        for number, personality in enumerate([*honest, *cases]):
            ip = f"127.99.{number // 200}.{number % 200 + 1}"
            await stack.enter_async_context(LabServer(personality, ip, port))
            verdicts = sorted(verdict.value for verdict in personality.acceptable)
            hostility = number >= len(honest)
            places.append([ip, port, personality.name, hostility, verdicts, personality.description])
        sys.stdout.write(json.dumps(places) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
