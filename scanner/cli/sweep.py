"""`mongosweep sweep`: the main job."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from scanner.cli.options import (
    Age,
    FormatName,
    Workers,
    json_option,
    log_option,
    option,
    output_option,
    pace_options,
    seed_option,
    textfile_option,
    vantage_option,
)
from scanner.cli.over_fleet import fleet_options
from scanner.errors import exit_code_table
from scanner.setup.choices import LOOPS

if TYPE_CHECKING:
    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import SweepOptions

_EPILOG = "Exit codes:\n\n\b\n" + exit_code_table()


@click.command("sweep", epilog=_EPILOG)
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@pace_options
@output_option
@click.option("--confirm", is_flag=True, help="Ask every open server once more, by the official driver.")
@click.option("--all", "everything", is_flag=True, help="A line for every target, silent ones among them.")
@seed_option
@click.option("--resume", metavar="RUN", help="Go on with this run of the output directory.")
@option("--loop", type=click.Choice(LOOPS), envvar="MONGOSWEEP_LOOP", help="The event loop.")
@option(
    "--workers",
    type=Workers(),
    metavar="N",
    envvar="MONGOSWEEP_WORKERS",
    help="Processes that talk to servers: 1 to 15, or auto.",
)
@vantage_option
@fleet_options
@click.option(
    "--stop-after",
    type=Age(),
    metavar="DURATION",
    help="Stop after this time, such as 6h, with what is known by then; exit code 3.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["open", "never"]),
    default="open",
    show_default=True,
    help="Whether something open makes the exit code 1.",
)
@option(
    "--no-ledger",
    is_flag=True,
    envvar="MONGOSWEEP_NO_LEDGER",
    help="Neither ask the ledger what to watch nor let it take in this run, and tell no events.",
)
@click.option("--forward", is_flag=True, help="Send what is found to every [[sink]] meanwhile.")
@click.option(
    "--format",
    "form",
    type=FormatName(),
    metavar="FORMAT",
    help="What stdout gets instead, as `convert --to`.",
)
@textfile_option
@json_option
@log_option
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr, unless the sweep is not complete.")
def command(
    targets: tuple[str, ...],
    output: str,
    confirm: bool,
    everything: bool,
    seed: int | None,
    resume: str | None,
    fleet: str | None,
    ssh: str | None,
    from_site: str | None,
    stop_after: int | None,
    fail_on: str,
    no_ledger: bool,
    forward: bool,
    form: str | None,
    metrics_textfile: str | None,
    as_json: bool,
    log_level: str,
    quiet: bool,
    **asked: object,
) -> int:
    """Sweep the scope, or its part TARGET, for MongoDB servers that answer without a password.

    TARGET is an address, a CIDR, a range a-b, address:port, or `-` for a list on standard input, which may be
    the output of nmap, masscan, naabu or zmap. It narrows the scope and never widens it. JSONL goes to stdout
    when that is piped, a table when it is a terminal, and always into a run directory.
    """
    from results.formats.registry import format_named
    from scanner.cli.log import configure
    from scanner.cli.over_fleet import require_machine, sweep, way_of
    from scanner.cli.screen import screen_for
    from scanner.cli.streams import is_terminal, may_reach_terminal, patient_stderr
    from scanner.cli.textfile import code_with, require_place, write_run_metrics
    from scanner.clock import SystemClock
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.request import SweepRequest, load
    from scanner.sweep.remembered import take_in, tell, watched

    way = way_of(fleet, ssh, from_site)
    if forward and no_ledger:
        raise click.UsageError("--forward sends what changed, which the ledger says; leave --no-ledger out")
    require_place(metrics_textfile)
    request = SweepRequest.of(targets, asked)
    seen = witnesses(request.config, request.scope_file, output, resume)
    loaded = load(request, require_clock(SystemClock(), seen))
    require_machine(way, loaded.options.engine)
    for notice in loaded.notices:
        click.echo(notice, err=True)
    if loaded.learned is not None and not quiet:
        from scanner.cli.plan_text import learned_text
        from scanner.sweep.plan import learned_ports

        click.echo(learned_text(learned_ports(loaded.learned, loaded.scope)), err=True)
    if form is not None:
        format_named(form)
    lines = as_json or form is not None or not is_terminal(sys.stdout)
    options = replace(
        loaded.options,
        output=Path(output),
        confirm=confirm,
        everything=everything,
        seed=seed,
        resume=resume,
        stop_after=stop_after,
        fail_on="never" if fail_on == "never" else "open",
        stdout_lines=lines,
        stdout_format=form or "native",
        quiet=quiet,
        events=not no_ledger,
    )
    if forward:
        _forward_beside(loaded.config, options)
    alone = not (lines and may_reach_terminal(sys.stdout))
    with (
        patient_stderr(_without_raw_sockets) as stderr,
        closing(configure(log_level)),
        screen_for(cast("TextIO", stderr), quiet=quiet, alone=alone) as screen,
    ):
        if not no_ledger:
            options = replace(options, watched=watched(options.output, screen.notice))
        result = sweep(way, loaded, options, screen)
    if not (lines or getattr(stderr, "given_up", False)):  # a stopped terminal takes no table either
        from scanner.cli.screen import show_table

        show_table(result.run_dir)
    if not no_ledger:
        from scanner.cli.ending import say

        changed = take_in(options.output, result, say)
        tell(options.output, loaded.settings, say)
        if changed and not (lines or quiet):
            say(changed)
    return code_with(result.exit_code, written=write_run_metrics(metrics_textfile, Path(result.run_dir)))


def _forward_beside(config: ConfigFile | None, options: SweepOptions) -> None:
    """Have it all forwarded until the command is over. Raises `RefusedError` for sinks that cannot work."""
    import os

    from scanner.cli.ending import say
    from scanner.cli.forwarding import forwarding
    from scanner.errors import RefusedError
    from scanner.setup.sink_request import require_usable_sinks

    if config is None:
        raise RefusedError("--forward needs a configuration that names a sink; name one with -c FILE")
    require_usable_sinks(config, os.environ, options.output)
    beside = forwarding(config.path, options.output, say, quiet=options.quiet)
    click.get_current_context().with_resource(beside)


def _without_raw_sockets() -> None:
    """For a thread that runs before the SYN stage: what the main thread gives up later, it gives up first."""
    if sys.platform == "linux":
        from scanner.network.syn.privilege import StillPrivileged, renounce_net_raw

        with suppress(StillPrivileged):
            renounce_net_raw()
