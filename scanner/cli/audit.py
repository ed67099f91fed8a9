"""`mongosweep audit`: whether a run's files are what the run wrote."""

from __future__ import annotations

import click

from scanner.cli.listing import Listed, listing_options
from scanner.cli.options import output_option


@click.command("audit")
@click.argument("run")
@output_option
@click.option(
    "--head",
    metavar="HASH",
    default="",
    help="The last hash of the chain, as kept elsewhere; or a manifest's chain_head.",
)
@listing_options()
def command(run: str, output: str, head: str, listed: Listed) -> int:
    """Recompute the hash chain of RUN and say what was edited. RUN is a name in the output directory, `last`,
    or a path.

    Exit code 0 when nothing was, 4 when something was. Only --head shows a chain that was rebuilt as a whole.
    """
    from results.audit import audit
    from scanner.cli.run_text import audit_listing, run_path
    from scanner.errors import ExitCode

    report = audit(run_path(run, output), head)
    listed.write(audit_listing(report))
    return ExitCode.STORAGE if report.edited else ExitCode.CLEAN
