"""What may be chosen in the configuration and on the command line alike; light, because --help reads it."""

from __future__ import annotations

from typing import Literal, get_args

EngineName = Literal["connect", "syn"]
DepthName = Literal["verdict", "databases", "collections"]
LoopName = Literal["uvloop", "asyncio"]
WorkerCount = int | Literal["auto"]

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
DEPTHS: tuple[DepthName, ...] = get_args(DepthName)
LOOPS: tuple[LoopName, ...] = get_args(LoopName)
MAX_WORKERS = 15  # each has a part of the budget of memory
MAX_RATE = 20_000_000  # new connections a second
VANTAGE = r"^([a-z][a-z0-9-]{0,31})?$"  # where a sweep looks from, in a word; `internet` means something
