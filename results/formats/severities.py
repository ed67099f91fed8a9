"""How grave an event is, in the scale of each receiver: one table, which every format reads."""

from __future__ import annotations

from typing import Final, NamedTuple

from results.verdict import Severity


class Scale(NamedTuple):
    """One severity in every scale.

    `word`: in ECS (`vulnerability.severity`) and OCSF (`severity`). `ecs`: `event.severity`, by the risk
    scores that Elastic's own detection rules use (21 low, 47 medium, 73 high, 99 critical). `ocsf`:
    `severity_id`. `cef`: 0 to 10, of which 0-3 is low, 4-6 medium, 7-8 high, 9-10 very high (CEF, ArcSight
    Common Event Format). `leef`: `sev`, 1 to 10 (IBM, LEEF event components). `syslog`: RFC 5424, 6.2.1.
    `shadowserver`: the word of Shadowserver's reports.
    """

    word: str
    ecs: int
    ocsf: int
    cef: int
    leef: int
    syslog: int
    shadowserver: str


SCALES: Final[dict[Severity, Scale]] = {
    Severity.CRITICAL: Scale("Critical", 99, 5, 10, 10, 2, "critical"),
    Severity.HIGH: Scale("High", 73, 4, 8, 8, 3, "high"),
    Severity.MEDIUM: Scale("Medium", 47, 3, 5, 5, 4, "medium"),
    Severity.LOW: Scale("Low", 21, 2, 3, 3, 5, "low"),
    Severity.INFO: Scale("Informational", 1, 1, 0, 1, 6, "info"),
}
