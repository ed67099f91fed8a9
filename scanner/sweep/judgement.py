"""How a run is judged: from what befell it to whether it may say `complete`, and the exit code.

Pure functions of `RunFacts`, which is everything that counts. Nothing is asked and nothing is written here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from results.text import plural
from scanner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.manifest import State
    from scanner.sweep.progress import RunSummary

NOT_UNDERSTOOD = "servers accepted and did not answer in time: they are unknown"
UNLOOKED = "packets were lost, and targets that were silent before the resume were not asked again"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastingFacts:
    """What concerns targets that have an outcome already, so that no resume can mend it."""

    spoiled: tuple[str, ...] = ()  # what earlier starts of the run saw of it
    canary_failures: tuple[str, ...] = ()
    unlooked: bool = False  # packets were lost, and what was silent before a resume was not asked again
    stage_ran: bool = False  # the SYN stage, in this start of the run: its answers could be lost
    outages: tuple[str, ...] = ()  # of our own link, those that are over
    outage: str = ""  # the one that is not
    bugs: Counter[str] = field(default_factory=Counter)  # failures of our own code, by kind
    not_understood: int = 0  # servers that accepted twice and did not answer in time
    send_failures: int = 0  # packets that this machine itself dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything that a run's state is judged by. The counts are of targets."""

    lasting: LastingFacts = LastingFacts()
    not_reached: int = 0
    given_up: int = 0  # of these, how many this machine failed to ask again and again
    excluded: int = 0  # they left the scope while the run went on
    edges: int = 0  # network and broadcast addresses of this machine's own links, left out
    unlisted: int = 0  # addresses that their inventories list no longer, left out
    interrupted: bool = False
    stop_reason: str = ""
    local_fault: str = ""  # the most frequent fault of this machine
    loss: tuple[str, ...] = ()  # what showed that packets were lost or refused on the way, as sentences
    vanished: int = 0  # servers that answered before a resume and not since
    rounds_cut: bool = False  # who did not answer was not asked again to the end
    doubtful: bool = False  # a server may have been missed for it
    missed_at_most: int | None = 0  # servers, with 99 % confidence; None: nobody can say
    blind: str = ""  # nobody beyond this machine answered: how many targets that concerns, in words
    stage_trouble: str = ""  # of the SYN stage
    masked: tuple[str, ...] = ()  # prefixes that a middlebox hides
    lines_left_out: int = 0  # accepted connections without a line, because the prefix shows what they say
    suspensions: int = 0  # how often the program stood still
    halvings: int = 0  # of the pace, for the network's sake
    times_busy: int = 0  # how often our own work was the limit
    stdout_lost: str = ""  # why lines are missing on stdout


def judge_run(facts: RunFacts) -> tuple[State, list[str]]:
    """The run's state and the reasons for it. `complete` is earned: nothing left out, canaries heard, no
    prefix masked, no server missed with a chance above 1 %."""
    faults = _faults(facts)
    reasons = faults + _remarks(facts)
    if facts.interrupted and (facts.not_reached or facts.rounds_cut):
        return "interrupted", reasons
    return ("degraded" if faults else "complete"), reasons


def _faults(facts: RunFacts) -> list[str]:
    """Everything that keeps a run from being complete, a sentence each."""
    found = []
    if facts.not_reached:
        why = facts.stop_reason or (_local(facts) if facts.given_up else "stopped")
        found.append(f"{facts.not_reached} targets were not reached: {why}")
    elif facts.rounds_cut:
        why = facts.stop_reason or "stopped"
        found.append(f"who did not answer was not asked again to the end: {why}")
    if facts.vanished:
        found.append(
            f"{facts.vanished} servers answered before the run was resumed, and not since: their lines stand"
            " in the journal, and no count has them"
        )
    if facts.excluded:
        found.append(f"{facts.excluded} targets left the scope while the sweep ran")
    found += lasting_faults(facts.lasting)
    if facts.doubtful:
        found += facts.loss
        found.append(missed_servers(facts.missed_at_most))
    if facts.blind:
        found.append(
            f"nobody beyond this machine answered ({facts.blind}): that cannot be told from a firewall in"
            " front of it; a [[canary]] in the configuration would tell"
        )
    found += [f"masked by a middlebox: {prefix}" for prefix in facts.masked]
    if facts.masked and facts.lines_left_out:
        found.append(f"{facts.lines_left_out} lines that would have said the same were left out")
    if facts.stage_trouble:
        found.append(facts.stage_trouble)
    if facts.stdout_lost:
        found.append(missing_on_stdout(facts.stdout_lost))
    return found


def lasting_faults(facts: LastingFacts) -> list[str]:
    """Of these, what no resume can mend; it stands in every checkpoint."""
    found = [*facts.spoiled, *facts.canary_failures]
    if facts.unlooked and UNLOOKED not in found:
        found.append(UNLOOKED)
    if facts.stage_ran:
        outages = [*facts.outages, facts.outage] if facts.outage else facts.outages
        found += [f"{outage}, while the SYN stage ran" for outage in outages]
    if facts.send_failures:
        found.append(
            f"this machine itself dropped {facts.send_failures} packets (TCPRetransFail): a firewall of its"
            " own forbids a part of the scope, or its queues are full"
        )
    if facts.not_understood:
        found.append(f"{facts.not_understood} {NOT_UNDERSTOOD}")
    if facts.bugs:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in facts.bugs.most_common(3))
        found.append(f"{facts.bugs.total()} failures of our own code, please report them: {kinds}")
    return found


def _local(facts: RunFacts) -> str:
    if facts.local_fault:
        return f"this machine could not ask them ({facts.local_fault})"
    return "our own code failed on them"


def no_route(entries: Sequence[str]) -> str:
    """Which entries of the scope this machine has no route to, as a clause; empty for none."""
    if not entries:
        return ""
    more = f" and {len(entries) - 3:,} more entries" if len(entries) > 3 else ""
    return f"no route on this machine to {', '.join(entries[:3])}{more}"


def _remarks(facts: RunFacts) -> list[str]:
    """What a reader should know, though it took nothing from the result."""
    found = []
    if facts.suspensions:
        found.append(
            f"the program stood still {plural(facts.suspensions, 'time')} (stopped, or too busy);"
            " deadlines were extended"
        )
    if not facts.lasting.stage_ran:
        found += [f"{outage}; what it touched was asked again" for outage in facts.lasting.outages]
    if facts.edges:
        found.append(
            f"{facts.edges:,} of the targets, network and broadcast addresses of this machine's own links,"
            " were left out: no host has them"
        )
    if facts.unlisted:
        found.append(
            f"{facts.unlisted:,} of the targets were left out: their inventories list them no longer"
        )
    if facts.halvings:
        found.append(f"the pace was halved {plural(facts.halvings, 'time')} under stress")
    if facts.times_busy:
        found.append(
            f"this machine was busy {plural(facts.times_busy, 'time')}, and could not keep the rate set"
        )
    if not facts.doubtful:
        found += facts.loss
    if facts.lines_left_out and not facts.masked:
        found.append(f"{facts.lines_left_out} lines that would only have repeated others were left out")
    return found


def with_stdout(summary: RunSummary, lost: str) -> RunSummary:
    """The summary with what befell stdout when the run's end was already written; `lost`: why lines are
    missing there, or nothing."""
    missing = missing_on_stdout(lost)
    if not lost or missing in summary.reasons:
        return summary
    state = "degraded" if summary.state == "complete" else summary.state
    return replace(summary, state=state, reasons=(*summary.reasons, missing), exit_code=ExitCode.INCOMPLETE)


def missed_servers(at_most: int | None) -> str:
    """That servers may have been missed, as a reason; None: nobody can say how many."""
    most = "nobody can say how many" if at_most is None else f"at most {at_most}"
    return f"servers may have been missed for lost or refused packets: {most} (99 % confidence)"


def missing_on_stdout(lost: str) -> str:
    """That lines are missing on stdout, as a reason; `lost` says why."""
    return f"{lost}; lines are missing there, and the run directory has them all"


def exit_code(state: State, found_open: int, fail_on: str) -> ExitCode:
    """The exit code of a run that ended so."""
    if state != "complete":
        return ExitCode.INCOMPLETE
    return ExitCode.OPEN if found_open and fail_on == "open" else ExitCode.CLEAN
