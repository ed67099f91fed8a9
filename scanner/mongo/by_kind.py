"""What follows for a server of a known kind of first answers: judged once for the kind, as if for each.

The verdict, its evidence and who answers depend on the kind, on how many databases are listed, and on the day
(support ends on one). The server's own names and times are put in anew. See `first_answers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

from scanner.mongo import activity
from scanner.mongo.exposure import of_list, of_names
from scanner.mongo.first_answers import facts_of
from scanner.mongo.identity import identify, own_fields
from scanner.mongo.judge import judge

if TYPE_CHECKING:
    from datetime import datetime

    from results.past import Counters
    from results.record import Exposure, Reason, Server
    from results.verdict import Verdict
    from scanner.mongo.activity import ServerClock
    from scanner.mongo.facts import Facts, Limits, Own

DAYS_KEPT: Final = 64  # and numbers of databases, of one kind


class Judged(NamedTuple):
    """What is said of all servers of a kind that list as many databases. Of `server` the names and times are
    those of the first one."""

    verdict: Verdict
    evidence: list[Reason]
    server: Server


def judged(own: Own, now: datetime) -> Judged:
    """What is said of all servers like this one, today."""
    known: dict[Any, Judged] = own.kind.judged
    key = now.date(), None if own.names is None else len(own.names)
    found = known.get(key)
    if found is None:
        facts = _facts_of(own, now)
        verdict, evidence = judge(facts)
        found = Judged(verdict, evidence, identify(facts, is_open=verdict.is_open))
        if len(known) >= DAYS_KEPT:
            known.clear()
        known[key] = found
    return found


def own_of(facts: Facts) -> Own | None:
    """The first answer, if it is still all that the verdict and the identity rest on."""
    if facts.inventions or facts.refused or len(facts.attempts) != 1:
        return None
    return facts.own


def server_of(
    like: Server, own: Own, there: ServerClock, started: datetime | None, counters: Counters | None = None
) -> Server:
    """`identify` of this server, where `like` is that of another of its kind; `started`: its process."""
    return replace(
        like,
        **own_fields(own.set_name, own.hosts, own.passives, own.arbiters, own.me, own.primary),
        started_at=started,
        counters=counters,
        clock_skew_seconds=there.skew_seconds,
    )


def exposure_of(own: Own, now: datetime, there: ServerClock, limits: Limits) -> Exposure:
    """`exposure.of_list` of this server."""
    if own.names is not None:
        hello = own.kind.like.hello
        document = (hello.document if hello is not None else None) or {}
        writes = activity.of_set(own.last_write, there, arbiter=document.get("arbiterOnly") is True)
        found = of_names(own.names, writes, there)
        if found is not None:
            return found
    return of_list(_facts_of(own, now), limits)


def _facts_of(own: Own, now: datetime) -> Facts:
    facts = facts_of(own)
    facts.observed_at = now
    return facts
