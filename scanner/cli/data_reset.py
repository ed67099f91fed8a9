"""`mongosweep data reset`: back to the tables of this version."""

from __future__ import annotations

import click

from scanner.cli.options import config_option


@click.command("reset")
@config_option
def command(config: str | None) -> None:
    """Remove the tables that `mongosweep data update` installed: those of this version are in use again."""
    import os

    from results.text import visible
    from scanner.setup.config_file import find_config, read_config
    from scanner.setup.data_tables import FILE_NAME, directory_of, reset

    path = find_config(config, os.environ)
    directory = directory_of(read_config(path) if path is not None else None, os.environ)
    where = visible(str(directory / FILE_NAME))
    click.echo(f"{where} is removed" if reset(directory) else f"there is no {where}", err=True)
