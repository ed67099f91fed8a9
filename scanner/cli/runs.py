"""`mongosweep runs`: what an output directory holds."""

from __future__ import annotations

import click

from scanner.cli.options import json_option, output_option


@click.command("runs")
@output_option
@json_option
def command(output: str, as_json: bool) -> None:
    """List the runs of an output directory with their state, oldest first.

    One that is interrupted, degraded, failed or aborted is taken up again by: mongosweep sweep --resume RUN.
    """
    from pathlib import Path

    from results.runs import list_runs
    from scanner.cli.run_text import runs_json, runs_lines

    runs = list_runs(Path(output))
    click.echo(runs_json(runs) if as_json else "\n".join(runs_lines(runs)))
