"""`mongosweep ledger`: making the ledger again, and removing run directories that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.group import Group
from scanner.cli.options import Age, config_option, json_option, output_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.ledger.intake import IntakeReport, Progress


@click.group("ledger", cls=Group)
def command() -> None:
    """Look after the ledger of an output directory: what all of its runs say of each exposure.

    Every command that shows it takes new runs in by itself.
    """


@command.command("rebuild", short_help="Read every run again from its beginning.")
@config_option
@output_option
@json_option
def rebuild(config: str | None, output: str, as_json: bool) -> None:
    """Read every run of the output directory again from its beginning.

    What only the ledger has stays in it: runs that were pruned, or whose directories are gone.
    """
    from pathlib import Path

    from results.ledger.intake import rebuild as rebuild_ledger
    from results.text import plural

    report = rebuild_ledger(Path(output), organisation=_organisation(config), progress=_progress())
    _say_troubles(report)
    if as_json:
        _print_json(report)
        return
    click.echo(
        f"{plural(report.runs, 'run')}, {plural(report.observations, 'observation')},"
        f" {plural(report.exposures, 'exposure')}: {Path(output) / 'ledger.sqlite'}"
    )


@command.command("prune", short_help="Remove the directories of old runs that the ledger holds.")
@config_option
@output_option
@click.option(
    "--keep", type=Age(), required=True, metavar="AGE", help="What ended later stays: 90d, 12w, 36h."
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@json_option
def prune(config: str | None, output: str, keep: int, dry_run: bool, as_json: bool) -> None:
    """Remove the directories of old runs whose content is in the ledger, which keeps it.

    A run stays that never ended, was not read to its end, or holds what an exposure that is not closed rests
    on: the first and the last look that saw it open, and proofs that it was closed in between.
    """
    from datetime import timedelta
    from pathlib import Path

    from results.ledger.prune import prune as prune_runs
    from results.text import human_bytes, plural
    from scanner.clock import SystemClock, timestamp

    report = prune_runs(
        Path(output),
        timedelta(seconds=keep),
        timestamp(SystemClock.wall()),
        dry_run=dry_run,
        organisation=_organisation(config),
        progress=_progress(),
    )
    _say_troubles(report.intake)
    if as_json:
        _print_json(report)
        return
    done = "would be removed" if dry_run else "removed"
    for directory in report.removed:
        click.echo(f"{directory}: {done}")
    for kept in report.kept:
        click.echo(f"{kept.directory}: stays: {kept.reason}")
    click.echo(
        f"{plural(len(report.removed), 'run')} {done}, {human_bytes(report.bytes)};"
        f" of those as old, {len(report.kept):,} stay"
    )


def _organisation(config: str | None) -> str:
    """The name in the configuration; "" where there is none, and the ledger knows its own."""
    import os

    from scanner.setup.config_file import find_config, read_config

    path = find_config(config, os.environ)
    return read_config(path).settings.organisation.name if path is not None else ""


def _progress() -> Callable[[Progress], None]:
    """One line on stderr that is written over, where that is a terminal; nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        return lambda _: None

    def say(progress: Progress) -> None:
        what = f"{progress.observations:,} observations"
        if progress.left is None:
            line = f"run {progress.run:,} of {progress.runs:,}, {what}"
        else:
            line = f"{what}, {progress.left:,} places to go through"
        click.echo(f"\r{line:<78}\r", nl=False, err=True)

    return say


def _say_troubles(report: IntakeReport) -> None:
    from results.text import visible

    if report.set_aside:
        click.echo(
            f"the ledger was damaged; it is {visible(report.set_aside)} now, and was made again", err=True
        )
    for note in report.notes:
        click.echo(visible(note, 500), err=True)
    for passed in report.passed_over:
        click.echo(f"{visible(passed.directory)}: {visible(passed.reason, 300)}", err=True)


def _print_json(report: object) -> None:
    from scanner.cli.listing import json_text

    click.echo(json_text(report, indent=2))
