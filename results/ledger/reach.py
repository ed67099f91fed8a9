"""From where an exposure is open: what each vantage found when it looked last, as one word, and when that
became another one. Pure.

Only vantages that runs name are compared. What counts as a look, and for how long, is told in docs/ledger.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from results.verdict import INTERNET, Verdict

if TYPE_CHECKING:
    from results.ledger.tracked import ReachWord
    from results.ledger.visit import Look, PlaceKey

BESIDE = timedelta(days=31)
"""A look that did not find it open is compared with others for so long: a sweep a month from outside is
usual, and what an older one did not reach may be reachable now."""

OPEN_FROM, NOT_OPEN_FROM = "open-from", "not-open-from"
ANOTHER_SERVER = "another-server"
NO_LINE = "no-line"
_SAYS_NOTHING = frozenset({"masked-prefix", "driver-says-open"})


class Asked(NamedTuple):
    """A look that counts. `how`: the code of what it found."""

    at: str
    is_open: bool
    how: str


class Reach(NamedTuple):
    """From where it is open, and from where it is not, as of `at`; vantages by name."""

    word: ReachWord = "unknown"
    open_from: tuple[str, ...] = ()
    not_open_from: tuple[str, ...] = ()
    at: str = ""


class Turn(NamedTuple):
    """The reach became another one with a look: (code, vantage) of each vantage that differs, `before` what
    it was."""

    before: Reach
    reach: Reach
    look: Look
    after: str
    reasons: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Reaching:
    """Follows the reach of one exposure through its looks, in time order."""

    asked: dict[str, Asked] = field(default_factory=dict)
    """The last look that counts of each vantage that is named, at the place where it is."""
    courses: list[Reach] = field(default_factory=list)
    """The reach with each look after which it stood open, where it differs from the one before."""
    turns: list[Turn] = field(default_factory=list)
    since: str = ""
    """The look from which on it has been the same word, within a spell."""
    _place: PlaceKey | None = None
    _told: dict[str, Asked] = field(default_factory=dict)
    """What was told last of each vantage: the last look that agrees with it."""

    @property
    def reach(self) -> Reach:
        """As of the last look after which it stood open."""
        return self.courses[-1] if self.courses else Reach()

    def see(self, look: Look, *, is_open: bool, opens: bool) -> None:
        """One more look. `is_open`: the exposure stands open after it; `opens`: a spell begins with it."""
        self._note(look)
        if not is_open:
            return
        now, was = self._reach(look.at), self.reach
        if not self.courses or was[:3] != now[:3]:
            self.courses.append(now)
        if opens or was.word != now.word:
            self.since = now.at
        standing = {name: self.asked[name] for name in sorted((*now.open_from, *now.not_open_from))}
        if opens:
            self._told = dict(standing)
        differing = [name for name, asked in standing.items() if self._differs(name, asked)]
        if differing:
            after = min(self._told[name].at if name in self._told else "" for name in differing)
            reasons = ((OPEN_FROM if standing[name].is_open else NOT_OPEN_FROM, name) for name in differing)
            self.turns.append(Turn(was, now, look, after, tuple(reasons)))
        self._told |= standing

    def _differs(self, name: str, asked: Asked) -> bool:
        """Whether that is to be told: the first look of a vantage tells nothing that changed, but where it
        shows that everybody can see it."""
        told = self._told.get(name)
        return (name == INTERNET and asked.is_open) if told is None else told.is_open != asked.is_open

    def close(self) -> None:
        """It is proved closed: from nowhere is it open any more."""
        self.asked = {name: asked for name, asked in self.asked.items() if not asked.is_open}

    def at(self, moment: str) -> Reach:
        """What it was at a moment."""
        return next((reach for reach in reversed(self.courses) if reach.at <= moment), Reach())

    def _note(self, look: Look) -> None:
        if look.place is not None and look.place != self._place:
            self._place = look.place
            self.asked.clear()
        asked = counted(look)
        if asked is not None and look.vantage:
            self.asked[look.vantage] = asked

    def _reach(self, at: str) -> Reach:
        seeing = tuple(sorted(name for name, asked in self.asked.items() if asked.is_open))
        not_seeing = tuple(
            sorted(
                name for name, asked in self.asked.items() if not asked.is_open and not is_old(asked.at, at)
            )
        )
        return Reach(_word(seeing, not_seeing), seeing, not_seeing, at)


def is_old(asked_at: str, now: str) -> bool:
    """Whether a look that did not find it open is too old to be compared with one of now."""
    return datetime.fromisoformat(now) - datetime.fromisoformat(asked_at) > BESIDE


def counted(look: Look) -> Asked | None:
    """What a look says of the reach; None where it says nothing. That it is open counts from any run, that it
    is not from a complete one alone."""
    visit = look.visit
    if look.is_open and visit is not None:
        return Asked(look.at, True, visit.verdict.value)
    if look.run is None or look.run.state != "complete":
        return None
    if visit is None:
        return Asked(look.at, False, NO_LINE)
    if visit.verdict is Verdict.UNKNOWN or _SAYS_NOTHING.intersection(visit.evidence):
        return None
    return Asked(look.at, False, ANOTHER_SERVER if look.is_other else visit.verdict.value)


def _word(seeing: tuple[str, ...], not_seeing: tuple[str, ...]) -> ReachWord:
    if INTERNET in seeing:
        return "internet"
    if not seeing or len(seeing) + len(not_seeing) == 1:
        return "unknown"
    if not not_seeing:
        return "all_vantages"
    return "one_vantage" if len(seeing) == 1 else "differs"
