"""How urgently somebody should act, and why: points for what lies open, to whom, since when it was last in
use, and what the version is known for, added up to a score."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from math import log
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from results.record import NO_RANSOM, Reason
from results.text import human_bytes, human_count, plural
from results.verdict import INTERNET, Severity, Verdict
from scanner.mongo.activity import COLLECTION_MADE, NEWEST_ID
from scanner.mongo.weights import DEFAULT, MOST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from results.record import Exposure, Hint, LastWrite, Ransom, Server, Vulnerabilities
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
REMEMBERED = 256  # grounds of versions: an estate runs few, and each says the same of every server
_DATED = frozenset({NEWEST_ID, COLLECTION_MADE})  # a set writes no-ops while nobody uses it
_NOTES: Final = {True: "ransomed-and-wiped", False: "ransom-note-beside-data", None: "ransom-note"}
_POINTS: Final = itemgetter(0)
_LEAST: Final = itemgetter(3)


class Ground(NamedTuple):
    """Points and their reason. `least`: the score that it alone lifts a finding to."""

    points: int
    code: str
    detail: str = ""
    least: int = 0


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
        return summed(Ground(weights.unknown, "honeypot-suspected"), [], weights)
    grounds: list[Ground] = []
    if verdict is Verdict.OPEN and exposure is not None:
        grounds = _of_exposure(exposure, now, weights)
    if vantage == INTERNET and verdict.is_open:
        grounds.append(Ground(weights.internet, "open-to-the-internet"))
    if server is not None and not verdict.is_connection_outcome:
        if server.vulnerabilities is not None:
            grounds += _of_advisories(server.vulnerabilities, weights)
        if server.end_of_life is not None and server.end_of_life.ended:
            grounds.append(_ended(server.end_of_life.series, server.end_of_life.date, weights))
    return summed(_base(verdict, server, exposure, weights), grounds, weights)


def summed(base: Ground, others: list[Ground], weights: Weights) -> Assessment:
    """What the verdict says, and what else does. What is lifted to a level by one of these has the points
    that lacked among those of that one."""
    total = base.points + sum(map(_POINTS, others))
    counted = sorted(others, key=_LEAST, reverse=True)
    for place, ground in enumerate(counted):
        if ground.least > total:
            points = ground.points + ground.least - total
            counted[place] = Ground(points, ground.code, ground.detail, ground.least)
            total = ground.least
        elif not ground.least:
            break  # as all that follow
    is_verdict = base.code == "verdict"
    if not is_verdict:
        counted.append(base)
    counted.sort(key=_POINTS, reverse=True)
    if is_verdict and (base.points or not counted):
        counted.append(base)
    score = min(MOST, total)
    reasons = [Reason(code=code, detail=detail, points=points) for points, code, detail, _ in counted]
    return Assessment(weights.level(score), reasons, score)


def _base(verdict: Verdict, server: Server | None, exposure: Exposure | None, weights: Weights) -> Ground:
    """What the verdict says by itself. Open with data is grave; open without any is an invitation. What was
    not told lowers nothing."""
    if server is not None and server.status_page is not None and verdict.is_open:
        return Ground(weights.no_data, "status-page-open", server.status_page.host)
    if verdict is Verdict.OPEN:
        if exposure is not None:
            if not exposure.databases and exposure.answered:
                return Ground(weights.open, "answers-to-anyone", ", ".join(exposure.answered))
            if _is_without_data(exposure):
                return Ground(weights.no_data, "no-data-of-users")
        return Ground(weights.open, "verdict")
    if verdict is Verdict.OPEN_NO_DATA:
        return Ground(weights.open_no_data, "verdict")
    return Ground(weights.unknown if verdict is Verdict.UNKNOWN else 0, "verdict")


def _is_without_data(exposure: Exposure) -> bool:
    if exposure.database_count > len(exposure.databases) or not exposure.databases:
        return False  # there are some that nobody saw
    for database in exposure.databases:
        if not (database.system or database.empty or database.documents == 0):
            return False
    return True


def _of_exposure(exposure: Exposure, now: datetime | None, weights: Weights) -> list[Ground]:
    grounds: list[Ground] = []
    if exposure.access == "partial":
        grounds.append(Ground(0, "partial-access", ", ".join(exposure.refused)))
    if exposure.ransom is not NO_RANSOM:
        grounds += _of_ransom(exposure.ransom, weights)
    if exposure.hints:
        grounds += _of_names(exposure.hints, weights)
    if exposure.total_size_bytes or exposure.documents:
        grounds += _of_size(exposure.total_size_bytes, exposure.documents, weights)
    if now is not None and exposure.last_write is not None:
        grounds += _of_write(exposure.last_write, now, weights)
    return grounds


def _of_ransom(ransom: Ransom, weights: Weights) -> list[Ground]:
    if ransom.level == "likely":
        points = weights.wiped if ransom.wiped else weights.ransom
        return [Ground(points, _NOTES[ransom.wiped], ransom.names[0], weights.critical)]
    if ransom.level == "possible":
        points = _part(weights.stranger, 1 / 2)
        return [Ground(points, "possible-ransom-note", ransom.names[0], weights.high)]
    if ransom.level == "third_party_marker":
        return [Ground(weights.stranger, "stranger-left-a-mark", ransom.names[0], weights.high)]
    return []


def _of_names(hints: Iterable[Hint], weights: Weights) -> list[Ground]:
    told = [hint for hint in hints if not hint.field]
    if not told:
        return []
    more = f" and {len(told) - HINTS_NAMED} more" if len(told) > HINTS_NAMED else ""
    kinds = len({hint.category for hint in told})
    share = min(1.0, (2 + kinds) / (2 + KINDS_IN_FULL))
    detail = ", ".join([hint.name for hint in told[:HINTS_NAMED]]) + more
    return [Ground(_part(weights.telling_names, share), "telling-names", detail)]


def _of_size(size: int | None, documents: int | None, weights: Weights) -> list[Ground]:
    """By bytes or by documents, whichever says more: both say the same of one estate."""
    of_size, of_documents = _share(size, *BYTES), _share(documents, *DOCUMENTS)
    most = max(of_size, of_documents)
    points = _part(weights.size, most)
    if most < 1:
        if not points:
            return []
        told = [human_bytes(size)] if size else []
        told += [plural(documents, "document")] if documents else []
        return [Ground(points, "much-data", ", ".join(told))]
    grounds: list[Ground] = []
    if of_size == 1:
        grounds.append(Ground(points, "very-large", human_bytes(size)))
    if of_documents == 1:
        grounds.append(Ground(0 if grounds else points, "very-many-documents", human_count(documents)))
    return grounds


def _share(number: int | None, least: int, most: int) -> float:
    """Where a number lies between two others by its logarithm, 0 to 1."""
    if number is None or number <= least:
        return 0.0
    return 1.0 if number >= most else log(number / least) / log(most / least)


def _of_write(write: LastWrite, now: datetime, weights: Weights) -> list[Ground]:
    """By the newest id or the making of a collection. That none was found lately lowers nothing."""
    if write.method not in _DATED:
        return []
    age = now - write.at
    for most, thirds in LATELY:
        if age <= most:
            points = _part(weights.liveness, thirds / 3)
            return [Ground(points, "written-lately", write.at.date().isoformat())] if points else []
    return []


def _part(weight: int, share: float) -> int:
    return int(weight * share + 0.5)


def _of_advisories(found: Vulnerabilities, weights: Weights) -> list[Ground]:
    """An attack that needs no login threatens a locked server as well as an open one; alone it is never
    critical, which is kept for what lies open: a version says what may be done, not what can be read."""
    for name in found.known_exploited:
        if name in found.version_in_range:
            return [Ground(weights.exploited, "exploited-vulnerability", name, weights.high)]
    if found.known_exploited:
        points = _part(weights.exploited, 1 / 2)
        return [Ground(points, "possible-exploited-vulnerability", found.known_exploited[0], weights.medium)]
    if found.version_in_range:
        return [_vulnerable(found.version_in_range[0], len(found.version_in_range) - 1, weights)]
    return []


@lru_cache(REMEMBERED)
def _vulnerable(first: str, more: int, weights: Weights) -> Ground:
    named = f"{first} and {more} more" if more else first
    return Ground(_part(weights.exploited, 1 / 4), "vulnerability", named, weights.medium)


@lru_cache(REMEMBERED)
def _ended(series: str, date: str, weights: Weights) -> Ground:
    detail = f"MongoDB {series} since {date}" if date else f"MongoDB {series}"
    return Ground(weights.end_of_life, "end-of-life", detail, weights.low)
