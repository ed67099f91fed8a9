"""What follows for a server of a known kind of first answers: judged once for the kind, as if for each.

The verdict, its evidence and who answers depend on the kind, on how many databases are listed, and on the day
(support ends on one). The server's own names and times are put in anew. See `first_answers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

from results.record import Server  # noqa: TC001 - a compiler reads the types of a class's fields
from results.verdict import Verdict  # noqa: TC001
from scanner.mongo import activity
from scanner.mongo.exposure import of_list, of_names, of_sizes
from scanner.mongo.first_answers import facts_of
from scanner.mongo.identity import identify, own_fields
from scanner.mongo.judge import judge

if TYPE_CHECKING:
    from datetime import datetime

    from results.past import Counters
    from results.record import Exposure, LastWrite, Reason
    from scanner.mongo.activity import ServerClock
    from scanner.mongo.facts import Facts, Limits, Own
    from scanner.mongo.sizes_by_kind import Sizes

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
    # A server that tells no name of its own is one of a kind that tells none.
    unnamed = own.set_name is None and own.me is None and own.primary is None
    if unnamed and own.hosts is None and own.passives is None and own.arbiters is None:
        return replace(like, started_at=started, counters=counters, clock_skew_seconds=there.skew_seconds)
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
        found = of_names(own.names, _writes(own, there), there)
        if found is not None:
            return found
    return of_list(_facts_of(own, now), limits)


def exposure_with(sizes: Sizes, own: Own, there: ServerClock) -> Exposure:
    """The exposure of this server with what it told besides."""
    return of_sizes(sizes.databases, sizes.total, _writes(own, there), there)


def _writes(own: Own, there: ServerClock) -> list[LastWrite]:
    hello = own.kind.like.hello
    document = (hello.document if hello is not None else None) or {}
    return activity.of_set(own.last_write, there, arbiter=document.get("arbiterOnly") is True)


def _facts_of(own: Own, now: datetime) -> Facts:
    facts = facts_of(own)
    facts.observed_at = now
    return facts
