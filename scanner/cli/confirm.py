"""`mongosweep confirm`: what an outside report names, row by row: what is true of it now, and a reply."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

import click

from scanner.cli.options import (
    config_option,
    json_option,
    log_option,
    output_option,
    scope_option,
    vantage_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.sweep.confirm import Confirmation, Report
    from targets.scope import Scope

LANGUAGES = ("en", "fr")
FORMATS = ("table", "jsonl", "csv", "md")
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
    metavar="FILE",
    help="Write an answer to the author of the report; - is standard output, in place of the table.",
)
@click.option("--language", type=click.Choice(LANGUAGES), help="Of --reply. Default: en.", show_default=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="table (the default), jsonl (for programs), csv, md (for a ticket).",
)
@json_option
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
    form: str | None,
    as_json: bool,
    log_level: str,
    quiet: bool,
) -> int:
    """Ask exactly what an outside report names and is ours, and say of each row what is true now, and since
    when by the ledger.

    REPORT is a file of any format that docs/sources.md lists, or - for standard input. What the scope does
    not hold is listed and not asked. With it up to three neighbours are asked that are known to answer,
    because a refusal beside silence proves nothing. It is one run of the output directory.

    \b
    Examples:
      mongosweep confirm report.csv
      mongosweep confirm report.csv --reply answer.txt --language fr
      mongosweep confirm - --text < copied-from-a-message.txt
      echo 10.20.1.17:27017 | mongosweep confirm - --vantage internet
    """
    from scanner.cli.ledger_view import refuse_without_runs
    from scanner.cli.log import configure
    from scanner.cli.screen import RoundScreen
    from scanner.cli.streams import patient_stderr
    from scanner.clock import SystemClock
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.doctor import require_descriptors
    from scanner.setup.list_files import list_argument
    from scanner.setup.request import SweepRequest, load
    from scanner.sweep.confirm import confirm
    from scanner.sweep.patience import SignalPatience

    form = _form(form, as_json=as_json, reply_to=reply_to, language=language)
    _require_place(reply_to)
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
    if reply_to is not None:
        from results.confirm.reply import reply

        ours = loaded.settings.organisation
        text = reply(done.rows, done.whole, language or "en", name=ours.name, contact=ours.contact)
        _deliver(text, reply_to)
    if reply_to != "-":
        _show(done, form)
    return done.exit_code


def _form(form: str | None, *, as_json: bool, reply_to: str | None, language: str | None) -> str:
    """The form of what is shown. Raises a usage error for options that do not go together."""
    if as_json and form not in (None, "jsonl"):
        raise click.UsageError(f"--json and --format {form} are two forms; write one of them")
    if language is not None and reply_to is None:
        raise click.UsageError("--language goes with --reply")
    if reply_to == "-" and (as_json or form is not None):
        raise click.UsageError("--reply - takes standard output; write the reply to a file, or one of them")
    return "jsonl" if as_json else form or "table"


def _require_place(reply_to: str | None) -> None:
    """Raises a usage error where the reply could not be written at the end."""
    if reply_to is None or reply_to == "-":
        return
    path = Path(reply_to)
    if path.is_dir():
        raise click.UsageError(f"--reply {reply_to} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise click.UsageError(f"--reply {reply_to}: there is no directory {path.parent}; make it")


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


def _show(done: Confirmation, form: str) -> None:
    from scanner.cli.streams import patient_stdout

    if form == "table":
        from results.confirm.table import print_answers

        print_answers(done.rows, done.whole, done.open_lines, sys.stdout)
        return
    from results.confirm import plain

    with patient_stdout() as stdout:
        if form == "jsonl":
            for line in plain.answers_jsonl(done.rows, done.whole):
                stdout.write(line)
        elif form == "csv":
            stdout.write(plain.answers_csv(done.rows))
        else:
            stdout.write(plain.answers_markdown(done.rows, done.whole))


def _deliver(text: str, reply_to: str) -> None:
    """Into a file, whole or not at all, and say where; or to standard output, or what is no file."""
    from results.files import REAL, storage_error, write_durably
    from scanner.cli.ending import say

    if reply_to == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    path = Path(reply_to)
    if path.exists() and not path.is_file():  # a pipe, a terminal: nothing that may be replaced
        try:
            path.write_bytes(text.encode())
        except OSError as error:
            raise storage_error(path, error) from error
        return
    write_durably(REAL, path, text.encode(), keep_previous=False)
    say(f"wrote {path}")
