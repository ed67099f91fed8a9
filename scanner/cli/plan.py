"""`mongosweep plan`: what a sweep would do. It sends nothing."""

from __future__ import annotations

import click

from scanner.cli.options import json_option, pace_options, seed_option


@click.command("plan")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@pace_options
@seed_option
@click.option(
    "--ownership", is_flag=True, help="Look up who holds the public prefixes (asks the RDAP registries)."
)
@json_option
def command(
    targets: tuple[str, ...], seed: int | None, ownership: bool, as_json: bool, **asked: object
) -> None:
    """Say what a sweep of the scope, or of its part TARGET, would do; send nothing.

    How many addresses, whose they are, what is excluded and why, and how long it takes at this rate. TARGET
    is an address, a CIDR, a range a-b, address:port, or `-` for a list on standard input, which may be the
    output of nmap, masscan, naabu or zmap.
    """
    from scanner.cli.plan_text import plan_json, plan_lines
    from scanner.clock import SystemClock
    from scanner.network.link_edges import edges_of
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.request import SweepRequest, load
    from scanner.sweep.plan import make_plan

    request = SweepRequest.of(targets, asked)
    now = require_clock(SystemClock(), witnesses(request.config, request.scope_file))
    loaded = load(request, now)
    for notice in loaded.notices:
        click.echo(notice, err=True)
    edges = edges_of(loaded.scope)
    plan = make_plan(loaded.settings, loaded.scope, loaded.options, now, seed, edges)
    holders = None
    if ownership:
        from scanner.setup.prefix_holders import look_up

        holders = look_up(loaded.scope, loaded.settings.ownership)
    click.echo(plan_json(plan, holders) if as_json else "\n".join(plan_lines(plan, holders)))
