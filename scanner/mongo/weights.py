"""How much each ground weighs in the score of a finding, and from which score on it is how grave: [severity].

Points of what applies are added up, to 100 at most. The thresholds are the ends of Elastic's ranges of risk
scores (Elastic Security, "Create a detection rule": low 0 to 21, medium 22 to 47, high 48 to 73, critical 74
to 100), so that a score means the same there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 100
_LEVELS = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """What a finding scores, 0 to 100, and from which score on it is how grave. Weights are the most points
    that a ground gives; 0 leaves it out. See [severity](severity.md)."""

    critical: Annotated[
        int, Meta(ge=1, le=100, description="the score from which on a finding is critical", examples=[80])
    ] = 74
    high: Annotated[int, Meta(ge=1, le=100, description="the same for high", examples=[50])] = 48
    medium: Annotated[int, Meta(ge=1, le=100, description="the same for medium", examples=[25])] = 22
    low: Annotated[
        int, Meta(ge=1, le=100, description="the same for low; below it is info", examples=[10])
    ] = 5
    open: Annotated[
        int,
        Meta(ge=0, le=100, description="a server that lists its databases without a password", examples=[40]),
    ] = 48
    no_data: Annotated[
        int,
        Meta(ge=0, le=100, description="the same without data of users, or a status page", examples=[20]),
    ] = 24
    open_no_data: Annotated[
        int,
        Meta(ge=0, le=100, description="a server that is open but has nothing to read", examples=[10]),
    ] = 8
    unknown: Annotated[
        int,
        Meta(ge=0, le=100, description="answers that prove nothing, and a suspected honeypot", examples=[10]),
    ] = 8
    internet: Annotated[
        int, Meta(ge=0, le=100, description='open, seen from the vantage "internet"', examples=[30])
    ] = 26
    size: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="how much lies there, by bytes (1 MiB to 10 GiB) or documents (10,000 to 1,000,000), "
            "on a scale of logarithms, whichever says more",
            examples=[20],
        ),
    ] = 26
    telling_names: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="names that hint at personal or secret data: half for one kind of them, all for four",
            examples=[24],
        ),
    ] = 16
    liveness: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="last written to within a day; two thirds within 7 days, a third within 30",
            examples=[15],
        ),
    ] = 12
    ransom: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="an extortionist's note, and other data is or may be there",
            examples=[50],
        ),
    ] = 40
    wiped: Annotated[
        int,
        Meta(ge=0, le=100, description="the same, and no other data is left", examples=[40]),
    ] = 30
    stranger: Annotated[
        int,
        Meta(ge=0, le=100, description="a stranger's mark; half for what may be a note", examples=[20]),
    ] = 10
    exploited: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="a version with a vulnerability that is known to be exploited; half where it may be "
            "one, a quarter where none is known to be exploited",
            examples=[10],
        ),
    ] = 4
    end_of_life: Annotated[
        int, Meta(ge=0, le=100, description="a version without support by its vendor", examples=[3])
    ] = 1

    def level(self, score: int) -> Severity:
        """How grave a score is."""
        if score >= self.critical:
            return Severity.CRITICAL
        if score >= self.high:
            return Severity.HIGH
        if score >= self.medium:
            return Severity.MEDIUM
        return Severity.LOW if score >= self.low else Severity.INFO

    def least(self, level: Severity) -> int:
        """The score from which on a finding is at least that grave."""
        return int(getattr(self, level.value)) if level in _LEVELS else 0


DEFAULT = Weights()


def weight_problems(weights: Weights) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong between the thresholds: (place, reason with remedy)."""
    for graver, lesser in pairwise(_LEVELS):
        if weights.least(lesser) >= weights.least(graver):
            wrong = f"{lesser.value} = {weights.least(lesser)} does not begin below {graver.value}"
            reason = f"[severity] {wrong} = {weights.least(graver)}"
            written = graver if weights.least(lesser) == DEFAULT.least(lesser) else lesser
            yield ("severity", written.value), f"{reason}; write falling ones, such as 74, 48, 22 and 5"
