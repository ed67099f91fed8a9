"""Frames between our own processes, which may come faster than they are read."""

from __future__ import annotations

import asyncio
import socket

from scanner.network.handover import Handover, first_frame, pair


async def test_what_comes_with_the_first_frame_is_not_lost() -> None:
    """A process that takes its time to start finds more than its job: a scope that was narrowed meanwhile."""
    loop = asyncio.get_running_loop()
    ours, theirs = pair()
    theirs.setblocking(True)
    with socket.socket() as lent:
        parent = Handover(loop, ours, lambda *_: None, lambda: None, lambda why: None)
        parent.put(b"the job")
        parent.put(b"narrower", [lent])
        parent.put(b"narrower still")
        content, frames = first_frame(theirs)
        assert content == b"the job"
        came: list[tuple[bytes, int]] = []
        all_came = asyncio.Event()

        def take(content: bytes, descriptors: list[int]) -> None:
            came.append((content, len(descriptors)))
            for each in descriptors:
                socket.close(each)
            if len(came) == 3:
                all_came.set()

        child = Handover(loop, theirs, take, lambda: None, lambda why: None, frames)
        await asyncio.sleep(0.05)
        assert came == [(b"narrower", 1), (b"narrower still", 0)], "though nothing more was sent"
        parent.put(b"later")
        await asyncio.wait_for(all_came.wait(), 10)
        assert came[-1] == (b"later", 0)
        parent.close()
        child.close()
