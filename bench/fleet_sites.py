"""Simulated sites for `bench.fleet_scale`, as a process: shards come as lines on stdin, and what is said of
them goes to stdout.

A site asks `--rate` targets a second by the clock. Every hundredth address answers, with lines that a real
sweep wrote (`bench.recorded`, pickled into the file that is named); the others are silent.
"""

from __future__ import annotations

import argparse
import asyncio
import pickle
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from bench.recorded import owner_of
from results.covered import parse_row
from results.summary import Loss
from scanner.fleet.messages import BATCH_BYTES, Began, Ended, Going, Lines, decode_shard, encode, line_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.recorded import Server
    from scanner.fleet.messages import Message, Shard

SHARE = 100  # one address in so many answers
TELL = 2.0  # seconds between two words on how far it is


class Sites:
    """All of them. `rate` in targets a second of one site."""

    def __init__(self, servers: list[Server], rate: float, output: asyncio.StreamWriter) -> None:
        self._servers = servers
        self._rate = rate
        self._output = output

    async def say(self, message: Message) -> None:
        """Hand it over, as fast as it is read."""
        self._output.write(encode(message))
        await self._output.drain()

    async def sweep(self, shard: Shard) -> None:
        """One shard from its beginning to its end."""
        loop = asyncio.get_running_loop()
        began = told = loop.time()
        who: dict[str, Any] = {"run_id": shard.run_id, "name": shard.name, "attempt": shard.attempt}
        await self.say(
            Began(
                **who,
                worker=f"{shard.site}-1",
                host=shard.site,
                site=shard.site,
                vantage=shard.vantage,
                version=shard.version,
                at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                targets=shard.targets,
            )
        )
        outcomes: Counter[str] = Counter()
        done = number = lines = digest = 0
        batch: list[bytes] = []
        size = 0
        for targets, found, verdict in self._asked(shard):
            done += targets
            if verdict:
                outcomes[verdict] += 1
                lines += len(found)
                digest += sum(map(line_hash, found))
                batch += found
                size += sum(map(len, found))
            ahead = began + done / self._rate - loop.time()
            if size >= BATCH_BYTES or (batch and ahead > 0.2):
                number += 1
                await self.say(Lines(**who, number=number, lines=[Raw(line) for line in batch]))
                batch, size = [], 0
            if ahead > 0.2:
                await asyncio.sleep(ahead)
            if loop.time() - told > TELL:
                told = loop.time()
                await self.say(
                    Going(**who, asked=done, done=done, answered=sum(outcomes.values()), rate=self._rate)
                )
        if batch:
            number += 1
            await self.say(Lines(**who, number=number, lines=[Raw(line) for line in batch]))
        await asyncio.sleep(max(0.0, began + shard.targets / self._rate - loop.time()))
        answered = sum(outcomes.values())
        outcomes["filtered"] = shard.targets - answered
        await self.say(
            Ended(
                **who,
                state="complete",
                reasons=[],
                planned=shard.targets,
                outcomes=dict(outcomes),
                loss=Loss(answered=answered, missed_at_most=0),
                unheard=0.0,
                lines=lines,
                digest=f"{digest % (1 << 128):032x}",
                seconds=loop.time() - began,
                chain_head="0" * 64,
            )
        )

    def _asked(self, shard: Shard) -> Iterator[tuple[int, list[bytes], str]]:
        """(targets since the last, lines, verdict); the last one has no verdict."""
        for row in map(parse_row, shard.rows):
            allow = f"{row.first >> 24}.{row.first >> 16 & 255}.0.0/16"
            owner, before = owner_of(shard.site, allow), row.first - 1
            for address in range(row.first + -row.first % SHARE, row.last + 1, SHARE):
                server = self._servers[address * 2654435761 % (1 << 32) % len(self._servers)]
                yield address - before, server.lines(shard.run_id, shard.site, owner, address), server.verdict
                before = address
            yield row.last - before, [], ""


async def main() -> None:
    """Until stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet_sites", description=__doc__)
    parser.add_argument("recorded", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    servers = pickle.loads(options.recorded.read_bytes())
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    sites = Sites(servers, options.rate, asyncio.StreamWriter(transport, protocol, None, loop))
    async with asyncio.TaskGroup() as group:
        while line := await stdin.readline():
            group.create_task(sites.sweep(decode_shard(line)))


if __name__ == "__main__":
    asyncio.run(main())
