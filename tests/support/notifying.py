"""One run of notify over exposures that are made up, as a process of its own that can be killed at any call.

`python -m tests.support.notifying OUTPUT OWNERS DIE_AT folder`, or `smtp PORT CA_FILE`. DIE_AT counts calls
that change a file, from 1; at that one the process kills itself with SIGKILL, before the call. 0: never.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.files import RealFileSystem
from results.ledger.actions import Actions
from results.ledger.overlay import Deadlines, lay_over
from results.notify import send
from results.notify.folder import FolderWay
from results.notify.rules import Rules, due
from results.record import Owner
from tests.support.exposures import NOW, exposure

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure
    from results.notify.way import Way


def owned(number: int) -> list[TrackedExposure]:
    """Two exposures of each of so many owners."""
    return [
        exposure(
            f"10.20.{owner}.{host}", owner=Owner(owner=f"team {owner}", contact=f"team{owner}@example.com")
        )
        for owner in range(number)
        for host in (1, 2)
    ]


class MortalFileSystem(RealFileSystem):
    """Kills its process at the n-th call that changes a file."""

    def __init__(self, die_at: int) -> None:
        self.calls, self._die_at = 0, die_at

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, *arguments: Any) -> int:
        self._count()
        return super().write(*arguments)

    def fsync(self, *arguments: Any) -> None:
        self._count()
        super().fsync(*arguments)

    def rename(self, *arguments: Any) -> None:
        self._count()
        super().rename(*arguments)


def notify(output: Path, owners: int, way: Way, fs: RealFileSystem) -> list[send.Sent]:
    """What `mongosweep notify` does once the ledger was read."""
    actions = Actions.open(output, write=True, fs=fs)
    lock = send.hold(output)
    try:
        send.settle(actions, lambda: NOW)
        notices = due(lay_over(owned(owners), actions, NOW, Deadlines()), actions.proven, Rules(), NOW)
        return asyncio.run(send.send(notices, actions, way, lambda: NOW))
    finally:
        lock.release()


def main(arguments: list[str]) -> None:
    """Run once, and say how many calls there were."""
    output, owners, die_at, name = Path(arguments[0]), int(arguments[1]), int(arguments[2]), arguments[3]
    fs = MortalFileSystem(die_at)
    way: Way = FolderWay(output / "notices", fs)
    if name == "smtp":
        from results.notify.smtp import SmtpServer, SmtpWay

        server = SmtpServer(
            host="127.0.0.1",
            port=int(arguments[4]),
            tls="starttls",
            sender="mongosweep@example.com",
            ca_file=arguments[5],
            timeout=20,
        )
        way = SmtpWay(server)
    notify(output, owners, way, fs)
    sys.stdout.write(str(fs.calls))


if __name__ == "__main__":
    main(sys.argv[1:])
