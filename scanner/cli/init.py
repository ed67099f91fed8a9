"""`mongosweep init`: a configuration to start from."""

from __future__ import annotations

import click

from scanner.setup.config_file import FILE_NAME


@click.command("init")
@click.argument("file", default=FILE_NAME, required=False)
def command(file: str) -> None:
    """Write a commented FILE (mongosweep.toml) whose scope is empty. An existing file is left as it is."""
    from pathlib import Path

    from scanner.setup.template import write_template

    write_template(Path(file))
    click.echo(
        f"wrote {file}; put your ranges into it as [[allow]] entries, or let `mongosweep scope import` take"
        " them from what you have; then: mongosweep plan",
        err=True,
    )
