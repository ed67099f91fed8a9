"""`mongosweep actions`: what people did and who was told, and whether the file of it is what was written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from scanner.cli.options import json_option, output_option

if TYPE_CHECKING:
    from results.ledger.actions import Actions

MOST = 200  # the newest are shown


@click.command("actions")
@output_option
@click.option("--vouch", metavar="NAME", help="Stand for a file whose chain is broken, as it is.")
@json_option
def command(output: str, vouch: str | None, as_json: bool) -> int:
    """List what people did and who was told, and check the chain of the file.

    Exit code 4 when a line was edited, taken out or put in: what stands from there on is marked `?` and
    counts for nothing. Put the file back as it was; or look at it, and let --vouch NAME write down that NAME
    stands for it as it is. The break stays visible for ever.
    """
    from pathlib import Path

    import msgspec

    from results.files import not_listed
    from results.ledger.actions import Actions
    from results.text import indented, visible
    from scanner.cli.ending import say
    from scanner.clock import SystemClock, timestamp
    from scanner.errors import ExitCode

    if not Path(output).is_dir():
        raise not_listed(Path(output))
    actions = Actions.open(Path(output))
    if vouch is not None:
        if not vouch.strip():
            raise click.UsageError("--vouch is empty; write a person's name")
        actions.vouch(vouch, timestamp(SystemClock.wall()))
    broken = actions.broken
    unproven = len(actions.unproven)
    if as_json:
        rows = [
            {**msgspec.to_builtins(record), "proven": number < len(actions.proven)}
            for number, record in enumerate(actions.all())
        ]
        click.echo(indented(rows))
    elif actions.all():
        _print(actions)
    else:
        click.echo("no actions here")
    if broken is None:
        return ExitCode.CLEAN
    where = f"{actions.path}: {visible(str(broken), 300)}"
    if broken.unproven:
        say(f"{where}; {unproven} actions from there on prove nothing")
        return ExitCode.STORAGE
    say(f"{where}; {visible(broken.vouched_by, 80)} stands for it as it is")
    return ExitCode.CLEAN


def _print(actions: Actions) -> None:
    """The newest, each in a few lines, however narrow the terminal."""
    from results.report.printing import Printer
    from results.text import minute, visible

    out = Printer(sys.stdout)
    records = actions.all()
    first = max(0, len(records) - MOST)
    if first:
        out.line(f"{first:,} earlier ones; --json has them all")
    for number, record in enumerate(records[first:], first):
        mark = " " if number < len(actions.proven) else "?"
        what = record.kind + (f" ({record.stage})" if record.stage else "")
        until = f" until {minute(record.until)}" if record.until else ""
        out.line(f"{mark} {record.at[:19].replace('T', ' ')} UTC  {what}{until}, by {visible(record.by, 80)}")
        for more in (record.message_id, ", ".join(record.exposure_ids), record.detail):
            if more:
                out.paragraph(visible(more, 1000), indent=4)
