"""Runs, their audits and the lab for people: the text of `runs`, `audit` and `lab --list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from results.text import visible
from scanner.cli.plan_text import table_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.audit import AuditReport
    from results.runs import RunInfo
    from scanner.lab.estate import Place


def run_path(run: str, output: str) -> Path:
    """A run by its name in the output directory, or by a path of its own."""
    named = Path(run)
    return named if named.is_dir() else Path(output) / run


def runs_json(runs: Sequence[RunInfo]) -> str:
    """The runs as a JSON array; `can_resume` is among the fields."""
    rows = [{**msgspec.to_builtins(run), "can_resume": run.can_resume} for run in runs]
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()


def runs_lines(runs: Sequence[RunInfo]) -> list[str]:
    """A table of runs, with the first reason of each below it."""
    if not runs:
        return ["no runs here"]
    rows = [
        (
            Path(run.path).name,  # what --resume and audit take; a copy of a run has another
            run.state,
            _second(run.created_at),
            _second(run.ended_at),
            _count(run.open),
            _count(run.planned),
        )
        for run in runs
    ]
    lines = table_lines(("RUN", "STATE", "BEGAN", "ENDED", "OPEN", "TARGETS"), rows)
    lines += [f"{Path(run.path).name}: {visible(run.reasons[0], 200)}" for run in runs if run.reasons]
    return lines


def audit_lines(report: AuditReport) -> list[str]:
    """Who, when, under which authorisation; then each file's judgement and the chain's head."""
    lines = [f"run {visible(report.run_id)}: {report.lines:,} lines"]
    manifest = report.manifest
    if manifest is not None:
        who = manifest.who
        lines.append(
            f"by {visible(who.user or str(who.uid))} on {visible(who.host)}, began {manifest.created_at}"
        )
        words = dict.fromkeys(item.authorised_by for item in manifest.authorisations if item.authorised_by)
        if words:
            lines.append(f"authorised by {visible(', '.join(words), 300)}")
        lines.append(f"scope {manifest.scope.digest}, {len(manifest.scope.entries):,} entries")
    lines += [
        f"{item.judgement:<8}  {visible(item.file)}: {visible(item.detail)}" for item in report.findings
    ]
    lines.append(f"head of the chain: {report.head or 'none'}")
    unsealed = any(item.judgement == "unsealed" for item in report.findings)
    intact = "nothing that a hash covers was edited" if unsealed else "nothing was edited"
    lines.append("EDITED after it was written" if report.edited else intact)
    return lines


def lab_text(places: Sequence[Place], *, as_json: bool) -> str:
    """What the lab would start: where each server stands and what must be found there."""
    if as_json:
        return msgspec.json.format(msgspec.json.encode(places), indent=2).decode()
    rows = [
        (each.personality, each.verdict.value, each.description, f"{each.ip}:{each.port}") for each in places
    ]
    return "\n".join(table_lines(("SERVER", "VERDICT", "WHAT IT IS", "ADDRESS"), rows, most=len(rows)))


def _second(timestamp: str) -> str:
    """A timestamp of a manifest to the second: `2026-11-24T12:39:23Z`."""
    return f"{timestamp[:19]}Z" if timestamp else "-"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
