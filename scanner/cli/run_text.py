"""Runs, their audits and the lab for people: the text of `runs`, `audit` and `lab --list`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from results.manifest import PURPOSES
from results.text import indented, visible
from scanner.cli.plan_text import duration, table_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.audit import AuditReport
    from results.progress import Progress
    from results.runs import RunInfo
    from scanner.lab.estate import Place


LAST = "last"


def run_path(run: str, output: str) -> Path:
    """A run by its name in the output directory, by a path of its own, or `last`: the newest that has ended.
    Raises `NotARunError` where none has."""
    from results.files import NotARunError
    from results.runs import list_runs

    if run == LAST:
        ended = [each for each in list_runs(Path(output)) if each.state != "running"]
        if not ended:
            raise NotARunError(output, "holds no run that has ended", "`mongosweep sweep` makes one")
        return Path(ended[-1].path)
    named = Path(run)
    return named if named.is_dir() or named.suffix == ".jsonl" else Path(output) / run


def existing_run(run: str, output: str) -> Path:
    """The same, which must be there. Raises `RefusedError` with the names that look most like it."""
    from difflib import get_close_matches

    from results.runs import list_runs
    from scanner.errors import RefusedError

    path = run_path(run, output)
    if os.path.exists(path):  # noqa: PTH110  # a Path raises where the folder cannot be read
        return path
    names = [Path(each.path).name for each in list_runs(Path(output))]
    close = [visible(name, 80) for name in get_close_matches(Path(run).name, names, n=3)]
    guess = f"did you mean {' or '.join(close)}?" if close else "`mongosweep runs` lists them"
    raise RefusedError(f"there is no run {visible(run, 80)} in {output}; {guess}")


def runs_json(runs: Sequence[RunInfo]) -> str:
    """The runs as a JSON array; `can_resume` is among the fields."""
    rows = [{**msgspec.to_builtins(run), "can_resume": run.can_resume} for run in runs]
    return indented(rows)


def runs_lines(runs: Sequence[RunInfo]) -> list[str]:
    """A table of runs, with the first reason of each below it, and what each was made as where not all are
    sweeps."""
    if not runs:
        return ["no runs here"]
    told = any(run.purpose for run in runs)
    rows = [
        (
            Path(run.path).name,  # what --resume and audit take; a copy of a run has another
            run.state,
            _minute(run.created_at),
            _took(run),
            _count(run.open),
            _count(run.planned),
            *([visible(PURPOSES.get(run.purpose, run.purpose), 20)] if told else []),
        )
        for run in runs
    ]
    titles = ("RUN", "STATE", "BEGAN (UTC)", "TOOK", "OPEN", "TARGETS", "MADE AS")
    lines = table_lines(titles if told else titles[:-1], rows)
    for run in runs:
        if run.progress is not None:
            lines.append(f"{Path(run.path).name}: {_stands(run.progress, goes_on=run.state == 'running')}")
        if run.reasons:
            lines.append(f"{Path(run.path).name}: {visible(run.reasons[0], 200)}")
    return lines


def _stands(progress: Progress, *, goes_on: bool) -> str:
    """How far a run is, or was when it said so last, in one line."""
    share = 100 * progress.done / progress.planned if progress.planned else 100.0
    words = [f"{progress.done:,} targets have an outcome ({share:.1f} %)", f"{progress.open:,} open"]
    if not goes_on:
        return f"when it was aborted, {', '.join(words)}"
    words.append(f"{progress.rate:,.0f}/s")
    if progress.remaining is not None:
        words.append(f"{duration(progress.remaining)} left")
    if progress.paused_by:
        words.append(f"PAUSED: {visible(progress.paused_by, 200)}")
    elif progress.slowed_by:
        words.append(f"slower: {visible(progress.slowed_by, 200)}")
    return f"{', '.join(words)} (at {_second(progress.at)})"


def ended_lines(path: Path) -> list[str]:
    """How a run ended, as the sweep itself said it; nothing for a file of observations alone."""
    from results.durations import between
    from results.run import load_manifest
    from results.runs import run_info
    from scanner.cli.screen import summary_lines
    from scanner.sweep.progress import RunSummary

    if not path.is_dir():
        return []
    manifest, _ = load_manifest(path)
    began = manifest.created_at
    coverage = manifest.coverage
    summary = RunSummary(
        run_id=path.name,
        run_dir=str(path),
        state=run_info(path).state,
        reasons=tuple(manifest.reasons),
        planned=coverage.planned if coverage else manifest.planned.targets,
        outcomes=manifest.outcomes,
        excluded=coverage.excluded if coverage else 0,
        not_reached=coverage.not_reached if coverage else 0,
        elapsed=between(began, manifest.ended_at or began),
        exit_code=0,
        chain_head=_chain_head(path),
    )
    purpose = f", of `mongosweep {visible(manifest.purpose)}`" if manifest.purpose else ""
    return [f"run {visible(manifest.run_id)}{purpose}, begun {_second(began)}", *summary_lines(summary)]


def _chain_head(path: Path) -> str:
    """What `audit --head` compares with; the manifest has only the one before its own end. "" where the chain
    is missing or damaged, as `audit` says."""
    from results.chain import load_chain
    from results.files import CorruptError

    try:
        chain = load_chain(path)
    except CorruptError:
        return ""
    return chain.head if chain is not None else ""


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
        return indented(places)
    rows = [
        (each.personality, each.verdict.value, each.description, f"{each.ip}:{each.port}") for each in places
    ]
    return "\n".join(table_lines(("SERVER", "VERDICT", "WHAT IT IS", "ADDRESS"), rows, most=len(rows)))


def _second(timestamp: str) -> str:
    """A timestamp of a manifest to the second: `2026-11-24T12:39:23Z`."""
    return f"{timestamp[:19]}Z" if timestamp else "-"


def _minute(timestamp: str) -> str:
    """The same to the minute, for a column: `2026-11-24 12:39`."""
    return f"{timestamp[:10]} {timestamp[11:16]}" if timestamp else "-"


def _took(run: RunInfo) -> str:
    """How long it lasted; "-" where it has not ended, or its times cannot be read."""
    from results.durations import between

    try:
        return duration(between(run.created_at, run.ended_at))
    except ValueError:
        return "-"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
