"""`mongosweep verify`: ask exposures again, until they are proved closed."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import (
    Age,
    config_option,
    log_option,
    output_option,
    scope_option,
    seed_option,
    textfile_option,
    vantage_option,
)
from scanner.cli.summary_file import Summarised, summary_option

if TYPE_CHECKING:
    from results.run_summary import CommandSummary
    from scanner.sweep.verify import Verification

_EPILOG = """Exit codes, as everywhere:

\b
  0  every exposure that was to be asked is proved closed
  1  all were asked, and one at least is open, or not proved closed
  3  not all could be asked (outside the scope, a degraded run), interrupted,
     or the time is over
"""


@click.command("verify", epilog=_EPILOG)
@click.argument("exposures", nargs=-1, metavar="[EXPOSURE]...")
@config_option
@scope_option
@output_option
@vantage_option
@click.option("--until-closed", is_flag=True, help="Go on until everything is proved closed.")
@click.option(
    "--interval",
    type=Age(),
    default="1m",
    show_default=True,
    metavar="DURATION",
    help="The first wait between two rounds; it grows to an hour.",
)
@click.option(
    "--timeout",
    type=Age(),
    metavar="DURATION",
    help="Give up --until-closed after this time, such as 2h; exit code 3.",
)
@seed_option
@summary_option
@textfile_option
@listing_options(json_means="jsonl")
@log_option
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but what goes wrong.")
def command(
    exposures: tuple[str, ...],
    config: str | None,
    scope_file: str | None,
    output: str,
    vantage: str | None,
    until_closed: bool,
    interval: int,
    timeout: int | None,
    seed: int | None,
    summary_to: str | None,
    metrics_textfile: str | None,
    listed: Listed,
    log_level: str,
    quiet: bool,
) -> int:
    """Ask what was found open again: all that is not closed, or EXPOSURE, an id, an address or address:port.

    Each is asked where it was, only while the scope allows it, by our own reader and by MongoDB's official
    driver; with it up to three neighbours that are known to answer, because a refusal beside silence proves
    nothing. Each round is a run of the output directory.
    """
    from scanner.cli.log import configure
    from scanner.cli.screen import RoundScreen, stamped_say
    from scanner.cli.streams import patient_stderr
    from scanner.cli.textfile import code_with, require_place, write_run_metrics
    from scanner.cli.verify_text import verified_listing
    from scanner.clock import SystemClock
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.doctor import require_descriptors
    from scanner.setup.request import LoadedRequest, SweepRequest, load
    from scanner.sweep.afterwards import note_latest
    from scanner.sweep.patience import SignalPatience
    from scanner.sweep.verify import VerifyOptions, verify

    clock = SystemClock()
    request = SweepRequest(config=config, scope_file=scope_file, vantage=vantage)

    def look(now: float) -> LoadedRequest:
        require_clock(clock, witnesses(config, scope_file, output, None))
        return load(request, now)

    told = Summarised("verify", summary_to)
    with told.failures():
        if timeout is not None and not until_closed:
            raise click.UsageError("--timeout goes with --until-closed")
        lists = told.leaves_room_for(listed)
        require_place(metrics_textfile)
        require_descriptors()
        options = VerifyOptions(
            output=Path(output),
            names=exposures,
            until_closed=until_closed,
            interval=interval,
            timeout=timeout,
            seed=seed,
        )
        with patient_stderr() as stderr, closing(configure(log_level)):
            screen = RoundScreen(cast("TextIO", stderr), quiet=quiet)
            found = verify(look, options, screen, clock=clock, patience=SignalPatience())
        last = options.output / found.run_ids[-1] if found.run_ids else None
        if last is not None:
            note_latest(last, stamped_say(sys.stderr, quiet=quiet))
        if lists:
            listed.write(verified_listing(found), patient=True)
        written = last is None or write_run_metrics(metrics_textfile, last)
        code = code_with(found.exit_code, written=written)
    return told.write(_summary(told, found, last, code)) if told.wanted else code


def _summary(told: Summarised, found: Verification, last: Path | None, code: int) -> CommandSummary:
    """What `--summary` says of it: of its last run, and of all exposures."""
    from msgspec.structs import replace

    from results.ledger.proof import counted
    from results.run_summary import of_run

    summary = of_run(told.blank(), last) if last is not None else told.blank()
    if last is not None:
        state = found.trouble[0] if found.trouble else "complete"
        if found.ended == "interrupted":
            state = "interrupted"
        summary = replace(summary, state=cast("Any", state), runs=list(found.run_ids))
    return replace(summary, exit_code=code, exposures=counted(found.found))
