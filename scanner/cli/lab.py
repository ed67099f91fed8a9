"""`mongosweep lab`: simulated servers on loopback."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options


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
@listing_options(only="For --list: ")
def command(
    only_list: bool,
    base: str | None,
    port: int | None,
    hostile: bool,
    real_servers: bool | None,
    scope_path: str | None,
    listed: Listed,
) -> None:
    """Run an estate of simulated servers on 127.0.0.0/8, good and bad ones, until Ctrl-C.

    In another terminal: mongosweep sweep -c FILE, with the FILE that --write-scope wrote.
    """
    from pathlib import Path

    from scanner.lab.estate import DEFAULT_BASE, DEFAULT_PORT, Estate
    from scanner.lab.personality import Group
    from scanner.lab.run import run_lab

    if not only_list and listed.out is not None:
        raise click.UsageError("--out goes with --list: write both, or leave it out")
    groups = [Group.MAIN, Group.OTHER, *([Group.HOSTILE] if hostile else [])]
    base = base or DEFAULT_BASE
    if only_list:
        from scanner.cli.run_text import lab_listing

        estate = Estate(base=base, port=port or DEFAULT_PORT, groups=groups)
        listed.write(lab_listing(estate.truth()))
        return
    run_lab(
        base=base,
        port=port,
        groups=groups,
        secantus=real_servers,
        scope_path=Path(scope_path) if scope_path else None,
    )
