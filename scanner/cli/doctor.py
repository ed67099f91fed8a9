"""`mongosweep doctor`: what this machine allows, fences around the process, and whether sinks take events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.listing import FORMS, Column, Listed, Listing, in_one_piece, listing_options
from scanner.cli.options import config_option, output_option, scope_option
from scanner.setup.firewall import KINDS, fence_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.sinks.trial import Trial
    from scanner.setup.doctor import Check

TRIAL_PATIENCE = 60.0  # seconds; an indexer may take its time to acknowledge


@click.command("doctor")
@config_option
@scope_option
@output_option
@click.option(
    "--fence",
    type=click.Choice(KINDS),
    help="Print a fence of this kind, made from the scope, and nothing else.",
)
@click.option(
    "--user", metavar="NAME|UID", help="For --fence: the account that runs sweeps. Default: this one."
)
@click.option(
    "--sinks", is_flag=True, help="Send one event that says it is a test to each [[sink]]; nothing else."
)
@listing_options()
def command(
    config: str | None,
    scope_file: str | None,
    output: str,
    fence: str | None,
    user: str | None,
    sinks: bool,
    listed: Listed,
) -> int:
    """Say what this machine allows a sweep: descriptors, ports, raw sockets, time-outs, clock, disk; where
    `[fleet]` names certificates, whether they are good.

    --fence prints a second fence outside the process, generated from the scope, so that not even a bug of
    mongosweep can reach an address outside it. --sinks tries each sink and says what came back. Both leave
    the rest out; all else sends nothing. Exit code 0; 2 when a sweep would be refused here; 3 when a sink
    did not take its test event.
    """
    if fence is not None and sinks:
        raise click.UsageError("--fence and --sinks are two things; write one of them")
    if sinks:
        return _try_sinks(config, output, listed)
    if fence is not None:
        listed.write_by(
            dict.fromkeys(FORMS, in_one_piece(lambda: fence_text(fence, config, scope_file, user)))
        )
        return 0
    import contextlib

    from scanner.errors import MongosweepError
    from scanner.fleet.own_check import fleet_checks
    from scanner.setup.doctor import diagnose
    from targets.errors import ScopeError

    diagnosis = diagnose(config, scope_file, output)
    with contextlib.suppress(MongosweepError, ScopeError):  # said by the check of the scope
        diagnosis.checks.extend(fleet_checks(config))
    listed.write(_listing(diagnosis.checks))
    return diagnosis.exit_code


def _try_sinks(config: str | None, output: str, listed: Listed) -> int:
    """A test event to each sink, all at once, and a line for each."""
    import asyncio
    import os
    import platform
    from pathlib import Path

    from results.sinks.trial import made_up_event, try_sink
    from scanner import __version__
    from scanner.clock import SystemClock, timestamp
    from scanner.errors import ExitCode
    from scanner.setup.sink_request import config_with_sinks, plans_of

    found = config_with_sinks(config, os.environ)
    plans = plans_of(found, found.settings.sink, os.environ, Path(output))
    organisation = found.settings.organisation.name

    async def try_all() -> list[Trial]:
        at = timestamp(SystemClock.wall())
        events = [
            made_up_event(at, version=__version__, host=platform.node(), organisation=organisation)
            for _ in plans
        ]
        return await asyncio.gather(
            *(try_sink(plan.sink, event, TRIAL_PATIENCE) for plan, event in zip(plans, events, strict=True))
        )

    trials = asyncio.run(try_all())
    listed.write(
        Listing(
            rows=trials,
            columns=[
                Column("result"),
                Column("name", title="sink"),
                Column("kind"),
                Column("place", widest=40),
                Column("said", title="what came back", folds=True),
            ],
            title="Test events",
            as_object=lambda trial: trial._asdict(),
        )
    )
    failed = any(trial.result == "failed" for trial in trials)
    return ExitCode.INCOMPLETE if failed else ExitCode.CLEAN


def _listing(checks: Sequence[Check]) -> Listing[Check]:
    return Listing(
        rows=checks,
        columns=[
            Column("level"),
            Column("name", title="check"),
            Column("remedy", title=""),
            Column("found", folds=True),
        ],
        title="What this machine allows",
        below=lambda check: [f"-> {check.remedy}"] if check.remedy else [],
    )
