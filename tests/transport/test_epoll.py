"""What only the connector with an epoll set can meet: more events than a turn serves, no room to watch."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import select
import socket
import time
from typing import TYPE_CHECKING

from scanner.transport import epoll
from scanner.transport.base import LocalFault
from scanner.transport.epoll import EpollConnector
from tests.transport.test_connector import FAST, Notes, scope

if TYPE_CHECKING:
    import pytest

    from targets.scope import Scope


def make(notes: Notes, allowed: Scope, capacity: int) -> EpollConnector:
    loop = asyncio.get_running_loop()
    return EpollConnector(loop, notes, lambda target: allowed.permits(target, 0.0), FAST, capacity)


async def test_however_late_we_look_all_that_has_arrived_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """More events than one turn serves, seen for the first time when every deadline has passed."""
    monkeypatch.setattr(epoll, "EVENTS_PER_TURN", 2)
    notes = Notes()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        allowed = scope(server.getsockname()[1], cidr="127.0.0.1")
        with contextlib.closing(make(notes, allowed, 20)) as connector:
            for number in range(20):
                connector.connect(allowed.pick(0), number)
            time.sleep(0.5)  # noqa: ASYNC251 - the loop is late, but not as late as a process that was stopped
            await notes.until(lambda: len(notes.events) >= 20)
    assert sorted(event[:2] for event in notes.events[:20]) == [("connected", n) for n in range(20)]


async def test_a_socket_that_cannot_be_watched_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """fs.epoll.max_user_watches is used up: a fault of this machine, and nothing stays busy for ever."""
    real = select.epoll()

    class Full:
        fileno, poll, close = real.fileno, real.poll, real.close

        def register(self, fd: int, events: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(select, "epoll", Full)
    notes, allowed = Notes(), scope(27017)
    with contextlib.closing(make(notes, allowed, 4)) as connector:
        connector.connect(allowed.pick(0), 0)
        assert notes.events == [("fault", 0, LocalFault.OTHER)]
        assert connector.busy == 0
