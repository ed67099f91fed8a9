"""`mongosweep audit`: whether a run's files are what the run wrote."""

from __future__ import annotations

import click

from scanner.cli.options import json_option, output_option


@click.command("audit")
@click.argument("run")
@output_option
@click.option("--head", metavar="HASH", default="", help="The last hash of the chain, as kept elsewhere.")
@json_option
def command(run: str, output: str, head: str, as_json: bool) -> int:
    """Recompute the hash chain of RUN and say what was edited. RUN is a name in the output directory, `last`,
    or a path.

    Exit code 0 when nothing was, 4 when something was. Only --head shows a chain that was rebuilt as a whole.
    """
    from results.audit import audit, to_json
    from scanner.cli.run_text import audit_lines, run_path
    from scanner.errors import ExitCode

    report = audit(run_path(run, output), head)
    click.echo(to_json(report) if as_json else "\n".join(audit_lines(report)))
    return ExitCode.STORAGE if report.edited else ExitCode.CLEAN
