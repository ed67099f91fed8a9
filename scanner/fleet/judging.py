"""Whether a fleet's run may say `complete`: a pure function of what its shards said and who was missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from results.summary import Coverage, Loss
from scanner.engine.missed import DOUBT
from scanner.fleet.tally import add_up, missed, missed_at_most
from scanner.sweep.judgement import missed_servers, missing_on_stdout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from results.manifest import State
    from scanner.fleet.tally import Counts

MOST_NAMED = 8  # sites, or workers of one, that are named in one line
MOST_REASONS = 12  # of shards of one site that are told


class SiteEnd(NamedTuple):
    """How a site ended: its counts, how many targets have no end, and why (a clause; "" where all have)."""

    site: str
    counts: Counts
    left: int
    why_left: str = ""


def judge_fleet(
    sites: Sequence[SiteEnd], *, interrupted: str = "", stdout_lost: str = ""
) -> tuple[State, list[str]]:
    """The run's state, and the reasons for it. `interrupted`: why it was stopped; "" when it was not.

    `complete` needs every shard complete, within the scope of whoever asked it, and of all shards together a
    server missed with no more than 1 %.
    """
    faults = [reason for each in sites for reason in _faults(each, interrupted)]
    counts = [each.counts for each in sites]
    expected = missed(counts)
    if expected is None or expected > DOUBT:
        faults.append(missed_servers(missed_at_most(counts)))
    if stdout_lost:
        faults.append(missing_on_stdout(stdout_lost))
    reasons = faults + [reason for each in sites for reason in _shards(each, each.counts.remarks)]
    if interrupted and any(each.left for each in sites):
        return "interrupted", reasons
    return ("degraded" if faults else "complete"), reasons


def _faults(end: SiteEnd, interrupted: str) -> list[str]:
    counts, found = end.counts, []
    at = f"site {end.site}: "
    if end.left:
        found.append(f"{at}{end.left:,} targets were not reached: {interrupted or end.why_left or 'stopped'}")
    if counts.refused:
        examples = f" ({'; '.join(counts.examples[:3])})" if counts.examples else ""
        found.append(
            f"{at}{counts.refused:,} targets were refused by a worker, whose own copy of the scope does not"
            f" have them{examples}"
        )
    if counts.given_up:
        more = f" and {len(counts.failed) - 1:,} more shards" if len(counts.failed) > 1 else ""
        found.append(
            f"{at}{counts.given_up:,} targets were given up after several attempts: {counts.failed[0]}{more}"
        )
    if others := counts.not_reached - counts.refused - counts.given_up:
        found.append(f"{at}{others:,} targets were not reached by their workers")
    if excluded := counts.excluded - counts.link_edges - counts.unlisted:
        found.append(f"{at}{excluded:,} targets left a worker's scope while the sweep ran")
    if counts.vanished:
        found.append(
            f"{at}{counts.vanished:,} servers answered an attempt that was not finished, and not the one that"
            " was: their lines stand in the journal, and no count has them"
        )
    if any(counts.blind) and not counts.heard:
        silent, unreachable = counts.blind
        found.append(
            f"{at}nobody beyond its workers answered ({silent:,} were silent, {unreachable:,} unreachable):"
            " that cannot be told from a firewall in front of them; a [[canary]] in the configuration of a"
            " worker would tell"
        )
    return found + _shards(end, counts.reasons)


def _shards(end: SiteEnd, reasons: dict[str, int]) -> list[str]:
    """What shards said, the most frequent first."""
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    told = [
        f"site {end.site}: {reason}" + (f" ({count:,} shards)" if count > 1 else "")
        for reason, count in ranked[:MOST_REASONS]
    ]
    if len(ranked) > MOST_REASONS:
        told.append(f"site {end.site}: {len(ranked) - MOST_REASONS} more reasons, see fleet.jsonl")
    return told


def coverage_of(sites: Sequence[SiteEnd]) -> Coverage:
    """What became of all targets of all sites, for the run's manifest."""
    counts = [each.counts for each in sites]
    outcomes = sum(add_up(each.outcomes for each in counts).values())
    excluded = sum(each.excluded for each in counts)
    not_reached = sum(each.not_reached for each in counts) + sum(each.left for each in sites)
    return Coverage(
        planned=outcomes + excluded + not_reached,
        outcomes=outcomes,
        excluded=excluded,
        not_reached=not_reached,
        link_edges=sum(each.link_edges for each in counts),
    )


def loss_of(counts: Sequence[Counts]) -> Loss:
    """What the run may have missed, for its manifest."""
    return Loss(
        missed_at_most=missed_at_most(list(counts)),
        answered=sum(each.answered for each in counts),
        late=sum(each.late for each in counts),
        asked_again=sum(each.asked_again for each in counts),
        answered_again=sum(each.answered_again for each in counts),
        witnesses=sum(each.witnesses for each in counts),
        witnesses_failed=sum(each.witnesses_failed for each in counts),
        lines_left_out=sum(each.lines_left_out for each in counts),
    )


def site_text(site: str, targets: int, reached: int, by: Mapping[str, int]) -> str:
    """Who asked how much of a site. `by`: the shards that each of its workers ended."""
    named = [f"{name} ({count:,} shard{'' if count == 1 else 's'})" for name, count in by.items()]
    workers = f", by {_first(named)}" if named else ""
    return f"site {site}: {reached:,} of {targets:,} targets reached{workers}"


def missing_text(alone: Sequence[str], working: Sequence[str], patience: int) -> str:
    """What is said of sites without a worker; a name that is mistyped shows beside those that have some."""
    there = f" (there are some at {_first(working)})" if working else ""
    return f"no worker at {_first(alone)}{there}; one is waited for up to {patience:,} s"


def _first(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST_NAMED:,} more" if len(words) > MOST_NAMED else ""
    return ", ".join(words[:MOST_NAMED]) + more
