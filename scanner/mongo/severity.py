"""How urgently somebody should act, and why: verdict, what lies open, and what the version is known for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.text import human_bytes, human_count
from results.verdict import MEANING, Severity, Verdict

if TYPE_CHECKING:
    from results.record import Exposure, Server

VERY_LARGE_BYTES = 10 * 1024**3
VERY_MANY_DOCUMENTS = 1_000_000
HINTS_NAMED = 3


def severity(
    verdict: Verdict, server: Server | None, exposure: Exposure | None
) -> tuple[Severity, list[str]]:
    """The severity and its reasons, the gravest first. A suspected honeypot never alarms as exposed data."""
    if server is not None and server.honeypot_suspected:
        return Severity.LOW, ["it answers as a honeypot does: ask whose it is before anything else"]
    grounds = [(MEANING[verdict].severity, MEANING[verdict].sentence)]
    if verdict is Verdict.OPEN:
        grounds = _of_exposure(exposure)
    if server is not None and not verdict.is_connection_outcome:
        grounds += _of_version(server)
    grounds.sort(key=lambda ground: ground[0].rank)
    return grounds[0][0], [reason for _, reason in grounds]


def _of_exposure(exposure: Exposure | None) -> list[tuple[Severity, str]]:
    if exposure is None:
        return [(Severity.HIGH, MEANING[Verdict.OPEN].sentence)]
    grounds = [_data(exposure)]
    if exposure.access == "partial":
        grounds.append((Severity.LOW, f"open in part: {', '.join(exposure.refused)} wanted a login"))
    ransom = exposure.ransom
    if ransom.level == "likely":
        after = {True: "and no other data is left", False: "and other data is still there", None: ""}[
            ransom.wiped
        ]
        grounds.append(
            (Severity.CRITICAL, f"an extortionist's note, by its name: {ransom.names[0]} {after}".rstrip())
        )
    elif ransom.level == "possible":
        grounds.append((Severity.HIGH, f"perhaps an extortionist's note, by its name: {ransom.names[0]}"))
    elif ransom.level == "third_party_marker":
        grounds.append((Severity.HIGH, f"a stranger left a mark: {ransom.names[0]}"))
    if exposure.hints:
        named = ", ".join(f"{hint.name} ({hint.category})" for hint in exposure.hints[:HINTS_NAMED])
        more = f" and {len(exposure.hints) - HINTS_NAMED} more" if len(exposure.hints) > HINTS_NAMED else ""
        grounds.append((Severity.CRITICAL, f"names hint at personal or secret data: {named}{more}"))
    if (exposure.total_size_bytes or 0) >= VERY_LARGE_BYTES:
        grounds.append((Severity.CRITICAL, f"very large: {human_bytes(exposure.total_size_bytes)}"))
    if (exposure.documents or 0) >= VERY_MANY_DOCUMENTS:
        grounds.append((Severity.CRITICAL, f"very many documents: {human_count(exposure.documents)}"))
    return grounds


def _data(exposure: Exposure) -> tuple[Severity, str]:
    """Open with data is grave; open without any is an invitation. What was not told lowers nothing."""
    users = [database for database in exposure.databases if not database.system]
    if not exposure.databases and exposure.answered:
        return Severity.HIGH, f"{', '.join(exposure.answered)}: answered to anyone, without a password"
    if all(database.empty or database.documents == 0 for database in users):
        truncated = exposure.database_count > len(exposure.databases) or not exposure.databases
        if not truncated:
            return Severity.MEDIUM, "open to anyone, to write as well, though no data of users lies there now"
    return Severity.HIGH, MEANING[Verdict.OPEN].sentence


def _of_version(server: Server) -> list[tuple[Severity, str]]:
    """An attack that needs no login threatens a locked server as well as an open one; it is never critical,
    which is kept for what lies open: a version says what may be done, not what can be read."""
    grounds = []
    version = f"version {server.version}"
    in_range = [found for found in server.vulnerabilities if found.certainty == "version_in_range"]
    exploited = [found for found in server.vulnerabilities if found.known_exploited]
    certain = [found for found in exploited if found in in_range]
    if certain:
        grounds.append((Severity.HIGH, f"{version} is in the range of {certain[0].id}, which is exploited"))
    elif exploited:
        grounds.append(
            (Severity.MEDIUM, f"{version} may be in the range of {exploited[0].id}, which is exploited")
        )
    elif in_range:
        grounds.append(
            (Severity.MEDIUM, f"{version} is in the range of {in_range[0].id} and {len(in_range) - 1} more")
        )
    if server.end_of_life is not None and server.end_of_life.ended:
        day = f" since {server.end_of_life.date}" if server.end_of_life.date else ""
        grounds.append((Severity.LOW, f"MongoDB {server.end_of_life.series} is without support{day}"))
    return grounds
