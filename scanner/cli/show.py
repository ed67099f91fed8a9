"""`mongosweep show`: a run's table again, or one exposure's dossier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from scanner.cli.listing import Listed, Writer, in_one_piece, in_pieces, listing_options
from scanner.cli.options import config_option, output_option

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure
    from results.ledger.view import View
    from results.report.content import Dossier


@click.command("show")
@click.argument("what", metavar="RUN|EXPOSURE")
@config_option
@output_option
@listing_options()
def command(what: str, config: str | None, output: str, listed: Listed) -> None:
    """Show a finished run's table as it was at its end, or everything that is known of one exposure.

    RUN is a name in the output directory, `last`, or a path. EXPOSURE is an id that `mongosweep exposures`
    lists, the beginning of one, or a place such as 192.0.2.7:27017.
    """
    path = _run(what, output)
    if path is not None:
        _show_run(path, listed)
        return
    from scanner.cli.ledger_view import exposure_named, opened

    with opened(output, config) as view:
        exposure = exposure_named(what, view, output, or_run=True)
        listed.write_by(_of_exposure(exposure, view, Path(output)))


def _run(what: str, output: str) -> Path | None:
    """The run directory, or file of observations, that is meant; None where it may be an exposure."""
    from scanner.cli.run_text import existing_run, run_path

    path = run_path(what, output)
    if os.path.exists(path):  # noqa: PTH110  # a Path raises where the folder cannot be read
        return path
    if "/" in what:
        return existing_run(what, output)
    return None


def _show_run(path: Path, listed: Listed) -> None:
    import platform

    from results.formats.fields import Sender
    from results.reading import read_run
    from results.report import run_plain
    from results.report.news import news_of
    from results.report.table import print_table
    from results.runs import run_info
    from scanner import __version__
    from scanner.cli.run_text import ended_lines

    ended = ended_lines(path)
    if listed.form == "table":
        for line in ended:
            click.echo(line, err=True)
    info = run_info(path) if path.is_dir() else None
    sender = Sender(version=__version__, host=platform.node())
    listed.write_by(
        {
            "table": lambda stream: print_table(read_run(path), stream, news=news_of(path)),
            "jsonl": in_pieces(lambda: run_plain.run_jsonl(read_run(path))),
            "json": in_pieces(lambda: run_plain.run_json(info, read_run(path))),
            "csv": in_pieces(lambda: run_plain.run_csv(read_run(path), sender)),
            "md": in_one_piece(lambda: run_plain.run_markdown(ended, read_run(path))),
        }
    )


def _of_exposure(exposure: TrackedExposure, view: View, output: Path) -> dict[str, Writer]:
    from results.lines import json_line
    from results.report import plain
    from results.report.gather import gather_dossier
    from scanner.clock import SystemClock, timestamp

    def content() -> Dossier:
        return gather_dossier(view, output, exposure, timestamp(SystemClock.wall()))

    def table(stream: TextIO) -> None:
        from results.ledger.actions import shown
        from results.ledger.dossier import dossier
        from results.report.dossier_text import print_dossier

        own = exposure.exposure_id
        actions = [shown(record, own) for record in view.actions.of([own, *exposure.former_ids])]
        made = dossier(exposure, view.ledger.changes(own), view.ledger.looks(own), actions)
        print_dossier(made, stream)

    return {
        "table": table,
        "jsonl": in_one_piece(lambda: json_line(exposure).decode()),
        "json": in_one_piece(lambda: plain.dossier_json(content())),
        "csv": in_one_piece(lambda: plain.dossier_csv(content())),
        "md": in_one_piece(lambda: plain.dossier_markdown(content())),
    }
