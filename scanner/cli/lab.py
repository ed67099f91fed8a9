"""`mongosweep lab`: simulated servers on loopback."""

from __future__ import annotations

import click

from scanner.cli.options import json_option


@click.command("lab")
@click.option("--list", "only_list", is_flag=True, help="Say what would stand where, and start nothing.")
@click.option("--base", metavar="ADDRESS", help="Where the addresses begin. Default: 127.77.0.0.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="Their port. Default: 27017 or the next free one.",
)
@click.option("--hostile", is_flag=True, help="Servers that try to hurt their client, too.")
@click.option(
    "--real/--no-real",
    "real_servers",
    default=None,
    help="SecantusDB servers too. Default: if the lab extra is installed.",
)
@click.option("--write-scope", "scope_path", metavar="FILE", help="Write a configuration that allows it.")
@json_option
def command(
    only_list: bool,
    base: str | None,
    port: int | None,
    hostile: bool,
    real_servers: bool | None,
    scope_path: str | None,
    as_json: bool,
) -> None:
    """Run an estate of simulated servers on 127.0.0.0/8, good and bad ones, until Ctrl-C.

    In another terminal: mongosweep sweep -c FILE, with the FILE that --write-scope wrote.
    """
    from pathlib import Path

    from scanner.lab.estate import DEFAULT_BASE, DEFAULT_PORT, Estate
    from scanner.lab.personality import Group
    from scanner.lab.run import run_lab

    groups = [Group.MAIN, Group.OTHER, *([Group.HOSTILE] if hostile else [])]
    base = base or DEFAULT_BASE
    if only_list:
        from scanner.cli.run_text import lab_text

        estate = Estate(base=base, port=port or DEFAULT_PORT, groups=groups)
        click.echo(lab_text(estate.truth(), as_json=as_json))
        return
    run_lab(
        base=base,
        port=port,
        groups=groups,
        secantus=real_servers,
        scope_path=Path(scope_path) if scope_path else None,
    )
