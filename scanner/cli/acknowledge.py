"""`mongosweep acknowledge`: somebody is at it."""

from __future__ import annotations

import click

from scanner.cli.acting import by_option
from scanner.cli.options import config_option, output_option


@click.command("acknowledge")
@click.argument("exposure")
@by_option
@click.option("--note", metavar="TEXT", default="", help="What is being done, or by when.")
@config_option
@output_option
def command(exposure: str, by: str, note: str, config: str | None, output: str) -> None:
    """Write down that NAME knows of EXPOSURE and is at it. It stays open until that is proved; reminders wait
    until its deadline is over."""
    from scanner.cli.acting import place, write_down
    from scanner.cli.ledger_view import exposure_named, opened

    with opened(output, config) as view:
        one = exposure_named(exposure, view, output)
        if one.state == "closed":
            raise click.UsageError(
                f"{place(one)} was proved closed on {one.closed_before[:10]}; nothing is to be done"
            )
        write_down(view, "acknowledged", one, by, detail=note)
        click.echo(f"{place(one)}: acknowledged", err=True)
