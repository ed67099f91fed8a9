"""`mongosweep runs`: what an output directory holds."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import output_option


@click.command("runs")
@output_option
@listing_options()
def command(output: str, listed: Listed) -> None:
    """List the runs of an output directory with their state, oldest first.

    One that is interrupted, degraded, failed or aborted is taken up again by: mongosweep sweep --resume RUN.
    """
    from pathlib import Path

    from results.runs import list_runs
    from scanner.cli.run_text import runs_listing

    listed.write(runs_listing(list_runs(Path(output)), output))
