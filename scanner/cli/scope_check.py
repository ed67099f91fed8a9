"""`mongosweep scope check`: what is wrong with the scope, or will be soon."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import Age, config_option, scope_option

EPILOG = "Exit codes: 0 nothing was found, 1 something was, 2 what was asked for cannot be done."


@click.command("check", epilog=EPILOG)
@config_option
@scope_option
@click.option(
    "--against",
    multiple=True,
    metavar="SOURCE",
    help="Also what SOURCE (as of `scope import`) names and the scope does not, and the other way round; may"
    " be given several times.",
)
@click.option(
    "--within",
    type=Age(),
    default="30d",
    show_default=True,
    metavar="AGE",
    help="Tell what expires within this time.",
)
@listing_options()
def command(
    config: str | None, scope_file: str | None, against: tuple[str, ...], within: int, listed: Listed
) -> int:
    """Say everything that is wrong with the scope, or will be soon; the gravest first, each with its place.

    An error keeps the scope from being loaded, so that nothing is swept at all. Warnings are gaps, entries
    without owner or contact, and what expires soon. The codes are explained in docs/scope.md. Host names are
    not looked up, and nothing is sent.
    """
    import os

    from scanner.cli.ending import say
    from scanner.cli.scope_check_text import check_listing
    from scanner.clock import SystemClock
    from scanner.errors import ExitCode
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.request import SweepRequest, load_settings
    from scanner.setup.scope_reading import check

    now = require_clock(SystemClock(), witnesses(config, scope_file))
    found, settings = load_settings(SweepRequest(config=config, scope_file=scope_file), os.environ)
    checked = check(scope_file, found, settings, now, within, against, os.environ, say)
    listed.write(check_listing(checked))
    return ExitCode.OPEN if checked.findings else ExitCode.CLEAN
