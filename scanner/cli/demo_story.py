"""Plays the lab's story: one sweep a chapter, on a clock that stands where the chapter says, with a ledger
beside it.

Everything is real but the time: sockets, the sweep, the journal, the ledger.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from results.ledger.actions import Actions
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from scanner.clock import timestamp
from scanner.lab.estate import DEFAULT_PORT
from scanner.lab.story import Chapter, chapters
from scanner.lab.thread import LabThread
from scanner.setup.settings import Settings, SweepOptions, SweepSettings
from scanner.sweep.sweep import run
from targets.entries import Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from results.ledger.tracked import TrackedExposure
    from results.record import Observation
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, RunSummary

NETWORK = "127.78.0."
CONTACT = "it@magazine.example"
LENGTH = timedelta(weeks=22)
"""From the first chapter to the last."""

TOLD_AFTER = 2 * 3600  # seconds after a sweep in which its owner is told, where the chapter says so
_PORTS = 100  # tried, from MongoDB's own on
_PACE = SweepSettings(
    rate=5000, per_prefix_rate=5000, connect_timeout=1, reply_timeout=2, host_timeout=10, concurrency=64
)


class StoryClock:
    """The chapter's time goes on as the machine's does; deadlines are the machine's own."""

    monotonic = staticmethod(time.monotonic)
    boottime = staticmethod(time.monotonic)

    def __init__(self, at: datetime) -> None:
        self._ahead = at.timestamp() - time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, in the story."""
        return time.monotonic() + self._ahead


class _Nobody:
    """A screen at which nobody looks."""

    wants_found = False

    def started(self, plan: Plan) -> None:
        pass

    def progress(self, snapshot: ProgressSnapshot) -> None:
        pass

    def found(self, observation: Observation) -> None:
        pass

    def notice(self, text: str) -> None:
        pass

    def finished(self, summary: RunSummary) -> None:
        pass


def play(
    start: datetime, output: Path, port: int | None = None
) -> Iterator[tuple[Chapter, list[TrackedExposure]]]:
    """Sweep chapter after chapter into `output`; each is given out, with what the ledger says after it,
    before the next begins. `port`: the servers' own; by default the first that is free from 27017 on."""
    entry = Entry.of(f"{NETWORK}0/27", owner="the magazine", contact=CONTACT, site="paris", kind="lab")
    catch_up(output)
    for chapter in chapters(start):
        with _standing(chapter, port) as port:
            run(
                Settings(sweep=_PACE),
                Scope([entry], [], ports=[port]),
                SweepOptions(output=output, fail_on="never", quiet=True, watched=_watched(output)),
                _Nobody(),
                clock=StoryClock(chapter.at),
            )
        catch_up(output)
        with Ledger.open(output) as ledger:
            exposures = ledger.exposures()
        if chapter.told:
            at = timestamp(chapter.at.timestamp() + TOLD_AFTER)
            told = [exposure.exposure_id for exposure in exposures]
            Actions.open(output, write=True).append("warned", told, at=at, by="security team", to=[CONTACT])
        yield chapter, exposures


@contextmanager
def _standing(chapter: Chapter, port: int | None) -> Iterator[int]:
    """The chapter's servers as long as the block runs, and the port on which they stand."""
    for candidate in [port] if port else range(DEFAULT_PORT, DEFAULT_PORT + _PORTS):
        places = {(f"{NETWORK}{octet}", candidate): each for octet, each in chapter.servers.items()}
        with ExitStack() as standing:
            try:
                standing.enter_context(LabThread(places))
            except OSError:
                continue
            yield candidate
            return
    raise OSError(f"no port from {port or DEFAULT_PORT} on is free on {NETWORK}0/24")


def _watched(output: Path) -> frozenset[tuple[str, int]]:
    with Ledger.open(output) as ledger:
        return ledger.watched()
