"""`mongosweep show`: a run's table again, or one exposure's dossier."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from scanner.cli.options import config_option, output_option

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.tracked import TrackedExposure
    from results.ledger.view import View


@click.command("show")
@click.argument("what", metavar="RUN|EXPOSURE")
@config_option
@output_option
def command(what: str, config: str | None, output: str) -> None:
    """Show a finished run's table as it was at its end, or everything that is known of one exposure.

    RUN is a name in the output directory, `last`, or a path. EXPOSURE is an id that `mongosweep exposures`
    lists, the beginning of one, or a place such as 192.0.2.7:27017.
    """
    path = _run(what, output)
    if path is not None:
        _show_run(path)
        return
    from scanner.cli.ledger_view import exposure_named, opened

    with opened(output, config) as view:
        _show_exposure(exposure_named(what, view, output, or_run=True), view)


def _run(what: str, output: str) -> Path | None:
    """The run directory, or file of observations, that is meant; None where it may be an exposure."""
    from scanner.cli.run_text import existing_run, run_path

    path = run_path(what, output)
    if os.path.exists(path):  # noqa: PTH110  # a Path raises where the folder cannot be read
        return path
    if "/" in what:
        return existing_run(what, output)
    return None


def _show_run(path: Path) -> None:
    from results.reading import read_run
    from results.report.table import print_table
    from scanner.cli.run_text import ended_lines

    for line in ended_lines(path):
        click.echo(line, err=True)
    print_table(read_run(path), sys.stdout)


def _show_exposure(exposure: TrackedExposure, view: View) -> None:
    from results.ledger.actions import shown
    from results.ledger.dossier import dossier
    from results.report.dossier_text import print_dossier

    own = exposure.exposure_id
    actions = [shown(record, own) for record in view.actions.of([own, *exposure.former_ids])]
    made = dossier(exposure, view.ledger.changes(own), view.ledger.looks(own), actions)
    print_dossier(made, sys.stdout)
