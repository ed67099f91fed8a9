"""What happened to a run, from its manifest: a pure function, so that telling it again gives the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from results.events.event import RunEnd, RunEvent, run_event_id
from results.manifest import Start
from results.runs import organisation_of
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from results.manifest import Manifest

WHOLE = "1/1"
"""The shard of a run that is not split."""
SEVERITIES: dict[RunEnd, Severity] = {
    "degraded": Severity.MEDIUM,
    "interrupted": Severity.MEDIUM,
    "failed": Severity.HIGH,
    "aborted": Severity.HIGH,
}
"""How grave an end is; every other one is `info`."""


def starts_of(manifest: Manifest) -> list[RunEvent]:
    """`started`, and `resumed` for each further start."""
    return [
        RunEvent(
            event_id=_start_id(manifest.run_id, nth),
            kind="resumed" if nth else "started",
            at=start.at,
            state="running",
            **_common(manifest, start),
        )
        for nth, start in enumerate(_starts(manifest))
    ]


def _start_id(run_id: str, nth: int) -> str:
    return run_event_id(run_id, "resumed", str(nth)) if nth else run_event_id(run_id, "started")


def degraded(manifest: Manifest, reasons: Sequence[str], at: str) -> RunEvent:
    """That a run which goes on cannot end `complete` any more, once for each run."""
    told = _common(manifest, _starts(manifest)[-1])
    return RunEvent(
        event_id=run_event_id(manifest.run_id, "degraded"),
        kind="degraded",
        at=at,
        state="running",
        reasons=list(reasons),
        **(told | _grave(Severity.MEDIUM)),
    )


def end_id(run_id: str, starts: int, state: RunEnd) -> str:
    """The id of the event that a run which was started so often ended so."""
    return run_event_id(run_id, "ended", str(starts), state)


def ids_of_complete(run_id: str, starts: int) -> list[str]:
    """The ids of all that is told of a run that was started so often and is complete."""
    return [end_id(run_id, starts, "complete"), *(_start_id(run_id, nth) for nth in range(starts))]


def ended(
    manifest: Manifest,
    state: RunEnd,
    changes: Mapping[str, int] | None = None,
    exposures_open: int | None = None,
) -> RunEvent:
    """How it ended. What its targets were is counted only in a run that was judged."""
    starts = _starts(manifest)
    counted = bool(manifest.ended_at) and state in ("complete", "degraded", "interrupted")
    told = _common(manifest, starts[-1])
    return RunEvent(
        event_id=end_id(manifest.run_id, len(starts), state),
        kind="ended",
        at=manifest.ended_at or starts[-1].at,
        state=state,
        reasons=manifest.reasons if state != "aborted" else [],
        coverage=manifest.coverage if counted else None,
        loss=manifest.loss if counted else None,
        outcomes=manifest.outcomes if counted else {},
        open=_open(manifest) if counted else None,
        changes=dict(changes or {}),
        exposures_open=exposures_open,
        **(told | _grave(SEVERITIES.get(state, Severity.INFO))),
    )


def _open(manifest: Manifest) -> int | None:
    """Never 0 for want of counts: only where each target that was asked has one."""
    found = sum(manifest.outcomes.get(verdict, 0) for verdict in Verdict if verdict.is_open)
    asked = manifest.coverage.outcomes if manifest.coverage is not None else -1
    return found if found > 0 or (not found and sum(manifest.outcomes.values()) == asked) else None


def _starts(manifest: Manifest) -> list[Start]:
    first = Start(at=manifest.created_at, who=manifest.who, tool_version=manifest.tool_version)
    return manifest.starts or [first]


def _common(manifest: Manifest, start: Start) -> dict[str, Any]:
    return {
        "run_id": manifest.run_id,
        "organisation": organisation_of(manifest),
        "vantage": manifest.vantage,
        "purpose": manifest.purpose,
        "host": start.who.host,
        "tool_version": start.tool_version,
        "scope": manifest.scope.digest,
        "shard": "" if manifest.shard == WHOLE else manifest.shard,
        "planned": manifest.planned.targets,
        "started_at": manifest.created_at,
        **_grave(Severity.INFO),
    }


def _grave(severity: Severity) -> dict[str, Any]:
    return {"severity": severity, "severity_number": severity.number}
