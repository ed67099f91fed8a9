"""The run that goes on in an output directory, whoever started it: how far it is, how its map fills, and what
it found last. One look serves every page.

Costs do not grow with the runs that have ended: the lock of a run says whether it goes on, and only the
newest are asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from results.covered import load_covered
from results.files import ResultsError
from results.follow import GrowingJournal
from results.going_on import going_on, process_of
from results.lock import is_held
from results.progress import Progress
from results.run import load_manifest
from results.runs import progress_of
from results.verdict import Severity, Verdict
from scanner.service.view.fill import Fill, RangeFill

if TYPE_CHECKING:
    from pathlib import Path

    from results.manifest import Manifest
    from scanner.clock import Clock

LOOK_INTERVAL = 1.0  # seconds; what a look found is given out as long as that
MOST_FOUND = 12
"""So many findings of a run are told, the newest."""

MOST_BYTES_A_LOOK = 8 << 20
"""So much of a journal is read at once; a page that is started late catches up in several looks."""

_OPEN = frozenset(verdict.value for verdict in Verdict if verdict.is_open)
_RANK = {severity.value: severity.rank for severity in Severity}
_NEWEST = 100  # runs among which one that goes on is looked for, every second


class Found(Struct, frozen=True, kw_only=True):
    """An open server, as its line in the journal says. `cell`: where it is on the map, None: not there."""

    observed_at: str
    ip: str
    port: int
    verdict: str
    severity: str
    owner: str = ""
    cell: int | None = None


class LiveRun(Struct, frozen=True, kw_only=True):
    """One run under way. `progress` is None until it has said something. `found` has the newest findings, the
    newest last, `found_count` how many targets were found so far, `gravest` the worst severity by the cell of
    the map. `levels` has a byte for each of `fill.cells`. `trouble`: why its findings or its map cannot be
    shown."""

    run_id: str
    purpose: str = ""
    created_at: str
    vantage: str = ""
    pid: int = 0
    planned: int = 0
    progress: Progress | None = None
    found: tuple[Found, ...] = ()
    found_count: int = 0
    gravest: dict[int, str] = {}
    fill: Fill | None = None
    levels: bytes = b""
    trouble: str = ""

    @property
    def position(self) -> int:
        """How far its order is."""
        return self.progress.position if self.progress is not None else 0

    def ranges(self) -> list[RangeFill]:
        """Its map in words."""
        return self.fill.ranges(self.position) if self.fill is not None else []


class Live:
    """Looks at an output directory, at most once a second however many ask."""

    def __init__(self, output: Path, clock: Clock) -> None:
        self._output = output
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None
        self._looked = float("-inf")
        self._found: LiveRun | None = None
        self._watched: _Watched | None = None

    async def current(self) -> LiveRun | None:
        """The run that goes on, None where none does, as of a second ago at most."""
        if self._clock.boottime() - self._looked >= LOOK_INTERVAL * 0.9:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            await asyncio.shield(self._looking)  # whoever asked may go: two threads never look at once
        return self._found

    async def _look(self) -> None:
        self._found = await asyncio.to_thread(self.look)
        self._looked = self._clock.boottime()

    def look(self) -> LiveRun | None:
        """Look now, in this thread."""
        watched = self._watched
        if watched is None or watched.manifest.purpose or not watched.goes_on():
            path = self._find()
            if path is None:
                self._forget()
                return None
            if watched is None or watched.path != path or not watched.goes_on():
                self._forget()
                try:
                    self._watched = watched = _Watched(path, process_of(path))
                except ResultsError:
                    return None  # its directory is going
        return watched.look()

    def _find(self) -> Path | None:
        """The run to show: a sweep before a verification, which may go on beside it."""
        found = None
        for path in going_on(self._output, newest=_NEWEST):
            try:
                purpose = load_manifest(path)[0].purpose
            except ResultsError:
                continue
            found = path
            if not purpose:
                break
        return found

    async def close(self) -> None:
        """Let go of what it reads, once no look is under way."""
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
        self._forget()

    def _forget(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None


class _Target(Struct, frozen=True):
    ip: str
    port: int


class _Owner(Struct, frozen=True):
    owner: str = ""


class _Line(Struct, frozen=True):
    """What is read of a line of the journal."""

    observed_at: str
    target: _Target
    verdict: str
    severity: str
    owner: _Owner = _Owner()


class _Watched:
    """A run under way, and what is known of it so far. Raises `ResultsError` where its manifest is not."""

    def __init__(self, path: Path, pid: int) -> None:
        self.path = path
        self.pid = pid
        self.manifest: Manifest = load_manifest(path)[0]
        self.run_id = self.manifest.run_id
        self.trouble = ""
        self.fill: Fill | None = None
        self._found: deque[Found] = deque(maxlen=MOST_FOUND)
        self._gravest: dict[int, str] = {}
        self._targets: set[tuple[str, int]] = set()  # a run that goes on again may tell of one twice
        self._journal: GrowingJournal | None = GrowingJournal(path, warn=lambda tail: None)
        try:
            covered = load_covered(path, self.manifest)
            if covered is not None and "fleet" not in self.manifest.configuration:  # which has no one order
                self.fill = Fill(covered, self.manifest.seed, self.manifest.shard)
        except (ResultsError, ValueError) as error:
            self.trouble = f"its map cannot be drawn: {error}"

    def goes_on(self) -> bool:
        """Whether the process that was found still works on it."""
        return is_held(self.path) and process_of(self.path) == self.pid

    def look(self) -> LiveRun:
        """How it stands now."""
        self._read()
        progress = progress_of(self.path, self.manifest)
        position = progress.position if progress is not None else 0
        return LiveRun(
            run_id=self.run_id,
            purpose=self.manifest.purpose,
            created_at=self.manifest.created_at,
            vantage=self.manifest.vantage,
            pid=self.pid,
            planned=self.manifest.planned.targets,
            progress=progress,
            found=tuple(self._found),
            found_count=len(self._targets),
            gravest=dict(self._gravest),
            fill=self.fill,
            levels=self.fill.levels(position) if self.fill is not None else b"",
            trouble=self.trouble,
        )

    def _read(self) -> None:
        """What came to the journal since."""
        budget = MOST_BYTES_A_LOOK
        try:
            while self._journal is not None and budget > 0 and (data := self._journal.read()):
                budget -= len(data)
                for line in data.splitlines():
                    if b'"open' in line and (found := self._finding(line)) is not None:
                        self._add(found)
        except ResultsError as error:
            self.trouble = f"its findings cannot be read: {error}"
            self.close()

    def _add(self, found: Found) -> None:
        self._found.append(found)
        self._targets.add((found.ip, found.port))
        if found.cell is not None:
            both = (self._gravest.get(found.cell, found.severity), found.severity)
            self._gravest[found.cell] = min(both, key=lambda word: _RANK.get(word, len(_RANK)))

    def _finding(self, line: bytes) -> Found | None:
        try:
            read = msgspec.json.decode(line, type=_Line)
            address = ip_address(read.target.ip)
        except (ValueError, RecursionError):
            return None  # a line of another kind; whether one is damaged is not for a page to judge
        if read.verdict not in _OPEN:
            return None
        cell = self.fill.cell_of(int(address)) if self.fill is not None and address.version == 4 else None
        return Found(
            observed_at=read.observed_at,
            ip=read.target.ip,
            port=read.target.port,
            verdict=read.verdict,
            severity=read.severity,
            owner=read.owner.owner,
            cell=cell,
        )

    def close(self) -> None:
        """Let go of its journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
