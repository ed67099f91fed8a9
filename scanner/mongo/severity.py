"""How urgently somebody should act, and why: points for what lies open, to whom, since when it was last in
use, and what the version is known for, added up to a score."""

from __future__ import annotations

from datetime import timedelta
from math import log
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from results.record import Reason
from results.text import human_bytes, human_count, plural
from results.verdict import INTERNET, Severity, Verdict
from scanner.mongo.activity import COLLECTION_MADE, NEWEST_ID
from scanner.mongo.weights import DEFAULT, MOST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from results.record import Exposure, Server, Vulnerabilities
    from scanner.mongo.weights import Weights

BYTES: Final = 2**20, 10 * 2**30  # from where on size counts, and from where on all of its weight
DOCUMENTS: Final = 10_000, 1_000_000
HINTS_NAMED = 3
KINDS_IN_FULL = 4  # kinds of telling names for all of their weight
LATELY: Final = (
    (timedelta(days=1), 3),
    (timedelta(days=7), 2),
    (timedelta(days=30), 1),
)  # thirds of the weight
_DATED = frozenset({NEWEST_ID, COLLECTION_MADE})  # a set writes no-ops while nobody uses it


class Ground(NamedTuple):
    """Points and their reason. `least`: it alone makes the finding at least that grave."""

    points: int
    reason: Reason
    least: Severity = Severity.INFO


class Assessment(NamedTuple):
    """How grave a finding is. The points of the reasons add up to the score, up to 100."""

    severity: Severity
    reasons: list[Reason]
    score: int


def assess(
    verdict: Verdict,
    server: Server | None,
    exposure: Exposure | None,
    vantage: str = "",
    *,
    now: datetime | None = None,
    weights: Weights = DEFAULT,
) -> Assessment:
    """The severity, its reasons with the weightiest first, and the score that both rest on.

    The reason `verdict` stands for what the verdict itself says; it comes last. A suspected honeypot never
    alarms as exposed data. `now` judges how long ago something was written; without it nobody was lately.
    """
    if server is not None and server.honeypot_suspected:
        return _summed([Ground(weights.unknown, Reason(code="honeypot-suspected"))], weights)
    grounds = [_base(verdict, server, exposure, weights)]
    if verdict is Verdict.OPEN and exposure is not None:
        grounds += _of_exposure(exposure, now, weights)
    if verdict.is_open and vantage == INTERNET:
        grounds.append(Ground(weights.internet, Reason(code="open-to-the-internet")))
    if server is not None and not verdict.is_connection_outcome:
        grounds += _of_version(server, weights)
    return _summed(grounds, weights)


def _summed(grounds: Sequence[Ground], weights: Weights) -> Assessment:
    """The grounds, of which the first is what the verdict says. What is lifted to a level by one of them has
    the points that lacked among those of that one."""
    base, *others = grounds
    total = sum(ground.points for ground in grounds)
    counted: list[Ground] = []
    for ground in sorted(others, key=lambda ground: ground.least.rank):
        lacking = max(0, weights.least(ground.least) - total)
        counted.append(ground._replace(points=ground.points + lacking))
        total += lacking
    score = min(MOST, total)
    is_verdict = base.reason.code == "verdict"
    if not is_verdict:
        counted.append(base)
    counted.sort(key=lambda ground: -ground.points)
    if is_verdict and (base.points or not counted):
        counted.append(base)
    reasons = [replace(each.reason, points=each.points) if each.points else each.reason for each in counted]
    return Assessment(weights.level(score), reasons, score)


def _base(verdict: Verdict, server: Server | None, exposure: Exposure | None, weights: Weights) -> Ground:
    """What the verdict says by itself. Open with data is grave; open without any is an invitation. What was
    not told lowers nothing."""
    if verdict.is_open and server is not None and server.status_page is not None:
        return Ground(weights.no_data, Reason(code="status-page-open", detail=server.status_page.host))
    if verdict is Verdict.OPEN and exposure is not None:
        if not exposure.databases and exposure.answered:
            answered = ", ".join(exposure.answered)
            return Ground(weights.open, Reason(code="answers-to-anyone", detail=answered))
        if _is_without_data(exposure):
            return Ground(weights.no_data, Reason(code="no-data-of-users"))
    points = {
        Verdict.OPEN: weights.open,
        Verdict.OPEN_NO_DATA: weights.open_no_data,
        Verdict.UNKNOWN: weights.unknown,
    }
    return Ground(points.get(verdict, 0), Reason(code="verdict"))


def _is_without_data(exposure: Exposure) -> bool:
    if exposure.database_count > len(exposure.databases) or not exposure.databases:
        return False  # there are some that nobody saw
    return all(each.system or each.empty or each.documents == 0 for each in exposure.databases)


def _of_exposure(exposure: Exposure, now: datetime | None, weights: Weights) -> list[Ground]:
    grounds = []
    if exposure.access == "partial":
        grounds.append(Ground(0, Reason(code="partial-access", detail=", ".join(exposure.refused))))
    ransom = exposure.ransom
    if ransom.level == "likely":
        code = {True: "ransomed-and-wiped", False: "ransom-note-beside-data", None: "ransom-note"}[
            ransom.wiped
        ]
        points = weights.wiped if ransom.wiped else weights.ransom
        grounds.append(Ground(points, Reason(code=code, detail=ransom.names[0]), Severity.CRITICAL))
    elif ransom.level == "possible":
        reason = Reason(code="possible-ransom-note", detail=ransom.names[0])
        grounds.append(Ground(_part(weights.stranger, 1 / 2), reason, Severity.HIGH))
    elif ransom.level == "third_party_marker":
        reason = Reason(code="stranger-left-a-mark", detail=ransom.names[0])
        grounds.append(Ground(weights.stranger, reason, Severity.HIGH))
    return [
        *grounds,
        *_of_names(exposure, weights),
        *_of_size(exposure, weights),
        *_of_writes(exposure, now, weights),
    ]


def _of_names(exposure: Exposure, weights: Weights) -> list[Ground]:
    told = [hint for hint in exposure.hints if not hint.field]
    if not told:
        return []
    names = [hint.name for hint in told]
    more = f" and {len(names) - HINTS_NAMED} more" if len(names) > HINTS_NAMED else ""
    kinds = len({hint.category for hint in told})
    share = min(1.0, (2 + kinds) / (2 + KINDS_IN_FULL))
    detail = f"{', '.join(names[:HINTS_NAMED])}{more}"
    return [Ground(_part(weights.telling_names, share), Reason(code="telling-names", detail=detail))]


def _of_size(exposure: Exposure, weights: Weights) -> list[Ground]:
    """By bytes or by documents, whichever says more: both say the same of one estate."""
    size, documents = exposure.total_size_bytes, exposure.documents
    shares = _share(size, *BYTES), _share(documents, *DOCUMENTS)
    points = _part(weights.size, max(shares))
    if max(shares) < 1:
        told = [human_bytes(size)] if size else []
        told += [plural(documents, "document")] if documents else []
        return [Ground(points, Reason(code="much-data", detail=", ".join(told)))] if points else []
    grounds = []
    if shares[0] == 1:
        grounds.append(Ground(points, Reason(code="very-large", detail=human_bytes(size))))
    if shares[1] == 1:
        reason = Reason(code="very-many-documents", detail=human_count(documents))
        grounds.append(Ground(0 if grounds else points, reason))
    return grounds


def _share(number: int | None, least: int, most: int) -> float:
    """Where a number lies between two others by its logarithm, 0 to 1."""
    if number is None or number <= least:
        return 0.0
    return 1.0 if number >= most else log(number / least) / log(most / least)


def _of_writes(exposure: Exposure, now: datetime | None, weights: Weights) -> list[Ground]:
    """By the newest id or the making of a collection. That none was found lately lowers nothing."""
    write = exposure.last_write
    if now is None or write is None or write.method not in _DATED:
        return []
    age = now - write.at
    thirds = next((thirds for most, thirds in LATELY if age <= most), 0)
    points = _part(weights.liveness, thirds / 3)
    day = f"{write.at:%Y-%m-%d}"
    return [Ground(points, Reason(code="written-lately", detail=day))] if points else []


def _part(weight: int, share: float) -> int:
    return int(weight * share + 0.5)


def _of_version(server: Server, weights: Weights) -> list[Ground]:
    """An attack that needs no login threatens a locked server as well as an open one; alone it is never
    critical, which is kept for what lies open: a version says what may be done, not what can be read."""
    grounds: list[Ground] = []
    if server.vulnerabilities is not None:
        grounds += _of_advisories(server.vulnerabilities, weights.exploited)
    if server.end_of_life is not None and server.end_of_life.ended:
        day = f" since {server.end_of_life.date}" if server.end_of_life.date else ""
        reason = Reason(code="end-of-life", detail=f"MongoDB {server.end_of_life.series}{day}")
        grounds.append(Ground(weights.end_of_life, reason, Severity.LOW))
    return grounds


def _of_advisories(found: Vulnerabilities, weight: int) -> list[Ground]:
    if found.known_exploited:
        certain = [name for name in found.known_exploited if name in found.version_in_range]
        if certain:
            return [Ground(weight, Reason(code="exploited-vulnerability", detail=certain[0]), Severity.HIGH)]
        reason = Reason(code="possible-exploited-vulnerability", detail=found.known_exploited[0])
        return [Ground(_part(weight, 1 / 2), reason, Severity.MEDIUM)]
    if found.version_in_range:
        first, *more = found.version_in_range
        named = f"{first} and {len(more)} more" if more else first
        reason = Reason(code="vulnerability", detail=named)
        return [Ground(_part(weight, 1 / 4), reason, Severity.MEDIUM)]
    return []
