"""`mongosweep note`: something that is worth remembering of an exposure."""

from __future__ import annotations

import click

from scanner.cli.acting import by_option
from scanner.cli.options import config_option, output_option


@click.command("note")
@click.argument("exposure")
@click.argument("text")
@by_option
@click.option(
    "--aware-since",
    metavar="TIME",
    help="When the organisation knew of it, where that was not at the first sight: the 72 hours of GDPR "
    "article 33 are counted from then.",
)
@config_option
@output_option
def command(
    exposure: str, text: str, by: str, aware_since: str | None, config: str | None, output: str
) -> None:
    """Write TEXT down beside EXPOSURE, with NAME and the time."""
    from scanner.cli.acting import moment, place, write_down
    from scanner.cli.ledger_view import exposure_named, opened
    from scanner.clock import SystemClock, timestamp

    since = moment(aware_since, "--aware-since") if aware_since else ""
    if since > timestamp(SystemClock.wall()):
        raise click.UsageError(f"--aware-since {aware_since} is still to come; write a time that is over")
    if not text.strip():
        raise click.UsageError("the text is empty; write what is to be remembered")
    with opened(output, config) as view:
        one = exposure_named(exposure, view, output)
        write_down(view, "aware" if since else "noted", one, by, detail=text, since=since)
        click.echo(f"{place(one)}: noted", err=True)
