"""Asking exposures again until they are proved closed: the story of `mongosweep verify`.

Each round is a run like that of a sweep, over the few places that are left and some neighbours: the ledger
takes it in and derives what it proves by the rules for every run. The allow-list is read anew for each.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from results.durations import instant
from results.files import DirectoryBusyError
from results.ledger.intake import catch_up
from results.ledger.proof import Round, Verified, missing, standing
from results.ledger.store import Ledger
from results.reading import read_run
from results.record import Reason
from results.summary import unique
from scanner.clock import timestamp
from scanner.errors import ExitCode, RefusedError
from scanner.sweep.again import named, plan_round
from scanner.sweep.near import answers_near
from scanner.sweep.remembered import tell
from scanner.sweep.spot_check import spot_check
from targets.errors import ScopeError
from targets.grammar import GrammarError
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from results.ledger.tracked import State, TrackedExposure
    from results.record import Observation
    from scanner.clock import Clock
    from scanner.setup.request import LoadedRequest
    from scanner.sweep.again import Asking
    from scanner.sweep.patience import Patience
    from scanner.sweep.progress import RunSummary, Screen

MOST_WAITING = 3600.0  # seconds between two rounds, however often nothing changed
JITTER = 0.1  # of a wait, up or down, so that many such programs do not look at the same second
_SOON = 1.0  # seconds: the shortest wait
BLACKOUT = "blackout-window"

Ended = Literal["closed", "asked", "kept out", "time over", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What is asked again, and for how long (seconds). `names`: ids or places; empty: all not closed."""

    output: Path = Path("runs")
    names: tuple[str, ...] = ()
    until_closed: bool = False
    interval: float = 60.0
    timeout: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How it ended. `run_ids`: the runs that it made, oldest first; `trouble`: what the last of them lacked
    of being complete."""

    found: list[Verified]
    ended: Ended
    run_ids: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """0: all is closed. 1: all was asked, and something is not proved closed. 3: not all could be asked,
        or it was stopped before everything was closed."""
        if all(each.is_closed for each in self.found):
            return ExitCode.CLEAN
        whole = self.ended in ("asked", "closed") and not self.trouble
        return ExitCode.OPEN if whole and all(each.asked for each in self.found) else ExitCode.INCOMPLETE


@dataclass(slots=True)
class _Case:
    """One exposure on its way: as the ledger has it now, and what the last look told."""

    before: State
    exposure: TrackedExposure
    told: Verified


@dataclass(slots=True)
class Verify:
    """One verification under way. `look(now)` reads configuration and allow-list as they are now."""

    look: Callable[[float], LoadedRequest]
    options: VerifyOptions
    screen: Screen
    clock: Clock
    patience: Patience
    cases: dict[str, _Case] = field(default_factory=dict)
    run_ids: list[str] = field(default_factory=list)
    trouble: tuple[str, ...] = ()
    _known: set[str] = field(default_factory=set)
    _quiet_rounds: int = 0
    _vantage: str = ""
    _chance: random.Random = field(default_factory=random.Random)

    def story(self) -> Verification:
        """Ask what is not closed, and go on with that where it was wanted.

        Raises what a sweep and the ledger raise before anything was asked; `RefusedError` for a name that is
        none. What was found in earlier rounds is in their run directories, whatever happens.
        """
        output, started = self.options.output, self.clock.boottime()
        deadline = None if self.options.timeout is None else started + self.options.timeout
        self._chance.seed(self.options.seed)
        loaded: LoadedRequest | None = self.look(self.clock.wall())  # refused before anything else is
        self.patience.hold()
        catch_up(output)
        self._choose()
        while self._pending():
            asking = self._round(loaded, deadline)
            ended = self._ended(asking, deadline)
            if ended:
                return self._result(ended)
            self._wait(asking, deadline)
            if self.patience.stopped:
                return self._result("interrupted")
            loaded = self._look_again()
        return self._result("closed")

    def _ended(self, asking: Asking | None, deadline: float | None) -> Ended | Literal[""]:
        if not self._pending():
            return "closed"
        if self.patience.stopped:
            return "interrupted"
        if not self.options.until_closed:
            return "asked"
        if deadline is not None and self.clock.boottime() >= deadline:
            return "time over"
        if asking is not None and not (asking.asked or asking.waiting):
            return "kept out"
        return ""

    def _result(self, ended: Ended) -> Verification:
        found = sorted(
            (case.told for case in self.cases.values()),
            key=lambda told: (told.is_closed, -self.cases[told.exposure_id].exposure.severity_number),
        )
        return Verification(found=found, ended=ended, run_ids=tuple(self.run_ids), trouble=self.trouble)

    def _pending(self) -> list[TrackedExposure]:
        return [case.exposure for case in self.cases.values() if not case.told.is_closed]

    # --- which --------------------------------------------------------------------------------------

    def _choose(self) -> None:
        with Ledger.open(self.options.output) as ledger:
            every = ledger.exposures()
            self._known = {exposure.exposure_id for exposure in every}
            if self.options.names:
                chosen = [each for name in self.options.names for each in named(name, every, ledger)]
            else:
                chosen = [exposure for exposure in every if exposure.state != "closed"]
        for exposure in chosen:
            told = _untold(exposure, exposure.state, [Reason(code="not-asked", detail="it was not its turn")])
            # One that is closed and was named is asked once all the same.
            self.cases[exposure.exposure_id] = _Case(
                exposure.state, exposure, msgspec.structs.replace(told, state="unreachable")
            )

    # --- one round ----------------------------------------------------------------------------------

    def _round(self, loaded: LoadedRequest | None, deadline: float | None) -> Asking | None:
        """One run over what may be asked now; what it told is in the cases. None where nobody knows what may
        be asked, or another run holds the directory."""
        if loaded is None:
            return None
        output, now = self.options.output, self.clock.wall()
        with Ledger.open(output) as ledger:
            asking = plan_round(
                self._pending(),
                loaded.scope,
                loaded.settings,
                ledger,
                now,
                wait_for_windows=not self.options.until_closed,
            )
        self._note_not_asked(asking)
        if asking.scope is None:
            return asking
        try:
            summary = self._run(loaded, asking, deadline)
            self.run_ids.append(summary.run_id)
            self.patience.hold()
            catch_up(output)
            tell(output, loaded.settings, self.screen.notice)
        except DirectoryBusyError as error:
            if not self.options.until_closed:
                raise
            self.patience.hold()
            self.screen.notice(f"{error}; it is tried again")
            return None
        self._read(asking, summary)
        return asking

    def _run(self, loaded: LoadedRequest, asking: Asking, deadline: float | None) -> RunSummary:
        assert asking.scope is not None
        self._vantage = loaded.settings.sweep.vantage
        return spot_check(
            loaded,
            asking.scope,
            (*asking.asked.values(), *asking.neighbours),
            "verify",
            output=self.options.output,
            screen=self.screen,
            clock=self.clock,
            learned=asking.learned,
            stop_after=None if deadline is None else max(_SOON, deadline - self.clock.boottime()),
        )

    def _note_not_asked(self, asking: Asking) -> None:
        for exposure_id, reason in asking.kept_out.items():
            self._untell(exposure_id, Reason(code="not-asked", detail=reason), "")
        for exposure_id, end in asking.waiting.items():
            until = timestamp(end)
            self._untell(exposure_id, Reason(code="blackout-window", detail=f"until {until}"), until)

    def _untell(self, exposure_id: str, reason: Reason, until: str) -> None:
        case = self.cases[exposure_id]
        told = case.told
        if told.at and reason.code == BLACKOUT:  # what an earlier round told of it stands
            case.told = msgspec.structs.replace(told, needs=[*_without(told.needs, BLACKOUT), reason])
        else:
            case.told = _untold(case.exposure, case.before, [reason], until)

    def _read(self, asking: Asking, summary: RunSummary) -> None:
        """What the round told, from its own lines and from what the ledger makes of them."""
        self.trouble = () if summary.state == "complete" else (summary.state, *summary.reasons)
        observations = list(unique(read_run(Path(summary.run_dir))))
        changed = False
        with Ledger.open(self.options.output) as ledger:
            for exposure_id in asking.asked:
                case = self.cases[exposure_id]
                before = case.told.state
                self._read_one(case, ledger, observations, summary)
                changed = changed or case.told.state != before
            for exposure in ledger.exposures():
                place = exposure.place.ip, exposure.place.port
                new = exposure.exposure_id not in self._known and exposure.state != "closed"
                if not new or exposure.last_run_id != summary.run_id or place not in asking.watched:
                    continue
                # Another server stands open at a place that was asked: it is no secret.
                self._known.add(exposure.exposure_id)
                case = self.cases[exposure.exposure_id] = _Case("new", exposure, _untold(exposure, "new", []))
                self._read_one(case, ledger, observations, summary)
                changed = True
        self._quiet_rounds = 0 if changed else self._quiet_rounds + 1

    def _read_one(
        self, case: _Case, ledger: Ledger, observations: Sequence[Observation], summary: RunSummary
    ) -> None:
        exposure = ledger.exposure(case.exposure.exposure_id)
        looks = ledger.looks(exposure.exposure_id)
        place = case.exposure.place
        case.exposure = exposure
        at_place = [each for each in observations if _is_at(each, place.ip, place.port)]
        seen = at_place[-1] if at_place else None
        ours = [look for look in looks if look.run_id == summary.run_id]
        look = ours[-1] if ours else None
        near = sum(1 for each in observations if each is not seen and answers_near(each, place))
        looked = Round(summary.state, summary.reasons, self._vantage, near)
        earlier = [each for each in looks if look is not None and each.at < look.at]
        needs, not_before = missing(exposure, look, looked, earlier)
        confirmation = seen.confirmation if seen is not None else None
        case.told = Verified(
            exposure_id=case.told.exposure_id,
            place=exposure.place,
            owner=exposure.owner,
            before=case.before,
            state=exposure.state,
            at=seen.observed_at if seen is not None else "",
            run_id=summary.run_id,
            event_id=seen.event_id if seen is not None else "",
            verdict=seen.verdict if seen is not None else None,
            evidence=[reason.code for reason in seen.evidence] if seen is not None else [],
            driver=confirmation.verdict if confirmation is not None else "",
            agrees=confirmation.agrees if confirmation is not None else None,
            closed_how=exposure.closed_how if exposure.state == "closed" else "",
            needs=needs,
            not_before=not_before,
        )

    # --- between rounds -----------------------------------------------------------------------------

    def _look_again(self) -> LoadedRequest | None:
        """The allow-list may have changed meanwhile. One that cannot be read allows nothing."""
        try:
            return self.look(self.clock.wall())
        except (RefusedError, ScopeError, OutOfScope, GrammarError) as error:
            self.screen.notice(f"nothing is asked: {error}")
            return None

    def _wait(self, asking: Asking | None, deadline: float | None) -> None:
        seconds = self.pause(asking)
        if deadline is not None:
            seconds = max(0.0, min(seconds, deadline - self.clock.boottime()))
        due = timestamp(self.clock.wall() + seconds)
        self.screen.notice(f"round {len(self.run_ids)}: {standing(self._tolds())}; next look at {due}")
        self.patience.wait(seconds)

    def _tolds(self) -> list[Verified]:
        return [case.told for case in self.cases.values()]

    def pause(self, asking: Asking | None) -> float:
        """Seconds until the next round: twice as long for each in which nothing changed, up to an hour; but
        not beyond the moment at which a second refusal is a proof, or a blackout window ends."""
        base: float = self.options.interval * 2.0 ** min(max(self._quiet_rounds - 1, 0), 16)
        base *= 1 + JITTER * self._chance.uniform(-1, 1)
        now = self.clock.wall()
        waits = [min(base, MOST_WAITING)]
        if asking is not None and asking.waiting:
            ends = min(asking.waiting.values()) - now
            waits = [ends] if not asking.asked else [*waits, ends]
        for told in self._tolds():
            if told.not_before and not told.is_closed and told.asked:
                until = instant(told.not_before).timestamp() - now
                if until > 0:
                    waits.append(until + _SOON)
        return max(_SOON, min(waits))


def verify(
    look: Callable[[float], LoadedRequest],
    options: VerifyOptions,
    screen: Screen,
    *,
    clock: Clock,
    patience: Patience,
) -> Verification:
    """Ask exposures again and say how each stands; see `Verify.story`."""
    return Verify(look, options, screen, clock, patience).story()


def _untold(exposure: TrackedExposure, before: State, needs: list[Reason], not_before: str = "") -> Verified:
    return Verified(
        exposure_id=exposure.exposure_id,
        place=exposure.place,
        owner=exposure.owner,
        before=before,
        state=exposure.state,
        asked=False,
        needs=needs,
        not_before=not_before,
    )


def _without(reasons: Iterable[Reason], code: str) -> list[Reason]:
    return [reason for reason in reasons if reason.code != code]


def _is_at(seen: Observation, ip: str, port: int) -> bool:
    return (seen.target.ip, seen.target.port) == (ip, port)
