"""`mongosweep schema`: the JSON Schema of a record, of an event, or of a summary."""

from __future__ import annotations

import click


@click.command("schema")
@click.option(
    "--of",
    type=click.Choice(["line", "event", "summary"]),
    default="line",
    show_default=True,
    help="A line of a journal (an observation, or a database of one), an event, or what --summary writes.",
)
def command(of: str) -> None:
    """Print a JSON Schema (draft 2020-12)."""
    if of == "event":
        from results.events.schema import text
    elif of == "summary":
        from results.run_summary import text
    else:
        from results.schema import text

    click.echo(text(), nl=False)
