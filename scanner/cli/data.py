"""`mongosweep data`: how old the built-in tables are."""

from __future__ import annotations

import click

from scanner.cli.options import json_option


@click.command("data")
@json_option
def command(as_json: bool) -> None:
    """Say of which day the built-in tables are: advisories, end of life, ransom names, telling names,
    special address space.

    A table that is too old to trust says so; a newer mongosweep brings newer ones.
    """
    from datetime import UTC, datetime

    from results.text import indented
    from scanner.cli.plan_text import table_lines
    from scanner.clock import SystemClock
    from scanner.mongo.tables import DataAge, data_age
    from targets import special

    today = datetime.fromtimestamp(SystemClock.wall(), UTC).date()
    space = ("special_space", "Special address space", special.AS_OF, len(special.TABLE))
    ages = [*data_age(today), DataAge.of(*space, special.STALE_AFTER_DAYS, today)]
    if as_json:
        rows = [age._asdict() for age in ages]
        click.echo(indented(rows))
        return
    cells = [
        (
            age.name,
            age.about,
            str(age.as_of),
            "STALE" if age.stale else "ok",
            f"{age.days} days",
            f"{age.rows:,}",
        )
        for age in ages
    ]
    click.echo("\n".join(table_lines(("TABLE", "HOLDS", "AS OF", "STATE", "AGE", "ROWS"), cells)))
