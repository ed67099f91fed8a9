"""`mongosweep sweep`: the main job."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from scanner.cli.options import (
    Age,
    FailOn,
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
from scanner.cli.summary_file import Summarised, summary_option
from scanner.errors import exit_code_table
from scanner.setup.choices import LOOPS

if TYPE_CHECKING:
    from results.run_summary import CommandSummary
    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import SweepOptions
    from scanner.sweep.afterwards import Left
    from scanner.sweep.progress import RunSummary

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
    type=FailOn(),
    metavar="KINDS",
    default="open",
    show_default=True,
    help="What makes the exit code 1: open, new, critical, high (and critical), unknown, with commas between"
    " them; or never.",
)
@option(
    "--no-ledger",
    is_flag=True,
    envvar="MONGOSWEEP_NO_LEDGER",
    help="Neither ask the ledger what to watch nor let it take in this run, and tell no events.",
)
@option(
    "--keep",
    type=Age(),
    metavar="AGE",
    envvar="MONGOSWEEP_KEEP",
    help="Remove run directories that ended longer ago, such as 30d, as `ledger prune` does.",
)
@click.option("--forward", is_flag=True, help="Send what is found to every [[sink]] meanwhile.")
@click.option(
    "--format",
    "form",
    type=FormatName(),
    metavar="FORMAT",
    help="What stdout gets instead, as `convert --to`.",
)
@summary_option
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
    fail_on: tuple[str, ...],
    no_ledger: bool,
    keep: int | None,
    forward: bool,
    form: str | None,
    summary_to: str | None,
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
    from scanner.cli.screen import screen_for, stamped_say
    from scanner.cli.streams import is_terminal, may_reach_terminal, patient_stderr
    from scanner.cli.textfile import code_with, require_place, write_run_metrics
    from scanner.clock import SystemClock
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.request import SweepRequest, load
    from scanner.sweep.afterwards import Afterwards, afterwards
    from scanner.sweep.findings import exit_code_for
    from scanner.sweep.remembered import watched

    told = Summarised("sweep", summary_to)
    with told.failures():
        way = way_of(fleet, ssh, from_site)
        _require_sense(told, as_json=as_json, form=form, forward=forward, keep=keep, no_ledger=no_ledger)
        require_place(metrics_textfile)
        resume = _named_run(resume, output)
        request = SweepRequest.of(targets, asked)
        seen = witnesses(request.config, request.scope_file, output, resume)
        clock, say = SystemClock(), stamped_say(sys.stderr)
        loaded = load(request, require_clock(clock, seen))
        require_machine(way, loaded.options.engine)
        for notice in loaded.notices:
            say(notice)
        if loaded.learned is not None and not quiet:
            from scanner.cli.plan_text import learned_text
            from scanner.sweep.plan import learned_ports

            say(learned_text(learned_ports(loaded.learned, loaded.scope)))
        if form is not None:
            format_named(form)
        table = not (as_json or form is not None or told.takes_stdout) and is_terminal(sys.stdout)
        lines = not (table or told.takes_stdout)
        options = replace(
            loaded.options,
            output=Path(output),
            confirm=confirm,
            everything=everything,
            seed=seed,
            resume=resume,
            stop_after=stop_after,
            fail_on="open" if "open" in fail_on else "never",
            stdout_lines=lines,
            stdout_format=form or "native",
            quiet=quiet,
            events=not no_ledger,
        )
        if forward:
            _forward_beside(loaded.config, options, log_level)
        alone = not (lines and may_reach_terminal(sys.stdout))
        with (
            patient_stderr(_without_raw_sockets) as stderr,
            closing(configure(log_level)),
            screen_for(cast("TextIO", stderr), quiet=quiet, alone=alone, table=table) as screen,
        ):
            if not no_ledger:
                options = replace(options, watched=watched(options.output, screen.notice))
            result = sweep(way, loaded, options, screen)
        counted = any(kind != "open" for kind in fail_on)
        wanted = Afterwards(ledger=not no_ledger, keep=keep, counted=counted or told.wanted)
        remark = stamped_say(sys.stderr, quiet=quiet)
        left = afterwards(result, wanted, loaded.settings, clock, say=say, remark=remark)
        if table and not getattr(stderr, "given_up", False):  # a stopped terminal takes no table either
            from scanner.cli.screen import show_table

            show_table(result.run_dir)
            remark(f"run directory: {result.run_dir}")
            if left.changed:
                remark(left.changed)
        code = exit_code_for(result.exit_code, left.findings, fail_on) if counted else result.exit_code
        code = code_with(code, written=write_run_metrics(metrics_textfile, Path(result.run_dir)))
    return told.write(_summary(told, result, left, code)) if told.wanted else code


def _require_sense(
    told: Summarised, *, as_json: bool, form: str | None, forward: bool, keep: int | None, no_ledger: bool
) -> None:
    """Raises a usage error for options that do not go together."""
    if forward and no_ledger:
        raise click.UsageError("--forward sends what changed, which the ledger says; leave --no-ledger out")
    if keep is not None and no_ledger and _was_written("keep"):
        raise click.UsageError("--keep removes only what the ledger holds; leave --no-ledger out")
    if told.takes_stdout and (as_json or form is not None):
        raise click.UsageError("--summary - takes standard output; name a file for it")


def _was_written(name: str) -> bool:
    """Whether an option stands on the command line, and is not of the environment."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _named_run(resume: str | None, output: str) -> str | None:
    """The run of `--resume`, which may be a word for the newest."""
    if resume is None:
        return None
    from scanner.cli.run_text import LAST, run_path

    return run_path(resume, output).name if resume in LAST else resume


def _summary(told: Summarised, run: RunSummary, left: Left, code: int) -> CommandSummary:
    """What `--summary` says of a sweep."""
    from msgspec.structs import replace as replaced

    from results.run_summary import driver_of, of_run

    found = left.findings
    return replaced(
        of_run(told.blank(), Path(run.run_dir)),
        state=cast("Any", run.state),
        exit_code=code,
        reasons=list(run.reasons),
        runs=[run.run_id],
        elapsed=round(run.elapsed, 3),
        open=found.open,
        severities=dict(found.severities),
        new=found.new,
        driver=driver_of(run.agreed),
        removed=left.removed,
    )


def _forward_beside(config: ConfigFile | None, options: SweepOptions, log_level: str) -> None:
    """Have it all forwarded until the command is over; its log joins ours where nothing is drawn over either.
    Raises `RefusedError` for sinks that cannot work."""
    import os

    from scanner.cli.ending import say
    from scanner.cli.forwarding import forwarding
    from scanner.cli.screen import can_redraw
    from scanner.errors import RefusedError
    from scanner.setup.sink_request import require_usable_sinks

    if config is None:
        raise RefusedError("--forward needs a configuration that names a sink; name one with -c FILE")
    require_usable_sinks(config, os.environ, options.output)
    log = "" if log_level in ("error", "warning") or can_redraw(sys.stderr) else log_level
    beside = forwarding(config.path, options.output, say, quiet=options.quiet, log=log)
    click.get_current_context().with_resource(beside)


def _without_raw_sockets() -> None:
    """For a thread that runs before the SYN stage: what the main thread gives up later, it gives up first."""
    if sys.platform == "linux":
        from scanner.network.syn.privilege import StillPrivileged, renounce_net_raw

        with suppress(StillPrivileged):
            renounce_net_raw()
