"""Rows of an outside report with their answers, made up, for tests of what shows them."""

from __future__ import annotations

from typing import Any

from results.confirm.answer import Answer, Known, PlaceAnswer, ReportAnswer, RowAnswer, counted
from results.record import Owner, Reason
from results.verdict import Severity, Verdict

AT = "2026-03-10T09:30:00.250Z"
OWNER = Owner(owner="web platform", contact="web-oncall@example.com", site="paris", allow="10.20.0.0/16")
_VERDICTS: dict[Answer, Verdict] = {
    "confirmed-open": Verdict.OPEN,
    "open-no-data": Verdict.OPEN_NO_DATA,
    "unknown": Verdict.UNKNOWN,
    "not-reachable": Verdict.FILTERED,
    "asks-for-a-login": Verdict.AUTH_REQUIRED,
    "another-service": Verdict.NOT_MONGODB,
    "closed-now": Verdict.REFUSED,
}


def known(**changes: Any) -> Known:
    """An exposure that was seen open three days before the answer, unless `changes` say otherwise."""
    base: dict[str, Any] = {
        "exposure_id": "mx_2f6c0a91b3de",
        "state": "open",
        "severity": Severity.CRITICAL,
        "first_seen_open": "2026-03-07T04:00:00.000Z",
        "last_seen_open": AT,
    }
    return Known(**(base | changes))


def place(answer: Answer, ip: str = "10.20.1.17", port: int = 27017, **changes: Any) -> PlaceAnswer:
    """One that was asked, and of which the ledger knows nothing."""
    base: dict[str, Any] = {"at": AT, "verdict": _VERDICTS[answer], "owner": OWNER}
    return PlaceAnswer(ip=ip, port=port, answer=answer, **(base | changes))


def row(answer: Answer, ip: str = "10.20.1.17", exposure: Known | None = None, **changes: Any) -> RowAnswer:
    """A row of one place, or one that was not asked."""
    changes.setdefault("lines", ["report.csv:2"])
    if answer in _VERDICTS:
        changes.setdefault("places", [place(answer, ip, exposure=exposure)])
    else:
        why = "no allow entry holds it" if answer == "not-ours" else "denied by 10.20.1.6 (medical devices)"
        changes.setdefault("reasons", [Reason(code="not-asked", detail=why)])
    return RowAnswer(named=f"{ip}:27017", answer=answer, **changes)


def every_row() -> list[RowAnswer]:
    """One of each answer, and some of what the ledger can know."""
    proved = known(state="closed", closed_before="2026-03-09T12:00:00.000Z", closed_how="asks-for-a-login")
    return [
        row(
            "confirmed-open",
            "10.20.1.1",
            known(reported_ahead_seconds=3 * 86_400 + 60, warned_at="2026-03-08T10:00:00.000Z"),
            reported_first="2026-03-04T03:59:00.000Z",
            reported_finding="open MongoDB 4.0.3, databases: lecteurs",
        ),
        row("confirmed-open", "10.20.1.2", known(first_seen_open=AT, state="new"), times=3),
        row(
            "open-no-data",
            "10.20.1.3",
            known(opened_after="2026-03-06T04:00:00.000Z", opened_after_how="refused", acknowledged_at=AT),
            reported_first="2026-03-08T00:00:00.000Z",
        ),
        row("unknown", "10.20.1.4"),
        row(
            "not-reachable",
            "10.20.1.5",
            known(state="unreachable", last_seen_open="2026-03-08T04:00:00Z"),
        ),
        row("not-asked", "10.20.1.6"),
        row("asks-for-a-login", "10.20.1.7", proved),
        row("another-service", "10.20.1.8"),
        row("closed-now", "10.20.1.9"),
        row("not-ours", "192.0.2.7"),
    ]


def whole(given: list[RowAnswer], **changes: Any) -> ReportAnswer:
    """The report that these are the rows of."""
    base: dict[str, Any] = {
        "report": "report.csv",
        "format": "Shadowserver CSV",
        "at": AT,
        "rows": sum(each.times for each in given),
        "answers": counted(given, {}),
        "run_id": "20260310T093000Z-0a1b2c3d",
        "state": "complete",
    }
    return ReportAnswer(**(base | changes))
