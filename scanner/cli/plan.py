"""`mongosweep plan`: what a sweep would do. It sends nothing."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import output_option, pace_options, seed_option


@click.command("plan")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@pace_options
@seed_option
@output_option
@click.option("--ownership", is_flag=True, help="Ask who holds the public prefixes, as `scope prove` does.")
@click.option(
    "--picture", metavar="FILE", help="Draw it into an SVG file: whose the space is, and when it is asked."
)
@listing_options()
def command(
    targets: tuple[str, ...],
    seed: int | None,
    output: str,
    ownership: bool,
    picture: str | None,
    listed: Listed,
    **asked: object,
) -> None:
    """Say what a sweep of the scope, or of its part TARGET, would do; send nothing.

    How many addresses, whose they are, what is excluded and why, and how long it takes at this rate. TARGET
    is an address, a CIDR, a range a-b, address:port, or `-` for a list on standard input, which may be the
    output of nmap, masscan, naabu or zmap.
    """
    from pathlib import Path

    from scanner.cli.ending import say
    from scanner.cli.plan_text import plan_listing
    from scanner.clock import SystemClock
    from scanner.network.link_edges import edges_of
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.request import SweepRequest, load
    from scanner.sweep.plan import make_plan

    request = SweepRequest.of(targets, asked)
    clock = SystemClock()
    now = require_clock(clock, witnesses(request.config, request.scope_file))
    loaded = load(request, now)
    for notice in loaded.notices:
        click.echo(notice, err=True)
    edges = edges_of(loaded.scope)
    plan = make_plan(
        loaded.settings, loaded.scope, loaded.options, now, seed, edges, loaded.learned, loaded.considered
    )
    holders, proof = None, ""
    if ownership or loaded.settings.ownership.handles:
        from scanner.setup.ownership_request import ask_registries, known_by_now

        if ownership:
            holders = ask_registries(loaded, Path(output), clock.wall, say)
        proof = known_by_now(loaded, Path(output), now)
    if picture is not None:
        from scanner.cli.plan_picture import write_picture

        write_picture(Path(picture), plan, loaded.scope)
    listed.write(plan_listing(plan, holders, proof))
