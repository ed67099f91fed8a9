"""`mongosweep report`: what is open, how it got there and what was done about it, as a page or for
programs."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scanner.cli.options import Age, config_option, option, output_option
from scanner.cli.outfile import OutFile, form_named_by, opened

if TYPE_CHECKING:
    from results.ledger.view import View
    from results.report.redact import Redactor

KEY_VARIABLE = "MONGOSWEEP_REDACT_KEY"
FORMATS = ("html", "csv", "md", "json")


class Moment(click.ParamType[str]):
    """A time with its zone, as a record writes it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same moment in UTC with milliseconds, or a usage error that says what to write."""
        from results.durations import as_text, instant

        try:
            return as_text(instant(str(value)))
        except ValueError:
            self.fail(f"{value!r} is no time; write one such as 2026-03-01T09:00:00Z", param, ctx)


@click.command("report")
@config_option
@output_option
@click.option(
    "--exposure",
    metavar="ID",
    help="The dossier of one: an id, its beginning, or a place such as 192.0.2.7:27017.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="One page, a spreadsheet's table, a ticket's text, or everything for programs. Default: what the "
    "ending of --out says, else html.",
)
@click.option(
    "--out",
    type=OutFile(),
    metavar="FILE",
    help="Where it goes; - is standard output. Default: report.FORMAT in the output directory, or standard "
    "output where that is no terminal.",
)
@click.option(
    "--redact",
    type=click.Choice(["names", "all"]),
    is_flag=False,
    flag_value="names",
    help="Replace names by keyed hashes; `--redact=all`: addresses and ids, too.",
)
@click.option(
    "--redact-key",
    metavar="FILE",
    help=f"The key of these hashes, or {KEY_VARIABLE} holds it. Default: a new one each time, kept nowhere.",
)
@click.option("--retain", type=Age(), metavar="AGE", help="Leave out what closed longer ago, such as 365d.")
@option("--now", type=Moment(), metavar="TIME", help="The moment for which it is made. Default: now.")
def command(
    config: str | None,
    output: str,
    exposure: str | None,
    form: str | None,
    out: str | None,
    redact: str | None,
    redact_key: str | None,
    retain: int | None,
    now: str | None,
) -> None:
    """Write a report of every exposure in an output directory, or the dossier of one.

    The page is one file that asks nobody for anything: open it from a disk, print it, send it on. With the
    same ledger and --now it is the same to the byte.
    """
    from scanner.cli import ledger_view
    from scanner.clock import SystemClock, timestamp

    if exposure is not None and retain is not None:
        raise click.UsageError(
            "--retain leaves exposures out, and --exposure asks for one; write one of them"
        )
    form = form or form_named_by(out, FORMATS) or "html"
    redactor = _redactor(redact, redact_key)
    moment = now or timestamp(SystemClock.wall())
    with ledger_view.opened(output, config, moment) as view:
        if exposure is None:
            text = _report(view, output, form, moment, retain, redactor)
        else:
            text = _dossier(view, output, exposure, form, moment, redactor)
    if out is None and sys.stdout.isatty():
        out = str(Path(output) / f"{'dossier' if exposure else 'report'}.{form}")
    with opened(out) as file:
        file.write(text)


def _redactor(extent: str | None, key_file: str | None) -> Redactor | None:
    """Who replaces names, or None. A key is read whole, without the line end that editors add."""
    from results.report.redact import Redactor
    from scanner.errors import RefusedError

    if extent is None:
        if key_file is not None:
            raise click.UsageError("--redact-key is for --redact; write both")
        return None
    where, key = "the key", os.environb.get(KEY_VARIABLE.encode(), b"")
    if key_file is not None:
        where = key_file
        try:
            key = Path(key_file).read_bytes()
        except OSError as error:
            raise RefusedError(f"{key_file}: {error.strerror}; name a file with the key") from error
    elif key:
        where = KEY_VARIABLE
    else:
        key = secrets.token_bytes(32)
    try:
        return Redactor(key.rstrip(b"\r\n"), "all" if extent == "all" else "names")
    except ValueError as error:
        raise RefusedError(f"{where}: {error}; `head -c 32 /dev/urandom | base64` makes one") from error


def _report(
    view: View, output: str, form: str, now: str, retain: int | None, redactor: Redactor | None
) -> str:
    from results.report.gather import gather

    content = gather(view, Path(output), now, retain_seconds=retain)
    if redactor is not None:
        content = redactor.content(content)
    if form == "html":
        from results.report.overview_page import overview

        return overview(content)
    from results.report import plain

    write = {"csv": plain.report_csv, "md": plain.report_markdown, "json": plain.report_json}[form]
    return write(content)


def _dossier(view: View, output: str, named: str, form: str, now: str, redactor: Redactor | None) -> str:
    from results.report.gather import gather_dossier
    from scanner.cli.ledger_view import exposure_named

    content = gather_dossier(view, Path(output), exposure_named(named, view, output), now)
    if redactor is not None:
        content = redactor.dossier(content)
    if form == "html":
        from results.report.dossier_page import dossier_page

        return dossier_page(content)
    from results.report import plain

    write = {"csv": plain.dossier_csv, "md": plain.dossier_markdown, "json": plain.dossier_json}[form]
    return write(content)
