"""The servers of a soak, in a process of their own: every personality, good and hostile, many times over.

    python -m tests.soak.fleet PREFIX PORT

Prints `ready` when it answers for the whole prefix (within 127.0.0.0/8) and ends when its input does.
"""

from __future__ import annotations

import asyncio
import sys

from scanner.lab.estate import catalogue
from scanner.lab.fleet import Fleet
from scanner.lab.personality import Group

LISTENERS_OWN = frozenset({"never_accepts", "zero_window"})  # traits of a listening socket, not of a talk


class EveryKind(Fleet):
    """A fleet of all personalities in equal shares."""

    def __init__(self, prefix: str, port: int) -> None:
        super().__init__(prefix, port, {"silent": 1})
        self.personalities = [each for each in catalogue(Group) if each.name not in LISTENERS_OWN]
        self._bounds = [float(number) for number in range(1, len(self.personalities) + 1)]
        for each in self.personalities:
            if each.security is not None:
                each.security.context()  # keys are made now, not while a client waits


async def main(prefix: str, port: int) -> None:
    """Serve until standard input ends."""
    fleet = await EveryKind(prefix, port).start()
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await fleet.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
