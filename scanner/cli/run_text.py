"""Runs, their audits and the lab for people: the text of `runs`, `audit` and `lab --list`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from results.manifest import PURPOSES
from results.text import address, visible
from scanner.cli.listing import Column, Listing, for_programs
from scanner.cli.plan_text import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.audit import AuditReport, Finding
    from results.progress import Progress
    from results.runs import RunInfo
    from scanner.lab.estate import Place


LAST = frozenset({"last", "latest"})
"""Words for the newest run that has ended; by the second there is a link to one."""


def run_path(run: str, output: str) -> Path:
    """A run by its name in the output directory, by a path of its own, or a word of `LAST`: the newest.
    Raises `NotARunError` where none has."""
    from results.files import NotARunError
    from results.runs import list_runs

    if run in LAST:
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


def runs_listing(runs: Sequence[RunInfo], output: str) -> Listing[RunInfo]:
    """The runs of an output directory, with how far each is and its first reason below it; what each was made
    as where not all are sweeps. In JSON `can_resume` is among the fields."""
    told = any(run.purpose for run in runs)
    return Listing(
        rows=runs,
        columns=[
            # What --resume and audit take: a copy of a run has another name.
            Column("run", lambda run: Path(run.path).name),
            Column("state"),
            Column("created_at", None, lambda run: _minute(run.created_at), "began (UTC)"),
            Column("ended_at", None, _took, "took", right=True),
            Column("open", right=True),
            Column("planned", title="targets", right=True),
            Column(
                "purpose", None, lambda run: PURPOSES.get(run.purpose, run.purpose), "made as" if told else ""
            ),
            *for_programs("not_reached", "vantage", "organisation", "shard", "can_resume"),
            Column("reasons", lambda run: "; ".join(run.reasons), title=""),
            *for_programs("run_id"),
        ],
        title=f"Runs in {output}",
        below=_remarks,
        empty="no runs here",
        as_object=lambda run: {**msgspec.to_builtins(run), "can_resume": run.can_resume},
    )


def _remarks(run: RunInfo) -> Iterator[str]:
    if run.progress is not None:
        yield _stands(run.progress, goes_on=run.state == "running")
    if run.reasons:
        yield run.reasons[0]


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
        words.append(f"PAUSED: {progress.paused_by}")
    elif progress.slowed_by:
        words.append(f"slower: {progress.slowed_by}")
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


def audit_listing(report: AuditReport) -> Listing[Finding]:
    """Who, when, under which authorisation; then each file's judgement and the chain's head."""
    above = [f"run {report.run_id}: {report.lines:,} lines"]
    manifest = report.manifest
    if manifest is not None:
        who = manifest.who
        above.append(f"by {who.user or who.uid} on {who.host}, began {manifest.created_at}")
        words = dict.fromkeys(item.authorised_by for item in manifest.authorisations if item.authorised_by)
        if words:
            above.append(f"authorised by {', '.join(words)}")
        above.append(f"scope {manifest.scope.digest}, {len(manifest.scope.entries):,} entries")
    intact = "nothing that a hash covers was edited" if report.unsealed else "nothing was edited"
    head = f"head of the chain: {report.head or 'none'}"
    return Listing(
        rows=report.findings,
        columns=[Column("judgement"), Column("file"), Column("detail", folds=True)],
        title=f"Audit of {report.run_id}",
        above=above,
        foot=[head, "EDITED after it was written" if report.edited else intact],
        empty="",
        document=lambda: report,
    )


def lab_listing(places: Sequence[Place]) -> Listing[Place]:
    """What the lab would start: where each server stands and what must be found there."""
    return Listing(
        rows=places,
        columns=[
            Column("personality", title="server"),
            Column("verdict", lambda place: place.verdict.value),
            Column("ip", None, lambda place: address(place.ip, place.port), "address"),
            *for_programs("port", "product", "version", "owner"),
            Column("description", title="what it is", folds=True),
        ],
        title="Simulated servers",
    )


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
