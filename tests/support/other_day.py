"""A plugin of pytest that lets one process live on another day: `-p` this module, and OTHER_DAY=2028-02-29.

The wall clock is shifted and runs on from there; the clocks that measure waits stay as they are. Programs
that the process starts, and C code that asks the kernel itself, keep the real day. So this is for tests that
do all their work in Python and in one process.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from datetime import UTC, datetime
from typing import Any

OTHER_DAY = "OTHER_DAY"


def live_on(moment: datetime) -> None:
    """Let it be `moment` now, and let time go on from there."""
    real = time.time
    shift = round(moment.timestamp() - real())
    gmtime, localtime, clock_gettime = time.gmtime, time.localtime, time.clock_gettime
    patched: dict[str, Any] = {
        "time": lambda: real() + shift,
        "time_ns": lambda: int((real() + shift) * 1e9),
        "gmtime": lambda at=None: gmtime(time.time() if at is None else at),
        "localtime": lambda at=None: localtime(time.time() if at is None else at),
        "clock_gettime": lambda which: (
            clock_gettime(which)
            + (shift if which == time.CLOCK_REALTIME else 0)  # the only one that is dated
        ),
    }
    for name, replaced in patched.items():
        setattr(time, name, replaced)
    # The type itself is changed, not a name of it: a subclass under its name would be no type that the BSON
    # codec and msgspec know, and modules hold the type under names of their own. `date.today` asks time.time.
    namespace = gc.get_referents(datetime.__dict__)[0]
    namespace["now"] = classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz))
    namespace["utcnow"] = classmethod(lambda cls: cls.fromtimestamp(time.time(), UTC).replace(tzinfo=None))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


if OTHER_DAY in os.environ:
    live_on(datetime.fromisoformat(os.environ[OTHER_DAY]).astimezone(UTC))
