"""The sweep of a soak with a probe in it: once a second its tasks and the lag of its loop go to a file.

    python -m tests.soak.inside FILE sweep -c … (the arguments of mongosweep)

The probe is a thread that asks the loop to run a callback and measures how long that takes. It counts what is
allocated, too: Python's blocks, and the bytes that the C library has given out. What is resident says less,
because both allocators keep what is free, and a megabyte stays for the one object that lives in it. What is
remembered of answers (scanner/engine/response_cache.py), of kinds of servers (scanner/mongo/first_answers.py)
and of those that are asked once more (scanner/engine/engine.py) is cut to a size that fills up soon, so that
its filling is not taken for a leak.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from scanner.cli import main
from scanner.engine import engine, response_cache
from scanner.mongo import first_answers
from scanner.network.connect import choose
from scanner.sweep import connecting as connecting_room
from scanner.sweep import sweep

PERIOD = 1.0  # seconds
SLOW = 0.3  # seconds of lag after which it is noted what the loop is busy with
CONNECTORS: list[Any] = []  # the sweep's own, as soon as it has been made


class Mallinfo(ctypes.Structure):
    """`struct mallinfo2` of the C library, in bytes (mallinfo(3))."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


MALLINFO = ctypes.CDLL("libc.so.6").mallinfo2
MALLINFO.restype = Mallinfo


def given_out() -> float:
    """MiB that the C library has given out; Python's small objects have arenas of their own."""
    now = MALLINFO()
    return float(now.uordblks + now.hblkhd) / (1 << 20)


def where() -> list[str]:
    """The innermost calls of the main thread."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return [f"{entry.name}:{entry.lineno}" for entry in traceback.extract_stack(frame)[-6:]]


def watch(loop: asyncio.AbstractEventLoop, path: Path) -> None:
    """Sample until the loop is closed. `lag` is seconds from asking to running."""
    with path.open("w", encoding="ascii") as file:
        while not loop.is_closed():
            asked, answered = time.monotonic(), threading.Event()
            seen: dict[str, Any] = {}

            def look(seen: dict[str, Any] = seen, answered: threading.Event = answered) -> None:
                seen["at"], seen["tasks"] = time.monotonic(), len(asyncio.all_tasks(loop))
                seen["slots"] = sum(len(connector._slots) for connector in CONNECTORS)
                seen["blocks"], seen["given_out"] = sys.getallocatedblocks() / 1000, given_out()
                answered.set()

            try:
                loop.call_soon_threadsafe(look)
            except RuntimeError:
                return
            if not answered.wait(SLOW):
                seen["busy_with"] = where()
            if answered.wait(60):
                file.write(json.dumps(seen | {"at": time.time(), "lag": seen["at"] - asked}) + "\n")
                file.flush()
            time.sleep(max(0.0, PERIOD - (time.monotonic() - asked)))


def hook(path: Path) -> None:
    """Let the sweep's own loop be watched from its start."""
    original = choose.loop_factory

    def factory(name: str) -> Any:
        make = original(name)

        def made() -> asyncio.AbstractEventLoop:
            loop = make()
            threading.Thread(target=watch, args=(loop, path), daemon=True, name="watch").start()
            return loop

        return made

    def connecting(*arguments: Any) -> Any:
        CONNECTORS.append(choose.make_connector(*arguments))
        return CONNECTORS[-1]

    vars(sweep)["loop_factory"] = factory
    vars(connecting_room)["make_connector"] = connecting


if __name__ == "__main__":
    hook(Path(sys.argv[1]))
    response_cache.REMEMBERED = 32
    vars(first_answers)["KINDS_KEPT"] = 32
    vars(engine)["MAX_PATIENT"] = 64
    sys.argv = ["mongosweep", *sys.argv[2:]]
    sys.exit(main())
