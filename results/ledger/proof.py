"""What one more look told of an exposure, and what it still needs to be called closed, in words. Pure.

The rules themselves are in `states.py`; this says which of them the last look did not meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from results.durations import as_text, instant
from results.ledger.states import APART, UNPROVEN
from results.ledger.tracked import Place, State
from results.record import Owner, Reason
from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from results.ledger.tracked import AtVantage, Look, TrackedExposure

VERIFIED = "mongosweep.verified/1"
GONE = frozenset({Verdict.REFUSED, Verdict.NOT_MONGODB})
"""What proves a closed port when it comes twice, some time apart, beside something that answers."""


class Verified(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=VERIFIED):
    """One exposure that was asked again, or was to be (`asked` false: `needs` says why not).

    `before` and `state` are as in the ledger, before the first look and after the last; `at`, `run_id`,
    `event_id`, `verdict` and `evidence` are of the last look, `driver` is what the official driver said of it
    and `agrees` whether that is the same (null: it has no opinion). `needs` is empty for one that is closed;
    `not_before`: when a look can be the proof, where that is known.
    """

    exposure_id: str
    place: Place
    owner: Owner
    before: State
    state: State
    asked: bool = True
    at: str = ""
    run_id: str = ""
    event_id: str = ""
    verdict: Verdict | None = None
    evidence: list[str] = []
    driver: str = ""
    agrees: bool | None = None
    closed_how: str = ""
    needs: list[Reason] = []
    not_before: str = ""

    @property
    def is_closed(self) -> bool:
        """Whether it is proved closed; everything else counts as open."""
        return self.state == "closed"


class Round(NamedTuple):
    """What is known of the run that looked. `near`: how many other places near the exposure's answered in it
    as servers do."""

    state: str
    reasons: tuple[str, ...]
    vantage: str
    near: int


def missing(
    exposure: TrackedExposure, look: Look | None, looked: Round, earlier: Sequence[Look]
) -> tuple[list[Reason], str]:
    """What lacks until `exposure` is closed, and the earliest time of a look that can prove it ("": not
    known). `look`: the last one, null where the run wrote no line of it; `earlier`: those before, in time
    order."""
    if exposure.state == "closed":
        return [], ""
    if look is None:
        return [Reason(code="not-asked", detail="the run was stopped before it was asked")], ""
    if look.verdict.is_open:
        return [Reason(code="answers-without-a-password", detail="close the port, or demand a login")], ""
    found = doubts(look, looked)
    again = "" if found else _again(look, earlier)
    if again:
        detail = f"{_words(look.verdict)} at {look.at}; once more at {again} or later"
        found.append(Reason(code="seen-once", detail=detail))
    elsewhere = [seen.vantage or "(none named)" for seen in _open_elsewhere(exposure, looked.vantage)]
    if elsewhere:
        detail = f"open as seen from {', '.join(elsewhere)}: look from there, or let it demand a login"
        found.append(Reason(code="open-from-elsewhere", detail=detail))
    return found, again


def seen_by_fleet(looks: Iterable[Look], vantage: str, by_fleet: Callable[[str], bool]) -> bool:
    """Whether workers of a fleet were the last to see an exposure open, as far as a look from `vantage` could
    close it: another machine is no proof then, as `states` has it. `by_fleet` says it of a run, by its id."""
    last = {look.vantage: look.run_id for look in looks if look.verdict.is_open}
    standing = (vantage, "") if vantage in last else ()
    return any(name in last and by_fleet(last[name]) for name in standing)


def doubts(look: Look, looked: Round) -> list[Reason]:
    """Why one look at a place proves nothing of it, by itself; none where it does, or may with a second one
    like it."""
    return [*_of_the_run(looked), *_of_the_answer(look, looked)]


def _of_the_run(looked: Round) -> Iterable[Reason]:
    if looked.state != "complete":
        why = "; ".join(looked.reasons) or "nobody knows why"
        yield Reason(code="run-not-complete", detail=f"{looked.state}: {why}")


def _of_the_answer(look: Look, looked: Round) -> Iterable[Reason]:
    """What this answer lacks to be a proof, alone or as one of two."""
    for code in ("masked-prefix", "driver-says-open"):
        if code in look.evidence:
            yield Reason(code=code)
            return
    if look.verdict not in GONE:
        if look.verdict.is_connection_outcome:
            yield Reason(code="silence-proves-nothing", detail=f"it was {look.verdict.value}")
        elif look.verdict is Verdict.UNKNOWN:
            yield Reason(code="answer-proves-nothing", detail="its answers prove neither")
    elif "icmp-refused" in look.evidence:
        yield Reason(code="icmp-refused")
    elif not looked.near:
        yield Reason(code="nothing-near-answered", detail=f"{_words(look.verdict)} at {look.at}")


def _again(look: Look, earlier: Sequence[Look]) -> str:
    """When a second look like this one proves it closed; "" where it is no such look."""
    if look.verdict not in GONE:
        return ""
    latest = instant(look.at)
    first = look.at
    for before in reversed(earlier):
        # A like one as far apart would have been the proof together with this one, so it did not count.
        if before.verdict.is_open or latest - instant(before.at) >= APART:
            break
        proves = before.verdict is look.verdict and not UNPROVEN.intersection(before.evidence)
        if proves and before.run_state == "complete":
            first = before.at
    return as_text(instant(first) + APART)


def _open_elsewhere(exposure: TrackedExposure, vantage: str) -> list[AtVantage]:
    """Vantages from which it is to be proved closed, too. That of runs which named none is proved from any
    that saw it open, as `states` has it."""
    standing = [seen for seen in exposure.vantages if seen.state in ("open", "unreachable")]
    saw_it = any(seen.vantage == vantage and seen.last_seen_open for seen in exposure.vantages)
    return [seen for seen in standing if seen.vantage != vantage and not (seen.vantage == "" and saw_it)]


def _words(verdict: Verdict) -> str:
    return "refused" if verdict is Verdict.REFUSED else "another service answered"


def standing(tolds: Iterable[Verified]) -> str:
    """How many stand how, in words."""
    return (
        ", ".join(f"{number} {word}" for word, number in counted(tolds).items())
        or "nothing to ask: no exposure is known that is not closed"
    )


def counted(tolds: Iterable[Verified]) -> dict[str, int]:
    """How many stand how, by a word for it."""
    count: dict[str, int] = {}
    for told in tolds:
        word = "not asked" if not told.asked else told.state if told.is_closed else _how_open(told)
        count[word] = count.get(word, 0) + 1
    return dict(sorted(count.items()))


def _how_open(told: Verified) -> str:
    return "unreachable" if told.state == "unreachable" else "open"
