"""A shard in which nobody answers proves nothing: whether somebody answered is judged over its site."""

from __future__ import annotations

from typing import Any

from results.summary import Loss
from scanner.fleet.division import Division
from scanner.fleet.judging import SiteEnd, judge_fleet
from scanner.fleet.messages import Ended
from scanner.fleet.tally import Tally
from targets.entries import Entry
from targets.scope import Scope

SCOPE = Scope([Entry.of("10.0.0.0/23", site="paris")], ports=[27017])


def swept(*shards: dict[str, Any]) -> Tally:
    """A site of two shards of 256 targets, each of which ended so."""
    tally = Tally("paris", Division(SCOPE, 256, (24, 64)), seed=1)
    for ended in shards:
        work = tally.next(0.0)
        assert work is not None
        work = tally.begin(work, 0.0)
        said = Ended(
            run_id="R",
            name=tally.name(work),
            attempt=work.attempt,
            state="complete",
            reasons=[],
            planned=256,
            unheard=0.0,
            **ended,
        )
        tally.ended(tally.name(work), said, 0)
    assert tally.finished
    return tally


SILENT = {"outcomes": {"filtered": 250, "unreachable": 6}, "blind": (250, 6), "loss": Loss(missed_at_most=0)}
ANSWERED = {"outcomes": {"filtered": 250, "refused": 6}, "loss": Loss(missed_at_most=0, answered=6)}


def test_a_silent_part_of_a_site_where_somebody_answered() -> None:
    for order in ((SILENT, ANSWERED), (ANSWERED, SILENT)):
        assert judge_fleet([SiteEnd("paris", swept(*order).counts, 0)]) == ("complete", [])


def test_a_site_where_nobody_answered() -> None:
    """Whatever another site heard: it is not behind the same firewall."""
    ends = [
        SiteEnd("paris", swept(SILENT, SILENT).counts, 0),
        SiteEnd("oslo", swept(ANSWERED, ANSWERED).counts, 0),
    ]
    state, (reason,) = judge_fleet(ends)
    assert state == "degraded"
    assert reason.startswith(
        "site paris: nobody beyond its workers answered (500 were silent, 12 unreachable): that"
    )
