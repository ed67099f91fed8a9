"""Answering an outside report: the story of `mongosweep confirm`.

What of it is ours is asked in one run, with some neighbours, which the ledger takes in like any other. The
answers are read from the lines of that run and from what the ledger makes of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from dataclasses import replace as replace_loaded
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.confirm.answer import (
    ANSWERS,
    OPEN,
    UNSETTLED,
    PlaceAnswer,
    ReportAnswer,
    RowAnswer,
    counted,
    gravest,
)
from results.confirm.judge import known, moment, place_answer
from results.ledger.database import LEDGER_FILE
from results.ledger.intake import catch_up
from results.ledger.proof import Round
from results.ledger.store import Ledger
from results.ledger.tracked import Place
from results.ledger.view import read
from results.reading import read_run
from results.record import Reason
from results.report.rows import brief
from results.summary import unique
from scanner.clock import timestamp
from scanner.engine.observe import owner_by
from scanner.errors import ExitCode
from scanner.setup.blackout import Calendar
from scanner.sweep.judgement import NOT_UNDERSTOOD
from scanner.sweep.near import answers_near, covers, neighbours, only, prefix_of
from scanner.sweep.remembered import tell
from scanner.sweep.spot_check import spot_check
from targets.reported import MOST, MOST_NAMED, addresses_outside, targets_of, too_many

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.confirm.answer import Answer, Known
    from results.ledger.tracked import TrackedExposure
    from results.record import Observation
    from scanner.clock import Clock
    from scanner.setup.request import LoadedRequest
    from scanner.sweep.patience import Patience
    from scanner.sweep.progress import RunSummary, Screen
    from targets.reported import Reported, Row
    from targets.scope import Scope, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An outside report that was read. `name`: as its user calls it; `format`: what it was recognised as."""

    name: str
    format: str
    rows: Reported
    unusable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What was answered: the rows, the most pressing first, and the whole. `open_lines`: what the run wrote
    of servers that are open, without their databases."""

    rows: list[RowAnswer]
    whole: ReportAnswer
    open_lines: list[Observation]

    @property
    def exit_code(self) -> ExitCode:
        """0: nothing of it is open. 1: something is, and everything of ours was settled. 3: not everything of
        ours was, or the run is not complete."""
        unsettled = self.whole.state not in ("", "complete") or self.whole.count(UNSETTLED)
        if unsettled:
            return ExitCode.INCOMPLETE
        return ExitCode.OPEN if self.whole.count(OPEN) else ExitCode.CLEAN


@dataclass(slots=True)
class _Asking:
    """What of a report may be asked. `rows`: with the targets of each, and why something is not one ("": all
    are); `waiting`: those that a blackout window covers, and when it ends (seconds since 1970)."""

    rows: list[tuple[Row, list[Target], str]] = field(default_factory=list)
    wanted: set[Target] = field(default_factory=set)
    waiting: dict[Target, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Looked:
    """What the run told: its observations by place, without databases, and of those that answer as servers do
    how many there are near each other."""

    summary: RunSummary
    vantage: str
    seen: dict[tuple[str, int], Observation] = field(default_factory=dict)
    near: Counter[tuple[str, str]] = field(default_factory=Counter)

    def round_at(self, place: Place) -> Round:
        """What is known of the run beside one place."""
        return Round(self.summary.state, self.summary.reasons, self.vantage, self._near(place))

    def now_at(self, place: Place) -> Round:
        """The same, for what one look says of a place itself: a server elsewhere that says nothing in time
        makes the run degraded, and no other answer of it less true."""
        others = tuple(reason for reason in self.summary.reasons if not reason.endswith(NOT_UNDERSTOOD))
        alone = self.summary.state == "degraded" and not others
        return Round("complete" if alone else self.summary.state, others, self.vantage, self._near(place))

    def _near(self, place: Place) -> int:
        seen = self.seen.get((place.ip, place.port))
        others = self.near[place.site, prefix_of(place.ip)]
        if seen is not None and answers_near(seen, place):
            others -= 1
        return others


class _Nobody:
    """Who knows no place that answers: there is no ledger yet."""

    def answering_near(self, place: Place, most: int) -> list[tuple[str, int]]:
        """None."""
        return []


class Confirm:
    """One report on its way to its answers. Takes what `confirm` takes."""

    def __init__(
        self,
        loaded: LoadedRequest,
        report: Report,
        output: Path,
        screen: Screen,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self.loaded = replace_loaded(loaded, scope=loaded.scope.with_learned(report.rows.learned))
        self.report = report
        self.output = output
        self.screen = screen
        self.clock = clock
        self.patience = patience
        self._looked: _Looked | None = None
        self._ledger: Ledger | None = None
        self._exposures: dict[tuple[str, int], list[TrackedExposure]] = {}

    def story(self) -> Confirmation:
        """Ask what is ours, let the ledger take it in, and answer every row."""
        asking = self._plan()
        if self.output.is_dir():
            catch_up(self.output)
        if asking.wanted:
            self._looked = self._ask(asking)
        if not self._has_ledger():
            return self._answer(asking)
        deadlines = self.loaded.settings.deadlines.in_force()
        view = read(self.output, timestamp(self.clock.wall()), deadlines)
        with view.ledger as self._ledger:
            for exposure in view.exposures:
                place = exposure.place
                self._exposures.setdefault((place.ip, place.port), []).append(exposure)
            return self._answer(asking)

    def _has_ledger(self) -> bool:
        return (self.output / LEDGER_FILE).exists()

    # --- asking -------------------------------------------------------------------------------------

    def _plan(self) -> _Asking:
        """Sort what the scope holds into what is asked now and what is not."""
        found, now = _Asking(), self.clock.wall()
        windows = Calendar(self.loaded.settings.blackout).active(now)
        places = 0
        for row in self.report.rows.asked:
            targets, why = targets_of(row, self.loaded.scope, now)
            found.rows.append((row, targets, why))
            for target in targets:
                ends = [window.end for window in windows if covers(window, target)]
                if ends:
                    found.waiting[target] = max(ends)
                else:
                    found.wanted.add(target)
            places += len(targets)
            if len(found.wanted) > MOST or places > MOST_NAMED:
                raise too_many(self.report.name)
        return found

    def _ask(self, asking: _Asking) -> _Looked:
        """One run over them and some neighbours."""
        targets = [*asking.wanted, *self._neighbours(asking)]
        summary = spot_check(
            self.loaded,
            only(self.loaded.scope, targets),
            targets,
            "confirm",
            output=self.output,
            screen=self.screen,
            clock=self.clock,
            learned=self.report.rows.learned,
        )
        self.patience.hold()
        catch_up(self.output)
        tell(self.output, self.loaded.settings, self.screen.notice)
        looked = _Looked(summary, self.loaded.settings.sweep.vantage)
        for seen in unique(map(_shortened, read_run(Path(summary.run_dir)))):
            ip, port, site = seen.target.ip, seen.target.port, seen.owner.site
            looked.seen[ip, port] = seen
            looked.near[site, prefix_of(ip)] += answers_near(seen, Place(ip=ip, port=port, site=site))
        return looked

    def _neighbours(self, asking: _Asking) -> list[Target]:
        scope, settings, now = self.loaded.scope, self.loaded.settings, self.clock.wall()
        windows = Calendar(settings.blackout).active(now)
        places = [_place(target, scope) for target in sorted(asking.wanted)]
        if not self._has_ledger():
            return neighbours(places, scope, settings, _Nobody(), now, windows)
        with Ledger.open(self.output) as ledger:
            return neighbours(places, scope, settings, ledger, now, windows)

    # --- answering ----------------------------------------------------------------------------------

    def _answer(self, asking: _Asking) -> Confirmation:
        rows, summary = self.report.rows, self._looked.summary if self._looked is not None else None
        given = [self._row(row, targets, why, asking) for row, targets, why in asking.rows]
        given += [self._row_answer(row, "not-asked", self._why_not(row)) for row in rows.kept_out]
        given += [self._row_answer(row, "not-ours", self._why_not(row)) for row in rows.foreign]
        given.sort(key=lambda row: ANSWERS.index(row.answer))
        open_lines = self._open_lines(asking)
        more: dict[Answer, int] = {"not-asked": rows.kept_out.left_out, "not-ours": rows.foreign.left_out}
        whole = ReportAnswer(
            report=self.report.name,
            format=self.report.format,
            at=timestamp(self.clock.wall()),
            rows=rows.count,
            unusable=self.report.unusable,
            too_wide=rows.too_wide,
            left_out=sum(more.values()),
            answers=counted(given, more),
            open_places=len(open_lines),
            run_id=summary.run_id if summary is not None else "",
            state=summary.state if summary is not None else "",
            reasons=list(summary.reasons) if summary is not None else [],
        )
        return Confirmation(rows=given, whole=whole, open_lines=open_lines)

    def _open_lines(self, asking: _Asking) -> list[Observation]:
        if self._looked is None:
            return []
        seen = (self._looked.seen.get((target.ip, target.port)) for target in sorted(asking.wanted))
        return [each for each in seen if each is not None and each.verdict.is_open]

    def _row(self, row: Row, targets: list[Target], why: str, asking: _Asking) -> RowAnswer:
        reported = moment(row.seen_first)
        places = [self._place_answer(target, reported, asking) for target in targets]
        places.sort(key=lambda place: ANSWERS.index(place.answer))  # stable: by address within each
        answers: list[Answer] = [place.answer for place in places]
        return self._row_answer(row, gravest([*answers, "not-asked"] if why else answers), why, places)

    def _row_answer(
        self, row: Row, answer: Answer, why: str, places: Iterable[PlaceAnswer] = ()
    ) -> RowAnswer:
        """`why`: why something of it was not asked; "" where all was."""
        return RowAnswer(
            named=row.named,
            answer=answer,
            times=row.times,
            lines=row.lines,
            reported_first=moment(row.seen_first),
            reported_last=moment(row.seen_last),
            reported_finding=row.finding,
            reported_labels=dict(row.labels),
            addresses_outside=addresses_outside(row, self.loaded.scope),
            reasons=[Reason(code="not-asked", detail=why)] if why else [],
            places=list(places),
        )

    def _why_not(self, row: Row) -> str:
        """Why the scope lets nothing of a row be asked."""
        span = row.span
        return self.loaded.scope.explain(span.version, span.first, row.port) or "nothing of it is asked"

    def _place_answer(self, target: Target, reported: str, asking: _Asking) -> PlaceAnswer:
        place = _place(target, self.loaded.scope)
        exposure = self._known(place, reported)
        owner = owner_by(self.loaded.scope.owner_of(target.address, target.version))
        if target in asking.waiting:
            until = timestamp(asking.waiting[target])
            return PlaceAnswer(
                ip=place.ip,
                port=place.port,
                answer="not-asked",
                reasons=[Reason(code="blackout-window", detail=f"until {until}")],
                owner=owner,
                exposure=exposure,
            )
        assert self._looked is not None
        seen = self._looked.seen.get((place.ip, place.port))
        return place_answer(place.ip, place.port, owner, seen, self._looked.now_at(place), exposure)

    def _known(self, place: Place, reported: str) -> Known | None:
        """The exposure at a place: one that is not closed, or else the one that was open there last."""
        there = [
            each for each in self._exposures.get((place.ip, place.port), ()) if each.place.site == place.site
        ]
        if not there or self._ledger is None:
            return None
        best = max(there, key=lambda each: (each.is_open, each.last_seen_open))
        looks = self._ledger.looks(best.exposure_id)
        if self._looked is None:
            return known(best, reported, looks, None, "")
        return known(best, reported, looks, self._looked.round_at(place), self._looked.summary.run_id)


def confirm(
    loaded: LoadedRequest, report: Report, output: Path, screen: Screen, *, clock: Clock, patience: Patience
) -> Confirmation:
    """Ask what a report names and is ours, and answer it row by row.

    Raises what a sweep and the ledger raise; ScopeError for a report that names too much of the scope.
    """
    return Confirm(loaded, report, output, screen, clock, patience).story()


def _shortened(seen: Observation) -> Observation:
    return replace(brief(seen), evidence=seen.evidence)


def _place(target: Target, scope: Scope) -> Place:
    return Place(ip=target.ip, port=target.port, site=scope.owner_of(target.address, target.version).site)
