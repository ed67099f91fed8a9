"""How many servers are missed still when a sweep could end: lost packets, rounds and witnesses together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scanner.engine.loss import WORST

if TYPE_CHECKING:
    from collections.abc import Collection

    from scanner.engine.loss import LossEstimator, Recovered
    from scanner.engine.witnesses import Witnesses
    from targets.target import PrefixKey

DOUBT = 0.01  # expected servers from which a run is not complete: with 99 % none is missed


def still_missing(loss: LossEstimator, recovered: Recovered, witnesses: Witnesses, *, silent: bool) -> float:
    """How many servers among the silent targets, or among those refused or out of reach, would probably
    answer if all were asked again."""
    lost, unheard, failed = loss.failing, 0.0, witnesses.refused
    if silent:  # packets are lost much alike in all rounds; a firewall's limit is not
        lost, unheard, failed = max(lost, recovered.failing), loss.unheard, witnesses.silent
    share = failed / witnesses.asked if failed > 1 else 0.0
    if not silent:
        share = max(share, witnesses.turned.share)
    share = min(WORST, share)
    unheard = max(unheard, loss.answered * share / (1 - share))

    def chance_in(number: int) -> float:
        return min(WORST, max(lost, witnesses.failing(number, accepting=not silent)))

    return recovered.remaining(unheard, chance_in)


def at_most(expected: float) -> int | None:
    """The number that is not exceeded with 99 % when so many are expected (Poisson); None for no bound."""
    if math.isinf(expected) or expected > 1e6:
        return None
    if expected > 500:  # a normal distribution from here on
        return math.ceil(expected + 2.33 * math.sqrt(expected))
    count, term = 0, math.exp(-expected)
    below = term
    while below < 0.99 and count < 10_000:
        count += 1
        term *= expected / count
        below += term
    return count


def sentences(witnesses: Witnesses, shut: Collection[PrefixKey], silent: int, refused: int) -> list[str]:
    """What showed that packets are lost or refused on the way: so many silent targets, and refused ones,
    answered when they were asked again, and the ways to these prefixes have shut."""
    found = []
    if silent or refused:
        found.append(
            f"packets were lost or refused on the way: asked again, {silent} silent and {refused} refused or"
            " unreachable targets answered"
        )
    if shut:
        found.append(
            f"in {len(shut)} prefixes targets do not answer as they did: asked again, of {witnesses.asked}"
            f" that had answered {witnesses.silent} were silent and {witnesses.refused} refused, and"
            f" {witnesses.began_to_refuse} that had been silent refused: a firewall on the way may have shut"
            " this machine out"
        )
    return found
