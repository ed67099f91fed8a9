"""What may be chosen in the configuration and on the command line alike; light, because --help reads it."""

from __future__ import annotations

from typing import Literal, get_args

EngineName = Literal["connect", "syn"]
DepthName = Literal["verdict", "databases", "collections"]
LoopName = Literal["uvloop", "asyncio"]
Language = Literal["en", "fr", "de", "es"]  # of messages to owners, and of replies
WorkerCount = int | Literal["auto"]

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
DEPTHS: tuple[DepthName, ...] = get_args(DepthName)
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOOPS: tuple[LoopName, ...] = get_args(LoopName)
FAIL_ON = ("open", "new", "critical", "high", "unknown", "never")  # what may make an exit code 1
MAX_WORKERS = 15  # each has a part of the budget of memory
MAX_RATE = 20_000_000  # new connections a second
VANTAGE = r"^([a-z][a-z0-9-]{0,31})?\Z"  # where a sweep looks from, in a word; `internet` means something
