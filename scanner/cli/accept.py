"""`mongosweep accept`: somebody takes an exposure upon themselves, until a day."""

from __future__ import annotations

import click

from scanner.cli.acting import by_option
from scanner.cli.options import config_option, output_option

LONGEST_DAYS = 366


@click.command("accept")
@click.argument("exposure")
@by_option
@click.option("--until", metavar="DATE", help="The last day (UTC), a year ahead at most: 2026-12-31.")
@click.option("--reason", metavar="TEXT", help="Why it may stay open.")
@click.option("--withdraw", is_flag=True, help="Take an acceptance back.")
@config_option
@output_option
def command(
    exposure: str,
    by: str,
    until: str | None,
    reason: str | None,
    withdraw: bool,
    config: str | None,
    output: str,
) -> None:
    """Write down that NAME answers for EXPOSURE staying open until the end of DATE.

    Until then its state is `accepted` and nobody is told of it. It still counts as open, and it is open again
    the moment the day is over. Where it is closed and opened again, a new acceptance is needed.
    """
    from results.text import minute
    from scanner.cli.acting import place, write_down
    from scanner.cli.ledger_view import exposure_named, opened

    if withdraw and until:
        raise click.UsageError("--withdraw and --until contradict each other; write one of them")
    if not withdraw and not (until and reason and reason.strip()):
        raise click.UsageError("an acceptance needs --until DATE and --reason TEXT")
    over = "" if withdraw else _end(until or "")
    with opened(output, config) as view:
        one = exposure_named(exposure, view, output)
        if one.state == "closed":
            raise click.UsageError(
                f"{place(one)} was proved closed on {one.closed_before[:10]}; there is no risk to accept"
            )
        if withdraw:
            if one.acceptance is None:
                raise click.UsageError(f"{place(one)} is not accepted; there is nothing to withdraw")
            write_down(view, "acceptance-withdrawn", one, by, detail=reason or "")
        else:
            write_down(view, "accepted", one, by, detail=reason, until=over)
        click.echo(
            f"{place(one)}: {'acceptance withdrawn' if withdraw else f'accepted until {minute(over)}'}",
            err=True,
        )


def _end(until: str) -> str:
    """The end of the day, in a record's form. Raises a usage error for a day that is over or too far."""
    from results.durations import between, end_of
    from scanner.clock import SystemClock, timestamp

    now = timestamp(SystemClock.wall())
    try:
        over = end_of(until)
    except (ValueError, OverflowError):
        raise click.UsageError(f"--until {until!r} is no day; write one such as 2026-12-31") from None
    if over <= now:
        raise click.UsageError(f"--until {until} is over already; write a day to come")
    if between(now, over) > LONGEST_DAYS * 86_400:
        raise click.UsageError(
            f"--until {until} is over a year ahead; accept it until a nearer day, and look again then"
        )
    return over
