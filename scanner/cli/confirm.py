"""`mongosweep confirm`: what an outside report names, row by row: what is true of it now, and a reply."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

import click

from scanner.cli.listing import Listed, Writer, in_one_piece, in_pieces, json_text, listing_options
from scanner.cli.options import (
    config_option,
    log_option,
    output_option,
    scope_option,
    vantage_option,
)
from scanner.cli.outfile import OutFile, opened
from scanner.cli.summary_file import Summarised, summary_option
from scanner.setup.choices import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.run_summary import CommandSummary
    from scanner.sweep.confirm import Confirmation, Report
    from targets.scope import Scope

_EPILOG = """Exit codes, as everywhere:

\b
  0  nothing that it names is open: also where nothing of it is ours, which
     is said
  1  something is confirmed open, and everything of ours was settled
  2  the report cannot be read, or names nothing at all
  3  something of ours was not asked, not reached or is not clear, or the
     run is not complete; what is open is listed all the same
"""


@click.command("confirm", epilog=_EPILOG)
@click.argument("report", metavar="REPORT")
@config_option
@scope_option
@output_option
@vantage_option
@click.option(
    "--text", "is_text", is_flag=True, help="REPORT is text that people wrote: look for addresses in it."
)
@click.option(
    "--reply",
    "reply_to",
    type=OutFile(),
    metavar="FILE",
    help="Write an answer to the author of the report; - is standard output, in place of the table.",
)
@click.option("--language", type=click.Choice(LANGUAGES), help="Of --reply. Default: en.", show_default=False)
@summary_option
@listing_options(json_means="jsonl")
@log_option
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but what goes wrong.")
def command(
    report: str,
    config: str | None,
    scope_file: str | None,
    output: str,
    vantage: str | None,
    is_text: bool,
    reply_to: str | None,
    language: str | None,
    summary_to: str | None,
    listed: Listed,
    log_level: str,
    quiet: bool,
) -> int:
    """Ask exactly what an outside report names and is ours, and say of each row what is true now, and since
    when by the ledger.

    REPORT is a file of any format that docs/sources.md lists, or - for standard input. What the scope does
    not hold is listed and not asked. With it up to three neighbours are asked that are known to answer,
    because a refusal beside silence proves nothing. It is one run of the output directory.
    """
    from scanner.cli.ledger_view import refuse_without_runs
    from scanner.cli.log import configure
    from scanner.cli.screen import RoundScreen, stamped_say
    from scanner.cli.streams import patient_stderr
    from scanner.clock import SystemClock
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.doctor import require_descriptors
    from scanner.setup.list_files import list_argument
    from scanner.setup.request import SweepRequest, load
    from scanner.sweep.afterwards import note_latest
    from scanner.sweep.confirm import confirm
    from scanner.sweep.patience import SignalPatience

    told = Summarised("confirm", summary_to)
    with told.failures():
        _refuse_two(listed, reply_to, language)
        lists = told.leaves_room_for(listed)
        if told.takes_stdout and reply_to == "-":
            raise click.UsageError("--summary - takes standard output; write it to a file, or the reply")
        require_descriptors()
        clock = SystemClock()
        require_clock(clock, witnesses(config, scope_file, output, None))
        refuse_without_runs(Path(output))
        loaded = load(SweepRequest(config=config, scope_file=scope_file, vantage=vantage), clock.wall())
        with patient_stderr() as stderr, closing(configure(log_level)):
            screen = RoundScreen(cast("TextIO", stderr), quiet=quiet)
            with list_argument(report) as stream:
                name = "standard input" if report == "-" else report
                read = _read(stream, name, loaded.scope, screen.notice, is_text=is_text)
            done = confirm(loaded, read, Path(output), screen, clock=clock, patience=SignalPatience())
        if done.whole.run_id:
            note_latest(Path(output) / done.whole.run_id, stamped_say(sys.stderr, quiet=quiet))
        if reply_to is not None:
            from results.confirm.reply import reply

            ours = loaded.settings.organisation
            text = reply(done.rows, done.whole, language or "en", name=ours.name, contact=ours.contact)
            with opened(reply_to, option="--reply") as reply_file:
                reply_file.write(text)
        if lists and (reply_to != "-" or not listed.takes_stdout):
            listed.write_by(_writers(done), patient=True)
    return told.write(_summary(told, done, Path(output))) if told.wanted else done.exit_code


def _summary(told: Summarised, done: Confirmation, output: Path) -> CommandSummary:
    """What `--summary` says of it: of its run, and of all rows."""
    from msgspec.structs import replace

    from results.run_summary import of_run

    whole, summary = done.whole, told.blank()
    if whole.run_id:
        summary = of_run(summary, output / whole.run_id)
        summary = replace(summary, state=cast("Any", whole.state), runs=[whole.run_id])
    return replace(summary, exit_code=done.exit_code, open=whole.open_places, rows=dict(whole.answers))


def _refuse_two(listed: Listed, reply_to: str | None, language: str | None) -> None:
    """Raises a usage error for options that do not go together."""
    if language is not None and reply_to is None:
        raise click.UsageError("--language goes with --reply")
    if reply_to == "-" and listed.form != "table" and listed.takes_stdout:
        raise click.UsageError(
            "--reply - takes standard output; write the reply to a file, or name one with --out"
        )


def _read(
    stream: BinaryIO, name: str, scope: Scope, notice: Callable[[str], None], *, is_text: bool
) -> Report:
    """Read and sort it all. Raises ScopeError for what is no list, RefusedError where nothing is named."""
    from scanner.errors import RefusedError
    from scanner.sweep.confirm import Report
    from targets.errors import ScopeError
    from targets.reported import sort_rows
    from targets.sources.read import read_claims, read_text_of_people
    from targets.sources.text import PLAIN

    read = read_text_of_people if is_text else read_claims
    reading = read(stream, name, notice)
    try:
        rows = sort_rows(reading, scope, name, notice)
    except ScopeError as error:
        if error.line is None or reading.format not in (None, PLAIN):
            raise
        remedy = f"{error.remedy}; of text that people wrote, add --text, or name the whole e-mail (.eml)"
        raise ScopeError(error.path, error.line, error.reason, remedy) from None
    if not rows.count:
        lost = reading.unusable + rows.too_wide
        what = "can be used of it" if lost else "is named in it"
        raise RefusedError(
            f"{name}: no address with an open TCP port {what}; write one address:port a line, or name "
            "another report"
        )
    return Report(name=name, format=str(reading.format), rows=rows, unusable=reading.unusable)


def _writers(done: Confirmation) -> dict[str, Writer]:
    from results.confirm import plain
    from results.confirm.table import print_answers

    whole = {"report": done.whole, "rows": done.rows}
    return {
        "table": lambda stream: print_answers(done.rows, done.whole, done.open_lines, stream),
        "jsonl": in_pieces(lambda: plain.answers_jsonl(done.rows, done.whole)),
        "json": in_one_piece(lambda: json_text(whole, indent=2) + "\n"),
        "csv": in_one_piece(lambda: plain.answers_csv(done.rows)),
        "md": in_one_piece(lambda: plain.answers_markdown(done.rows, done.whole)),
    }
