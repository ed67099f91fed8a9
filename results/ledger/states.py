"""From looks to states: what each look proves, from which vantage, and the spells of being open that follow.

Closed needs proof. A server that asks for a login has access control, from wherever it is asked. A port that
refuses, or on which something else or another server answers, may be a firewall, a restart or one of several
behind it: it must be seen twice, some time apart, a refusal beside something that answers. Silence proves
nothing, and neither does a run that is not complete. What a fleet's workers saw open on their sites is not
proved closed by what answers another machine, which a firewall may keep out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from results.ledger.reach import ANOTHER_SERVER, Asked, Reaching
from results.ledger.tracked import AtVantage, Spell
from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.visit import Look

APART = timedelta(minutes=10)
"""Between two refusals that prove a closed port: longer than a restart or a reload of a firewall takes."""

Standing = Literal["open", "unreachable", "closed"]
_LOGIN = {
    Verdict.AUTH_REQUIRED: "asks-for-a-login",
    Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED: "asks-for-a-certificate",
}
_GONE = {Verdict.REFUSED: "refused-twice", Verdict.NOT_MONGODB: "another-service-twice"}
_CONTRADICTED = frozenset({"masked-prefix", "driver-says-open"})
UNPROVEN = _CONTRADICTED | {"icmp-refused"}
"""Codes of evidence with which a refusal or an answer says nothing of the host, or is contradicted."""

REACHABLE = "reachable-again"
NOT_FOUND, ANSWERED_NOT_OPEN = "not-found", "answered-not-open"


class Transition(NamedTuple):
    """The exposure's standing changed with this look, and after `after` ("": not known); `was` is null at
    first sight. `how`: the code of a proof."""

    was: Standing | None
    standing: Standing
    look: Look
    after: str
    how: str = ""


@dataclass(slots=True)
class _Vantage:
    standing: Standing
    last_open: str = ""
    by_fleet: bool = False  # whether workers of a fleet saw it open last
    last_look: str = ""
    closed_at: str = ""
    how: str = ""
    gone: list[Look] = field(
        default_factory=list
    )  # looks that would prove it closed together with another one

    def close(self, look: Look, how: str) -> None:
        self.standing, self.closed_at, self.how = "closed", look.at, how


@dataclass(slots=True)
class Course:
    """What became of an exposure: its standing now, each change of it, its spells, and its reach."""

    standing: Standing = "open"
    transitions: list[Transition] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    vantages: list[AtVantage] = field(default_factory=list)
    reaching: Reaching = field(default_factory=Reaching)
    last_look: str = ""


def course_of(looks: Iterable[Look]) -> Course:
    """Follow an exposure through its looks, in time order. Those before it was first seen open bound that."""
    course = Course()
    vantages: dict[str, _Vantage] = {}
    before: dict[str | None, Look] = {}  # the last that did not find it open, by vantage; None: of any
    previous = ""
    for look in looks:
        if not vantages and not look.is_open:
            _bound(before, look)
            course.reaching.see(look, is_open=False, opens=False)
            continue
        was = course.standing if vantages else None
        how = _follow(vantages, look)
        course.standing = _together(vantages.values())
        course.last_look = look.at
        after, proof = previous, ""
        if look.is_open:
            is_new = was in (None, "closed")
            bounds = (before[vantage] for vantage in (look.vantage, None) if vantage in before)
            _see_open(course, look, max(bounds, key=lambda each: each.at, default=None), is_new=is_new)
            after = course.spells[-1].opened_after if is_new else after
            before.clear()
        else:
            _bound(before, look)
        course.reaching.see(look, is_open=course.standing == "open", opens=was in (None, "closed"))
        if course.standing == "closed" != was:
            course.reaching.close()
            course.spells[-1] = replace(course.spells[-1], closed_before=look.at, closed_how=how)
            after, proof = course.spells[-1].last_seen_open, how
        if course.standing != was:
            course.transitions.append(Transition(was, course.standing, look, after, proof))
        previous = look.at
    asked = course.reaching.asked
    course.vantages = [
        _told(name, vantages.get(name), asked.get(name)) for name in sorted(vantages.keys() | asked.keys())
    ]
    return course


def _follow(vantages: dict[str, _Vantage], look: Look) -> str:
    """What a look changes; returns the code of what it proves. A vantage that never saw it open has no
    standing. That of runs which named none is moved by those alone, and by vantages that saw it open
    themselves: another may never have reached it."""
    if look.is_open:
        vantage = vantages.setdefault(look.vantage, _Vantage("open"))
        vantage.standing, vantage.last_open, vantage.last_look = "open", look.at, look.at
        vantage.closed_at = vantage.how = ""
        vantage.by_fleet = look.run is not None and look.run.by_fleet()
        vantage.gone.clear()
        return ""
    how = _proof(look)
    for name, vantage in vantages.items():
        everywhere = how in _LOGIN.values()
        if not (everywhere or name == look.vantage or (name == "" and look.vantage in vantages)):
            continue
        vantage.last_look = look.at
        if vantage.standing == "closed":
            continue
        counts = bool(how) and look.run is not None and (look.run.by_fleet() or not vantage.by_fleet)
        if everywhere or (counts and any(_confirms(look, earlier) for earlier in vantage.gone)):
            vantage.close(look, how)
        else:
            vantage.standing = "unreachable"
            if counts:
                vantage.gone.append(look)
    return how


def _proof(look: Look) -> str:
    """The code of what a look proves, alone or with another one like it; "" where it proves nothing."""
    visit, run = look.visit, look.run
    if visit is None or run is None or run.state != "complete" or UNPROVEN.intersection(visit.evidence):
        return ""
    if look.is_other:
        return ANOTHER_SERVER
    if visit.verdict in _LOGIN:
        return _LOGIN[visit.verdict]
    if visit.verdict in _GONE and run.companions(visit.place) > 0:
        return _GONE[visit.verdict]
    return ""


def _confirms(look: Look, earlier: Look) -> bool:
    """Whether two looks, each of which would prove it closed with another one, are such a pair."""
    one, other = earlier.visit, look.visit
    assert one is not None
    assert other is not None
    apart = datetime.fromisoformat(look.at) - datetime.fromisoformat(earlier.at) >= APART
    return apart and one.place == other.place and _proof(earlier) == _proof(look)


def _together(vantages: Iterable[_Vantage]) -> Standing:
    standings = {vantage.standing for vantage in vantages}
    return "open" if "open" in standings else "unreachable" if "unreachable" in standings else "closed"


def _bound(before: dict[str | None, Look], look: Look) -> None:
    """Note a look that did not find it open: it speaks for its own vantage, a login for all."""
    if _bound_how(look):
        asks = look.visit is not None and look.visit.verdict in _LOGIN
        before[None if asks else look.vantage] = look


def _bound_how(look: Look) -> str:
    """The code of how a look says "not open" in a bound; "" where it says nothing of the kind."""
    visit, run = look.visit, look.run
    if run is None or (visit is not None and _CONTRADICTED.intersection(visit.evidence)):
        return ""
    if look.is_other or (visit is not None and visit.verdict in (*_LOGIN, Verdict.NOT_MONGODB)):
        return ANSWERED_NOT_OPEN
    if visit is not None and visit.verdict is Verdict.REFUSED and "icmp-refused" not in visit.evidence:
        return "refused"
    silent = visit is None or visit.verdict.is_connection_outcome
    return NOT_FOUND if silent and run.state == "complete" else ""


def _see_open(course: Course, look: Look, before: Look | None, *, is_new: bool) -> None:
    if not is_new:
        course.spells[-1] = replace(course.spells[-1], last_seen_open=look.at)
        return
    course.spells.append(
        Spell(
            first_seen_open=look.at,
            last_seen_open=look.at,
            opened_after=before.at if before else "",
            opened_after_how=_bound_how(before) if before else "",
        )
    )


def _told(name: str, vantage: _Vantage | None, asked: Asked | None) -> AtVantage:
    told = {"asked_at": asked.at, "asked_how": asked.how} if asked is not None else {}
    if vantage is None:
        return AtVantage(vantage=name, state="not_open", last_look=asked.at if asked else "", **told)
    return AtVantage(
        vantage=name,
        state=vantage.standing,
        last_seen_open=vantage.last_open,
        last_look=vantage.last_look,
        closed_at=vantage.closed_at,
        closed_how=vantage.how,
        **told,
    )
