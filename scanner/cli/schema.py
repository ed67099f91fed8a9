"""`mongosweep schema`: the JSON Schema of a record."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema (draft 2020-12) of a journal's line: an observation, or a database of one."""
    from results.schema import text

    click.echo(text(), nl=False)
