"""`mongosweep schema`: the JSON Schema of a record."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of one line of a run's observations."""
    from results.schema import text

    click.echo(text(), nl=False)
