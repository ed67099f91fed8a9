"""Random histories of one place against a model in twenty lines: when it is open, unreachable or closed."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from results.ledger.derive import derive
from results.verdict import Verdict
from tests.support.visits import Diary

MINUTE = 1 / 1440
OUTCOMES = [
    Verdict.OPEN,
    Verdict.AUTH_REQUIRED,
    Verdict.REFUSED,
    Verdict.NOT_MONGODB,
    Verdict.FILTERED,
    Verdict.UNKNOWN,
    None,
]


class Run(NamedTuple):
    minutes: int  # since the run before
    complete: bool
    covered: bool
    companions: bool
    outcome: Verdict | None  # None: no line


runs = st.builds(
    Run,
    st.integers(1, 15),
    st.booleans() | st.just(value=True),
    st.booleans() | st.just(value=True),
    st.booleans() | st.just(value=True),
    st.sampled_from(OUTCOMES),
)


def model(history: list[Run]) -> tuple[str, int, int]:
    """The state, how often it was opened, and how often it was proved closed."""
    state, opened, closed, now = "", 0, 0, 0
    refusals: list[tuple[int, Verdict]] = []
    for run in history:
        now += run.minutes
        if run.outcome is Verdict.OPEN:
            opened += state in ("", "closed")
            state, refusals = "open", []
        elif state in ("", "closed") or (run.outcome is None and not (run.complete and run.covered)):
            continue
        elif run.complete and run.outcome is Verdict.AUTH_REQUIRED:
            state, closed = "closed", closed + 1
        elif run.complete and run.companions and run.outcome in (Verdict.REFUSED, Verdict.NOT_MONGODB):
            proved = any(now - earlier >= 10 and what is run.outcome for earlier, what in refusals)
            refusals.append((now, run.outcome))
            state, closed = ("closed", closed + 1) if proved else ("unreachable", closed)
        else:
            state = "unreachable"
    return state, opened, closed


@given(st.lists(runs, max_size=25), st.randoms())
def test_every_history_ends_where_the_model_says(history: list[Run], chance: object) -> None:
    diary, now = Diary(), 0
    for run in history:
        now += run.minutes
        diary.run(
            now * MINUTE,
            "complete" if run.complete else "degraded",
            covered=run.covered,
            companions=int(run.companions),
            hours=0.5 / 60,
        )
        if run.outcome is not None:
            diary.sees(run.outcome)
    chance.shuffle(diary.visits)  # type: ignore[attr-defined] # hypothesis types its Random as an object
    exposures = derive(diary.by_place(), diary.runs).exposures
    state, opened, closed = model(history)
    if not state:
        assert not exposures
        return
    (exposure,) = exposures
    assert {"new": "open", "changed": "open", "reopened": "open"}.get(exposure.state, exposure.state) == state
    assert len(exposure.spells) == opened
    assert sum(spell.closed_before != "" for spell in exposure.spells) == closed
    for spell in exposure.spells:
        assert spell.opened_after < spell.first_seen_open <= spell.last_seen_open
        assert not spell.closed_before or spell.last_seen_open < spell.closed_before
