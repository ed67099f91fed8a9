"""A stage whose process is a script: what the parent reads is what a test wrote."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import numpy as np

from scanner.network.syn.messages import Job, Kind, OrderParameters, Progress, TargetRange, frame
from scanner.network.syn.stage import SynStage

JOB = Job(ranges=[TargetRange(4, 1, 9, (27017,))], order=OrderParameters(9, 11, 2, 1))


class Process:
    """Stands where `asyncio.subprocess.Process` stands; it has ended when all of it was read."""

    stdin = stderr = None
    returncode = None

    def __init__(self, stdout: asyncio.StreamReader) -> None:
        self.stdout = stdout

    async def wait(self) -> int:
        """The exit status."""
        return 0


def stage_reading(stdout: asyncio.StreamReader) -> SynStage:
    """A stage that has been started."""
    stage, process = SynStage(JOB), Process(stdout)
    found: Any = process
    stage._process = found
    return stage


def saying(script: bytes) -> SynStage:
    """A stage that says this, and has ended."""
    stdout = asyncio.StreamReader()
    stdout.feed_data(script)
    stdout.feed_eof()
    return stage_reading(stdout)


def indices(kind: Kind, *found: int) -> bytes:
    """A message of indices."""
    return frame(kind, np.array(found, dtype="<u8").tobytes())


def snapshot(pieces: int, position: int = 0) -> bytes:
    """The message with which a snapshot begins."""
    progress = Progress(attempt=0, position=position, targets=0, sent_by_round=[0], pieces=pieces)
    return frame(Kind.SNAPSHOT, msgspec.json.encode(progress))
