"""How urgently somebody should act, and why: verdict, what lies open, and what the version is known for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.record import Reason, Vulnerabilities
from results.text import human_bytes, human_count
from results.verdict import MEANING, Severity, Verdict

if TYPE_CHECKING:
    from results.record import Exposure, Server

VERY_LARGE_BYTES = 10 * 1024**3
VERY_MANY_DOCUMENTS = 1_000_000
HINTS_NAMED = 3

_VERDICT = Reason(code="verdict")
Ground = tuple[Severity, Reason]


def severity(
    verdict: Verdict, server: Server | None, exposure: Exposure | None
) -> tuple[Severity, list[Reason]]:
    """The severity and its reasons, the gravest first. A suspected honeypot never alarms as exposed data.

    The reason `verdict` stands for what the verdict itself says, where nothing is graver.
    """
    if server is not None and server.honeypot_suspected:
        return Severity.LOW, [Reason(code="honeypot-suspected")]
    grounds = [(MEANING[verdict].severity, _VERDICT)]
    if verdict is Verdict.OPEN:
        grounds = _of_exposure(exposure)
    if server is not None and not verdict.is_connection_outcome:
        grounds += _of_version(server)
    grounds.sort(key=lambda ground: ground[0].rank)
    level, first = grounds[0]
    return level, [first, *[reason for _, reason in grounds[1:] if reason is not _VERDICT]]


def _of_exposure(exposure: Exposure | None) -> list[Ground]:
    if exposure is None:
        return [(Severity.HIGH, _VERDICT)]
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
    if exposure.hints:
        named = ", ".join(hint.name for hint in exposure.hints[:HINTS_NAMED])
        more = f" and {len(exposure.hints) - HINTS_NAMED} more" if len(exposure.hints) > HINTS_NAMED else ""
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
    users = [database for database in exposure.databases if not database.system]
    if not exposure.databases and exposure.answered:
        return Severity.HIGH, Reason(code="answers-to-anyone", detail=", ".join(exposure.answered))
    if all(database.empty or database.documents == 0 for database in users):
        truncated = exposure.database_count > len(exposure.databases) or not exposure.databases
        if not truncated:
            return Severity.MEDIUM, Reason(code="no-data-of-users")
    return Severity.HIGH, _VERDICT


def _of_version(server: Server) -> list[Ground]:
    """An attack that needs no login threatens a locked server as well as an open one; it is never critical,
    which is kept for what lies open: a version says what may be done, not what can be read."""
    grounds: list[Ground] = []
    found = server.vulnerabilities or Vulnerabilities()
    certain = [name for name in found.known_exploited if name in found.version_in_range]
    if certain:
        grounds.append((Severity.HIGH, Reason(code="exploited-vulnerability", detail=certain[0])))
    elif found.known_exploited:
        reason = Reason(code="possible-exploited-vulnerability", detail=found.known_exploited[0])
        grounds.append((Severity.MEDIUM, reason))
    elif found.version_in_range:
        first, *more = found.version_in_range
        named = f"{first} and {len(more)} more" if more else first
        grounds.append((Severity.MEDIUM, Reason(code="vulnerability", detail=named)))
    if server.end_of_life is not None and server.end_of_life.ended:
        day = f" since {server.end_of_life.date}" if server.end_of_life.date else ""
        reason = Reason(code="end-of-life", detail=f"MongoDB {server.end_of_life.series}{day}")
        grounds.append((Severity.LOW, reason))
    return grounds
