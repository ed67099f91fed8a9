"""How urgently somebody should act, and why: verdict, what lies open and to whom, and what the version is
known for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.record import Reason
from results.text import human_bytes, human_count
from results.verdict import INTERNET, MEANING, Severity, Verdict

if TYPE_CHECKING:
    from results.record import Exposure, Server, Vulnerabilities

VERY_LARGE_BYTES = 10 * 1024**3
VERY_MANY_DOCUMENTS = 1_000_000
HINTS_NAMED = 3

_VERDICT = Reason(code="verdict")
Ground = tuple[Severity, Reason]
_OPEN: Ground = Severity.HIGH, _VERDICT


def severity(
    verdict: Verdict, server: Server | None, exposure: Exposure | None, vantage: str = ""
) -> tuple[Severity, list[Reason]]:
    """The severity and its reasons, the gravest first. A suspected honeypot never alarms as exposed data.

    The reason `verdict` stands for what the verdict itself says, where nothing is graver. What is open, seen
    from the internet, is graver by one step than what lies there makes it.
    """
    if server is not None and server.honeypot_suspected:
        return Severity.LOW, [Reason(code="honeypot-suspected")]
    grounds = _of_exposure(exposure) if verdict is Verdict.OPEN else [(MEANING[verdict].severity, _VERDICT)]
    if verdict.is_open and server is not None and server.status_page is not None:
        grounds = [(Severity.MEDIUM, Reason(code="status-page-open", detail=server.status_page.host))]
    if verdict.is_open and vantage == INTERNET:
        rank = min(level.rank for level, _ in grounds)
        grounds.append((list(Severity)[max(0, rank - 1)], Reason(code="open-to-the-internet")))
    if server is not None and not verdict.is_connection_outcome:
        grounds += _of_version(server)
    if len(grounds) == 1:
        return grounds[0][0], [grounds[0][1]]
    grounds.sort(key=lambda ground: ground[0].rank)
    level, first = grounds[0]
    return level, [first, *[reason for _, reason in grounds[1:] if reason is not _VERDICT]]


def _of_exposure(exposure: Exposure | None) -> list[Ground]:
    if exposure is None:
        return [_OPEN]
    grounds = [_data(exposure)]
    if exposure.access == "partial":
        grounds.append((Severity.LOW, Reason(code="partial-access", detail=", ".join(exposure.refused))))
    ransom = exposure.ransom
    if ransom.level == "likely":
        code = {True: "ransomed-and-wiped", False: "ransom-note-beside-data", None: "ransom-note"}[
            ransom.wiped
        ]
        grounds.append((Severity.CRITICAL, Reason(code=code, detail=ransom.names[0])))
    elif ransom.level == "possible":
        grounds.append((Severity.HIGH, Reason(code="possible-ransom-note", detail=ransom.names[0])))
    elif ransom.level == "third_party_marker":
        grounds.append((Severity.HIGH, Reason(code="stranger-left-a-mark", detail=ransom.names[0])))
    names = [hint.name for hint in exposure.hints if not hint.field]
    if names:
        named = ", ".join(names[:HINTS_NAMED])
        more = f" and {len(names) - HINTS_NAMED} more" if len(names) > HINTS_NAMED else ""
        grounds.append((Severity.CRITICAL, Reason(code="telling-names", detail=f"{named}{more}")))
    if (exposure.total_size_bytes or 0) >= VERY_LARGE_BYTES:
        size = human_bytes(exposure.total_size_bytes)
        grounds.append((Severity.CRITICAL, Reason(code="very-large", detail=size)))
    if (exposure.documents or 0) >= VERY_MANY_DOCUMENTS:
        number = human_count(exposure.documents)
        grounds.append((Severity.CRITICAL, Reason(code="very-many-documents", detail=number)))
    return grounds


def _data(exposure: Exposure) -> Ground:
    """Open with data is grave; open without any is an invitation. What was not told lowers nothing."""
    if not exposure.databases and exposure.answered:
        return Severity.HIGH, Reason(code="answers-to-anyone", detail=", ".join(exposure.answered))
    for database in exposure.databases:
        if not (database.system or database.empty or database.documents == 0):
            return _OPEN
    truncated = exposure.database_count > len(exposure.databases) or not exposure.databases
    return _OPEN if truncated else (Severity.MEDIUM, Reason(code="no-data-of-users"))


def _of_version(server: Server) -> list[Ground]:
    """An attack that needs no login threatens a locked server as well as an open one; it is never critical,
    which is kept for what lies open: a version says what may be done, not what can be read."""
    grounds: list[Ground] = []
    if server.vulnerabilities is not None:
        grounds += _of_advisories(server.vulnerabilities)
    if server.end_of_life is not None and server.end_of_life.ended:
        day = f" since {server.end_of_life.date}" if server.end_of_life.date else ""
        reason = Reason(code="end-of-life", detail=f"MongoDB {server.end_of_life.series}{day}")
        grounds.append((Severity.LOW, reason))
    return grounds


def _of_advisories(found: Vulnerabilities) -> list[Ground]:
    if found.known_exploited:
        certain = [name for name in found.known_exploited if name in found.version_in_range]
        if certain:
            return [(Severity.HIGH, Reason(code="exploited-vulnerability", detail=certain[0]))]
        named = found.known_exploited[0]
        return [(Severity.MEDIUM, Reason(code="possible-exploited-vulnerability", detail=named))]
    if found.version_in_range:
        first, *more = found.version_in_range
        named = f"{first} and {len(more)} more" if more else first
        return [(Severity.MEDIUM, Reason(code="vulnerability", detail=named))]
    return []
