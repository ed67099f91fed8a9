"""What sweeps covered of the scope: when a complete one asked each target last, and which targets none did
since, and why. Computed from what the ledger keeps of runs.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from results.covered import Covered, Row
from results.durations import between
from results.ledger.database import NoLedgerError
from results.ledger.store import Ledger
from targets.grammar import Span, format_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from results.ledger.store import LedgerRun
    from targets.scope import Scope, ScopeSegment

MOST_RANGES: Final = 20
"""Ranges that a part names; it counts the others."""

_DAY: Final = 86_400
Why = Literal["", "never", "unfinished", "degraded", "withdrawn", "running", "untold"]
"""Why a part is not covered by what was tried last. "": it is. `never`: no sweep set out to ask it.
`unfinished`: the sweep was stopped, or failed, or died, before it had asked everything. `degraded`: it asked,
and says itself that its silence proves nothing. `withdrawn`: it was taken out of the scope while the sweep
went on. `running`: the first sweep of it goes on. `untold`: another part of a divided sweep is not there."""

Age = Literal["day", "week", "month", "older", "never"]
AGES: Final[tuple[tuple[Age, int], ...]] = (("day", _DAY), ("week", 7 * _DAY), ("month", 31 * _DAY))
"""How long ago a complete sweep began that asked a part: within so many seconds."""


class Tried(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sweep, or all parts of a divided one, as far as coverage goes. `began` is when the earliest part did.
    `not_reached` targets were planned and neither asked nor excluded; `reasons` are the run's own."""

    runs: list[str]
    began: str
    state: str
    vantage: str = ""
    not_reached: int = 0
    reasons: list[str] = []


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Targets of one owner and site that share their past. `ranges` names the largest of `range_count`:
    `10.20.0.0/16:27017,27018`, `10.30.0.7-10.30.0.9:27017`, `[fd00::/120]:27017`.

    `covered`: the newest complete sweep that asked all of them; null never. `tried`: the newest sweep since
    that set out to and did not, for the reason `why`. `age` says how long ago `covered` began.
    """

    site: str = ""
    owner: str = ""
    targets: int
    ranges: list[str]
    range_count: int
    age: Age
    why: Why = ""
    covered: Tried | None = None
    tried: Tried | None = None


class Extent(NamedTuple):
    """Addresses `first` to `last` of family 4 or 6, and how long ago a complete sweep asked them."""

    version: int
    first: int
    last: int
    age: Age


class CoverageView(Struct, frozen=True, kw_only=True):
    """All of it at the moment `at`. `parts`: what was never covered first, then what was longest ago.

    `vantages` are the places from which sweeps looked, and `vantage` the only one that counts here, "" for
    all: what was asked from one place was not asked from another. `by_age` counts targets. `scope_known` is
    false where no configuration tells the scope: then all that any sweep set out to ask stands for it.
    `untold`: runs of versions that did not write down what they covered.
    """

    at: str
    vantages: list[str] = []
    vantage: str = ""
    targets: int = 0
    by_age: dict[Age, int] = {}
    parts: list[Part] = []
    extents: list[Extent] = []
    scope_known: bool = True
    untold: list[str] = []

    @property
    def gaps(self) -> list[Part]:
        """What the sweep that was to ask it last did not cover, or none was to."""
        return [part for part in self.parts if part.why]


class Sweep(NamedTuple):
    """One sweep: what is told of it, what it set out to ask, what of that did not leave the scope meanwhile,
    and whether it covered that: it is complete, and asked everything."""

    tried: Tried
    covered: Covered
    asked: Covered
    whole: bool
    divided: bool = False


class _Piece(NamedTuple):
    """Targets that share their past: numbers of the sweeps that covered them and that tried since."""

    rows: Covered
    covered: int | None
    tried: int | None


class CoverageReader:
    """Computes it in a thread, and again only when a run or the scope changed."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._lock = asyncio.Lock()
        self._sweeps: tuple[object, list[Sweep], list[str]] | None = None
        self._scope: Scope | None = None
        self._pieces: dict[str, tuple[list[_Piece], list[Sweep]]] = {}

    async def current(
        self, runs: Sequence[LedgerRun], scope: Scope | None, at: str, *, vantage: str = ""
    ) -> CoverageView:
        """The coverage of a scope by the ledger's runs, as it is at a time; by those from one `vantage` alone
        where one is named. Raises `LedgerError`."""
        async with self._lock:
            return await asyncio.to_thread(self._read, runs, scope, at, vantage)

    def _read(self, runs: Sequence[LedgerRun], scope: Scope | None, at: str, vantage: str) -> CoverageView:
        swept = [(run.run_id, run.state, run.ended_at, run.whole) for run in runs if not run.purpose]
        if self._sweeps is None or self._sweeps[0] != swept:
            try:
                with Ledger.open(self._output) as ledger:
                    self._sweeps = swept, *sweeps_of(ledger, runs)
            except NoLedgerError:
                self._sweeps = swept, [], []
            self._pieces.clear()
        _, every, untold = self._sweeps
        if scope is not self._scope:
            self._scope = scope
            self._pieces.clear()
        if vantage not in self._pieces:
            sweeps = [sweep for sweep in every if not vantage or sweep.tried.vantage == vantage]
            self._pieces[vantage] = pieces(_whole(scope, sweeps), sweeps), sweeps
        view = view_of(*self._pieces[vantage], scope, at, untold)
        vantages = sorted({sweep.tried.vantage for sweep in every})
        return replace(view, vantages=vantages, vantage=vantage)


def sweeps_of(ledger: Ledger, runs: Sequence[LedgerRun]) -> tuple[list[Sweep], list[str]]:
    """The sweeps among runs (no verifications), the newest first, parts of a divided one together; and the
    ids of those that do not tell what they covered."""
    found, untold = [], []
    divided: dict[tuple[str, int, str, str], dict[str, Sweep]] = defaultdict(dict)
    for run in reversed(runs):
        if run.purpose:
            continue
        coverage, manifest = ledger.coverage(run.run_id), ledger.manifest(run.run_id)
        if coverage is None or manifest is None:
            untold.append(run.run_id)
            continue
        tried = Tried(
            runs=[run.run_id],
            began=run.created_at,
            state=run.state,
            vantage=run.vantage,
            not_reached=manifest.coverage.not_reached if manifest.coverage else 0,
            reasons=list(manifest.reasons),
        )
        asked = _less(coverage.covered, coverage.withdrawn)
        number, _, total = manifest.shard.partition("/")
        if total == "1":
            whole = run.state == "complete" and coverage.certain
            found.append(Sweep(tried, coverage.covered, asked, whole))
            continue
        whole = run.state == "complete" and not tried.not_reached
        part = Sweep(tried, coverage.covered, asked, whole)
        key = (manifest.scope.digest, manifest.seed, total, run.vantage)
        divided[key].setdefault(number, part)  # the newest of each part
    found += [_joined(parts, int(total)) for (_, _, total, _), parts in divided.items()]
    return sorted(found, key=lambda sweep: sweep.tried.began, reverse=True), untold


def _joined(parts: dict[str, Sweep], total: int) -> Sweep:
    ordered = [parts[number] for number in sorted(parts, key=int)]
    states = {part.tried.state for part in ordered}
    tried = Tried(
        runs=[run for part in ordered for run in part.tried.runs],
        began=min(part.tried.began for part in ordered),
        state=states.pop() if len(states) == 1 else "incomplete",
        vantage=ordered[0].tried.vantage,
        not_reached=sum(part.tried.not_reached for part in ordered),
        reasons=[reason for part in ordered for reason in part.tried.reasons],
    )
    asked = ordered[0].covered
    for part in ordered:
        asked = _common(asked, part.asked)
    whole = len(ordered) == total and all(part.whole for part in ordered)
    return Sweep(tried, ordered[0].covered, asked, whole, divided=True)


def _whole(scope: Scope | None, sweeps: Iterable[Sweep]) -> Covered:
    """The targets of a scope; without one, all that sweeps set out to ask."""
    if scope is not None:
        return Covered(
            Row(version, each.first, each.last, each.ports)
            for version in (4, 6)
            for each in scope.segments(version)
        )
    found = Covered()
    for sweep in sweeps:
        more = [*found.rows(), *sweep.covered.minus(found)]
        try:
            found = Covered(sorted(more, key=lambda row: (row.version, row.first)))
        except ValueError:  # some addresses on other ports than before: the newest sweep's are shown
            continue
    return found


def pieces(whole: Covered, sweeps: Sequence[Sweep]) -> list[_Piece]:
    """The targets of a scope by their past; each is in exactly one piece. `sweeps` come newest first.

    One that goes on takes nothing from what others did before it: it counts where none did.
    """
    waiting: dict[int | None, Covered] = {None: whole}  # by the sweep that tried it in vain since
    found = []
    for number, sweep in enumerate(sweeps):
        if not waiting:
            break
        if sweep.tried.state == "running":
            continue
        if not sweep.whole:
            _move(waiting, number, sweep.covered)
            continue
        if sweep.asked is not sweep.covered:
            _move(waiting, number, _less(sweep.covered, sweep.asked))
        for tried in list(waiting):
            got = _common(waiting[tried], sweep.asked)
            if got.targets:
                found.append(_Piece(got, number, tried))
                _keep(waiting, tried, _less(waiting[tried], sweep.asked))
    for number, sweep in enumerate(sweeps):
        if sweep.tried.state == "running":
            _move(waiting, number, sweep.covered)
    return found + [_Piece(rows, None, tried) for tried, rows in waiting.items() if rows.targets]


def _less(one: Covered, other: Covered) -> Covered:
    return Covered(one.minus(other)) if other.targets else one


def _common(one: Covered, other: Covered) -> Covered:
    return _less(one, _less(one, other))


def _move(waiting: dict[int | None, Covered], number: int, targets: Covered) -> None:
    """What nobody tried since, and this sweep did in vain."""
    if None not in waiting or not targets.targets:
        return
    tried = _common(waiting[None], targets)
    if tried.targets:
        waiting[number] = tried
        _keep(waiting, None, _less(waiting[None], tried))


def _keep(waiting: dict[int | None, Covered], key: int | None, rest: Covered) -> None:
    if rest.targets:
        waiting[key] = rest
    else:
        del waiting[key]


def view_of(
    found: Sequence[_Piece], sweeps: Sequence[Sweep], scope: Scope | None, at: str, untold: Sequence[str] = ()
) -> CoverageView:
    """Pieces as people read them: by owner and site, those never covered first."""
    parts, extents = [], []
    for piece in found:
        covered = sweeps[piece.covered] if piece.covered is not None else None
        tried = sweeps[piece.tried] if piece.tried is not None else None
        age = age_of(covered.tried.began if covered else "", at)
        for (site, owner), rows in _by_owner(piece.rows, scope).items():
            largest = sorted(rows, key=lambda row: -row.targets)[:MOST_RANGES]
            parts.append(
                Part(
                    site=site,
                    owner=owner,
                    targets=sum(row.targets for row in rows),
                    ranges=[_named(row) for row in largest],
                    range_count=len(rows),
                    age=age,
                    why=_why(tried, sweeps, piece),
                    covered=covered.tried if covered else None,
                    tried=tried.tried if tried else None,
                )
            )
        extents += [Extent(row.version, row.first, row.last, age) for row in piece.rows.rows()]
    by_age: dict[Age, int] = dict.fromkeys([*(age for age, _ in AGES), "older", "never"], 0)
    for part in parts:
        by_age[part.age] += part.targets
    return CoverageView(
        at=at,
        targets=sum(part.targets for part in parts),
        by_age=by_age,
        parts=sorted(parts, key=_urgency),
        extents=sorted(extents),
        scope_known=scope is not None,
        untold=list(untold),
    )


def _why(tried: Sweep | None, sweeps: Sequence[Sweep], piece: _Piece) -> Why:
    if tried is None:
        return "never" if piece.covered is None else ""
    if tried.whole:
        return "withdrawn"
    if tried.tried.state == "running":
        return "running"
    if tried.tried.state == "complete":
        return "untold" if tried.divided else "unfinished"
    return "degraded" if tried.tried.state == "degraded" and not tried.tried.not_reached else "unfinished"


def age_of(began: str, at: str) -> Age:
    """How long ago a sweep began, as one of `AGES`."""
    if not began:
        return "never"
    seconds = between(began, at)
    return next((age for age, most in AGES if seconds <= most), "older")


def _urgency(part: Part) -> tuple[object, ...]:
    return (part.covered.began if part.covered else "", not part.why, -part.targets, part.site, part.owner)


def _named(row: Row) -> str:
    between = format_span(Span(row.version, row.first, row.last))
    return f"{between if row.version == 4 else f'[{between}]'}:{','.join(map(str, row.ports))}"


def _by_owner(rows: Covered, scope: Scope | None) -> dict[tuple[str, str], list[Row]]:
    """Ranges by the site and owner of their allow entries."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows.rows():
        for segment, piece in _cut(row, scope):
            key = (segment.entry.site, segment.entry.owner) if segment else ("", "")
            found[key].append(piece)
    return found


def _cut(row: Row, scope: Scope | None) -> Iterator[tuple[ScopeSegment | None, Row]]:
    if scope is None:
        yield None, row
        return
    for segment in scope.segments_over(Span(row.version, row.first, row.last)):
        first, last = max(row.first, segment.first), min(row.last, segment.last)
        yield segment, row._replace(first=first, last=last)
