"""`mongosweep doctor`: what this machine allows, and fences around the process. It sends nothing."""

from __future__ import annotations

import click

from scanner.cli.options import config_option, json_option, output_option, scope_option
from scanner.setup.firewall import KINDS, fence_text


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
@json_option
def command(
    config: str | None,
    scope_file: str | None,
    output: str,
    fence: str | None,
    user: str | None,
    as_json: bool,
) -> int:
    """Say what this machine allows a sweep: descriptors, ports, raw sockets, time-outs, clock, disk.

    --fence prints a second fence outside the process, generated from the scope, so that not even a bug of
    mongosweep can reach an address outside it. Exit code 0, or 2 when a sweep would be refused here.
    """
    if fence is not None:
        click.echo(fence_text(fence, config, scope_file, user), nl=False)
        return 0
    from scanner.setup.doctor import diagnose

    diagnosis = diagnose(config, scope_file, output)
    click.echo(diagnosis.json() if as_json else "\n".join(diagnosis.lines()))
    return diagnosis.exit_code
