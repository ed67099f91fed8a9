"""`mongosweep data`: of which day the dated tables are, and newer ones in their place."""

from __future__ import annotations

import click

from scanner.cli.group import LazyGroup
from scanner.cli.listing import Column, Listed, Listing, listing_options
from scanner.cli.options import config_option

TABLE = {
    "update": "Take newer tables from a signed file or https address.",
    "export": "Write the tables in use, or those of a folder, as one bundle that can be signed.",
    "reset": "Go back to the tables of this version.",
}


@click.group(
    "data",
    cls=LazyGroup,
    table=TABLE,
    prefix=f"{__package__}.data_",
    invoke_without_command=True,
    no_args_is_help=False,
)
@config_option
@listing_options()
@click.pass_context
def command(context: click.Context, config: str | None, listed: Listed) -> None:
    """Say of which day the tables are: advisories, end of life, ransom names, telling names, special
    address space.

    A table that is too old to trust says so. A newer mongosweep brings newer ones, and so does `mongosweep
    data update`; of each table the newest counts. That of special address space is part of the program alone.
    """
    if context.invoked_subcommand is not None:
        return
    import os
    from datetime import UTC, datetime

    from results.text import visible
    from scanner.clock import SystemClock
    from scanner.mongo.tables import DataAge, data_age
    from scanner.setup.data_tables import use_newest
    from targets import special

    there = use_newest(config, os.environ)
    today = datetime.fromtimestamp(SystemClock.wall(), UTC).date()
    space = ("special_space", "Special address space", special.AS_OF, len(special.TABLE))
    ages = [*data_age(today), DataAge.of(*space, special.STALE_AFTER_DAYS, today)]
    listed.write(
        Listing(
            rows=ages,
            columns=[
                Column("name", title="table"),
                Column("as_of", lambda age: str(age.as_of)),
                Column("stale", None, lambda age: "STALE" if age.stale else "ok", "state"),
                Column("days", None, lambda age: f"{age.days:,} days", "age", right=True),
                Column("rows", right=True),
                Column("source"),
                Column("about", title="holds", folds=True),
            ],
            title="Dated tables",
            as_object=lambda age: age._asdict(),
        )
    )
    if there is not None:
        by = visible(f"{there.signer} ({there.key})", 300)
        older = "; they count although they are older than others" if there.pinned else ""
        told = f"updated {there.at[:10]} from {visible(there.source, 300)}, signed by {by}{older}"
        click.echo(told, err=True)


def summary() -> str:
    """The day of each table in use, in a line."""
    from scanner.mongo.tables import FILES, table

    return "in use: " + ", ".join(f"{name} of {table(name)['as_of']}" for name in FILES)
